# Gitlatch. `make` lists what there is; everything needs Go, git and make, and nothing else, but for `make test-peers`,
# which says what it needs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?=
IMAGE    ?= gitlatch:dev

# The same in the Dockerfile: the same source gives the same bytes, wherever it is built.
BUILDFLAGS = -trimpath -buildvcs=false
LDFLAGS    = -s -w -buildid=

# Time limits of one package's tests. e2e starts control planes; the first of all builds Kubernetes (see `binaries`).
TESTTIME ?= 25m
RACETIME ?= 15m

# What the race detector runs over: the packages with goroutines of their own that need no control plane. It needs a C
# compiler; without one it is said and left out.
# Left out there, since they are about time or memory, of which the detector takes ten times as much: `make test` has them.
SLOW = ^TestLongReviews$$|^TestManyLongReviewsAtOnce$$
RACE = ./policy/... ./webhook/... ./reporter/... ./cmd/...

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## Watch commits reach a real API server, hand-made changes refused or pulled back, an emergency reviewed, and what went around the gate found.
	@$(GO) run ./test/demo

.PHONY: up
up: ## Start a control plane with Gitlatch installed, and leave it running (.run/).
	@$(GO) run ./test/up

.PHONY: down
down: ## Stop what `make up` started, and remove .run/.
	@$(GO) run ./test/up -down

.PHONY: build
build: ## Build the commands into bin/.
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: image
image: ## Build the one image with docker.
	docker build -t $(IMAGE) .

.PHONY: generate
generate: ## Generate deep copies, CRDs and the reference pages.
	$(GO) tool controller-gen object paths=./api/...
	$(GO) tool controller-gen crd paths=./api/... output:crd:dir=manifests/crds
	$(GO) run ./test/reference
	$(GO) run ./test/monitoring

.PHONY: lint
lint: ## gofmt, go vet, staticcheck.
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags peers $(PEERS)
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags peers $(PEERS)

.PHONY: binaries
binaries: ## Build the control plane that tests and demo run on, once: ten minutes on two cores, then cached.
	@$(GO) run ./test/cluster/binaries

.PHONY: test
test: binaries ## Run all tests.
	$(GO) test -timeout $(TESTTIME) ./...

# The packages that have a test with build tag peers. All their tests run, in turn: each starts servers of its own.
PEERS = $$(grep -rl --include='*_test.go' '^//go:build peers' . | xargs -n 1 dirname | sort -u)

.PHONY: peers
peers:
	@$(GO) run ./test/peers

.PHONY: test-peers
test-peers: peers binaries ## Run the tests that need Prometheus, Alertmanager, PostgreSQL or a browser; says which are missing.
	promtool check rules manifests/monitoring/rules.yaml
	promtool test rules manifests/monitoring/tests/*.yaml
	$(GO) test -tags peers -p 1 -timeout $(TESTTIME) $(PEERS)

.PHONY: race
race: ## Run the tests of the parts with goroutines under the race detector.
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1; then \
		set -x; $(GO) test -race -skip '$(SLOW)' -timeout $(RACETIME) $(RACE); \
	else echo "no C compiler, so no race detector: left out"; fi

.PHONY: bench
bench: binaries ## Measure judge, handler, writes, memory, syncs, drift and history against their targets (BENCH="-o json").
	@$(GO) run ./test/bench $(BENCH)

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (30s).
	@$(GO) list ./... | while read -r package; do \
		tests=$$($(GO) test -list '^Fuzz' "$$package" </dev/null) || { echo "$$tests"; exit 1; }; \
		targets=$$(echo "$$tests" | grep '^Fuzz') || continue; \
		for target in $$targets; do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
		done; \
	done

.PHONY: clean-tree
clean-tree: generate
	@changed=$$(git status --porcelain -- api manifests/crds manifests/monitoring docs/reference); \
	if [ -n "$$changed" ]; then \
		echo "generated files are not as committed (make generate, then commit):"; echo "$$changed"; exit 1; fi

.PHONY: presubmit
presubmit: ## What .ci/run runs before test-peers: generated files up to date, lint, build, test, race, demo.
	$(MAKE) clean-tree
	$(MAKE) lint
	$(MAKE) build
	$(MAKE) test
	$(MAKE) race
	$(MAKE) demo
