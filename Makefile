# make says what there is to run. What stands above a target is its help.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Every folder with a go.mod, of these the ones that have Go code, and those that are tested
# with the newest releases, too. make test runs two of them apart from the others.
modules := $(shell find . -name node_modules -prune -o -name go.mod -printf '%h\n' | sort)
code := $(filter-out ./tools,$(modules))
newest := $(shell find . -name node_modules -prune -o -name newest.mod -printf '%h\n' | sort)
faults := ./integration_test/faults
large := ./integration_test

FUZZ_SECONDS ?= 30
BENCHTIME ?= 200ms

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

# Prints this.
help:
	@awk '/^# / { text = text "\n\t" substr($$0, 3); next } /^[a-z-]+:/ { sub(/:.*/, ""); print $$0 text } { text = "" }' \
		$(firstword $(MAKEFILE_LIST)) | expand -t 4

# For every change: formatting, vet, the linters and the root module's tests, in less than
# a minute. Needs Go only.
check: fmt-check vet lint
	go test ./...

# Everything that a change must pass, in 6 or 7 minutes, and more on a fresh machine, which
# builds it all. As root and in CI it installs what is missing: packages of Debian and npm.
test:
	@$(MAKE) -j2 --output-sync=target setup linters
	@$(MAKE) fmt-check tidy-check
	@$(MAKE) -j2 --output-sync=target before-large faults
	@$(MAKE) large newest unraced counts fuzz

# Installs what the tests need beside Go, or says what is missing.
setup:
	scripts/setup

# Builds the linters, which takes minutes the first time.
linters:
	go -C tools tool -n golangci-lint
	go -C tools tool -n actionlint

# Fails if gofmt would change a file.
fmt-check:
	gofmt -d . | { ! grep ^; }

# Formats every file.
fmt:
	gofmt -w .

# Fails if go mod tidy would change a go.mod or go.sum.
tidy-check:
	@for m in $(modules); do (set -x; go -C $$m mod tidy -diff); done
	@for m in $(newest); do (set -x; go -C $$m mod tidy -modfile=newest.mod -diff); done

# Runs go vet in every module.
vet:
	@for m in $(code); do (set -x; go -C $$m vet ./...); done

# Runs golangci-lint in every module, and actionlint. tools/go.mod has their versions,
# .golangci.yml the rules.
lint:
	@linter=$$(go -C tools tool -n golangci-lint); \
	for m in $(code); do echo "golangci-lint in $$m"; (cd $$m; $$linter run --allow-parallel-runners --config $(CURDIR)/.golangci.yml); done
	"$$(go -C tools tool -n actionlint)" -color=false

# Of what -v prints it leaves the names of skipped and failed tests, and what tests report.
# The race detector would sleep for a second at the end of each package, for races of
# goroutines that are left over: the leak checks want none.
define run_race
@status=0; for m in $(1); do echo "go test in $$m"; \
GORACE=atexit_sleep_ms=0 go -C $$m test -v -race -count=1 -shuffle=on -timeout 15m ./... | grep -vE '^ *(=== |--- PASS)|^PASS$$' || status=1; done; exit $$status
endef

# The tests of every module under the race detector.
race:
	$(call run_race,$(code))

# Those of integration_test/faults, which wait for most of the time.
faults:
	$(call run_race,$(faults))

# Those of integration_test.
large:
	$(call run_race,$(large))

# What runs beside them in make test.
before-large: vet lint
	$(call run_race,$(filter-out $(faults) $(large),$(code)))

# The adapters' and examples' tests with the newest releases of the libraries, those of
# newest.mod; go.mod has the oldest. Others: make newest NEWEST="go.uber.org/zap@latest".
newest:
	scripts/newest $(NEWEST)

# The row of the scenario table that is not for the race detector: coder/websocket
# has a race there (docs/findings.md).
unraced:
	go -C integration_test/scenario test -count=1 -run 'TestScenarios/rows/between_compressed_fragments' .

# What a message costs in allocations and system calls, and an idle connection
# in memory, which the race detector would add to: the guard against regressions.
counts:
	go -C benchmarks test -count=1 ./internal/count
	go test -count=1 -run AllocationsPerMessage ./adapters/gorilla ./adapters/coder

# All fuzz targets, FUZZ_SECONDS in all.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(code)

# The scenario table in every setting there is, not only in every pair of values.
matrix:
	MATRIX=full go -C integration_test/scenario test -race -count=1 -timeout 15m .

# 23,000 connections on which neither peers nor handlers keep any rule, for some
# minutes. HOSTILE_FLAGS="-seed 1" has the same again.
hostile:
	go -C integration_test test -v -race -count=1 -timeout 30m ./hostile -for 0 -connections 23000 $(HOSTILE_FLAGS)

# 100,000 scripts from a seed of the clock's, bare against guarded, where the tests play
# the same 1,000. DIFFERENTIAL_FLAGS="-scripts 5000 -seed 7" and the like.
differential:
	go -C integration_test test -v -count=1 -timeout 60m ./differential -scripts 100000 -seed 0 $(DIFFERENTIAL_FLAGS)

# Ends 15,000 connections at one moment, compares what that costs, and shuts
# down 100 times at full speed: for a quiet machine.
scale:
	CLOSEGUARD_SCALE=1 go -C integration_test test -v -count=1 -timeout 20m ./scale
	CLOSEGUARD_SCALE=1 go test -race -count=1 -timeout 20m -run FullSpeed ./closeguard

# Measures everything, bare and guarded, writes docs/ and says which bars were missed:
# for a quiet machine, in less than an hour, half of which is the part delivery.
# BENCH_FLAGS="-only memory,rude" and the like: see benchmarks/README.md.
bench: setup
	go -C benchmarks build -o $(CURDIR)/benchmarks/benchmarks.out . && cd benchmarks && ./benchmarks.out -docs ../docs $(BENCH_FLAGS)

# The Go benchmarks in all modules' tests.
microbench:
	@for m in $(code); do (set -x; go -C $$m test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...); done
