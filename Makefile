# make test is what a change must pass, on a fresh machine too. The other
# targets are its parts and a few tools.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# Every folder with a go.mod, and of these the ones that have Go code.
modules := $(shell find . -name node_modules -prune -o -name go.mod -printf '%h\n' | sort)
code := $(filter-out ./tools,$(modules))

FUZZ_SECONDS ?= 30
BENCHTIME ?= 200ms

.PHONY: test setup fmt-check tidy-check vet lint race counts fmt fuzz bench microbench unraced matrix differential hostile scale

test: setup fmt-check tidy-check vet lint race unraced counts fuzz

# Installs what the tests need beside Go.
setup:
	scripts/setup

fmt-check:
	gofmt -d . | { ! grep ^; }

fmt:
	gofmt -w .

tidy-check:
	@for m in $(modules); do (set -x; go -C $$m mod tidy -diff); done

vet:
	@for m in $(code); do (set -x; go -C $$m vet ./...); done

# The linter's version is in tools/go.mod, its rules are in .golangci.yml.
lint:
	@linter=$$(go -C tools tool -n golangci-lint); \
	for m in $(code); do echo "golangci-lint in $$m"; (cd $$m; $$linter run --config $(CURDIR)/.golangci.yml); done

# Of what -v prints it leaves the names of skipped and failed tests, and what tests report.
race:
	@status=0; for m in $(code); do echo "go test in $$m"; \
	go -C $$m test -v -race -count=1 -shuffle=on -timeout 15m ./... | grep -vE '^ *(=== |--- PASS)|^PASS$$' || status=1; done; exit $$status

# The row of the scenario table that is not for the race detector: coder/websocket
# has a race there (docs/findings.md).
unraced:
	go -C integration_test/scenario test -count=1 -run 'TestScenarios/rows/between_compressed_fragments' .

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

# What a message costs in allocations and system calls, and an idle connection
# in memory, which the race detector would add to: the guard against regressions.
counts:
	go -C benchmarks test -count=1 ./internal/count

# All fuzz targets, FUZZ_SECONDS in all.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(code)

# Measures everything, bare and guarded, and writes docs/: for a quiet machine.
# BENCH_FLAGS="-only memory,rude" and the like: see benchmarks/README.md.
bench: setup
	go -C benchmarks build -o $(CURDIR)/benchmarks/benchmarks.out . && cd benchmarks && ./benchmarks.out -docs ../docs $(BENCH_FLAGS)

# The Go benchmarks in all modules' tests.
microbench:
	@for m in $(code); do (set -x; go -C $$m test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...); done
