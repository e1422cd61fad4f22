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

.PHONY: test setup fmt-check tidy-check vet lint race fmt fuzz bench

test: setup fmt-check tidy-check vet lint race

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

# All fuzz targets, FUZZ_SECONDS in all.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(code)

bench:
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
