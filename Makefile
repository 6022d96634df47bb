# Gitlatch. `make` lists what there is. Everything needs Go, git and make, and most of it nothing else. `make test` also
# needs gpg and gpgconf, ssh-keygen, and git-http-backend, which comes with git (Debian: gnupg, openssh-client, git);
# `make image` needs docker; `make test-peers` says what it needs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 1m
FUZZ     ?=
BENCH    ?=
CHAOS    ?=
IMAGE    ?= gitlatch:dev

# The same in the Dockerfile: the same source gives the same bytes, wherever it is built.
BUILDFLAGS = -trimpath -buildvcs=false
LDFLAGS    = -s -w -buildid=

# The time limit of one package's tests. e2e starts control planes; the first of all builds Kubernetes (see `binaries`).
TESTTIME ?= 30m

# All tests run under the race detector, and so do applier and reporter that the end-to-end tests start: a race in one of
# them fails the test. The webhook has it in the tests of its packages, and end to end with `make race`: its answers come
# late then, and on a small machine some tests fail of that. The detector needs a C compiler; without one it is said, and
# tests run without. Of its ten times as much memory some tests would fail that are about memory: they run without it.
RACE = $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)
SLOW = ^TestLongReviews$$|^TestManyLongReviewsAtOnce$$|^TestALongHistoryIsSmallInMemory$$

# The oldest Kubernetes minor that is supported; its module is test/controlplane/v$(OLDEST). The gate's scenarios run on it.
OLDEST = 1.35
GATE   = ./e2e ./e2e/backstop ./e2e/identity

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
	$(GO) vet -tags drills ./e2e/drills
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags peers $(PEERS)
	$(GO) tool staticcheck -tags drills ./e2e/drills

.PHONY: binaries
binaries: ## Build the control plane that tests and demo run on, once: ten minutes on two cores, then cached.
	@$(GO) run ./test/cluster/binaries

.PHONY: test
test: binaries ## Run all tests, under the race detector where there is a C compiler.
	@[ -n "$(RACE)" ] || echo "no C compiler, so no race detector"
	$(GO) test $(RACE) -skip '$(SLOW)' -timeout $(TESTTIME) ./...
	$(GO) test -run '$(SLOW)' -timeout $(TESTTIME) ./webhook ./applier/git

# The packages that have a test with build tag peers. All their tests run, in turn: each starts servers of its own.
PEERS = $$(grep -rl --include='*_test.go' '^//go:build peers' . | xargs -n 1 dirname | sort -u)

.PHONY: peers
peers:
	@$(GO) run ./test/peers

.PHONY: race
race: binaries ## Run the end-to-end tests with webhooks under the race detector as well.
	GITLATCH_TEST_RACE=all $(GO) test -race -skip '^TestOneRecordThroughConflicts$$' -timeout $(TESTTIME) ./e2e/...

.PHONY: test-peers
test-peers: peers binaries ## Run the tests that need Prometheus, Alertmanager, PostgreSQL or a browser; says which are missing.
	promtool check rules manifests/monitoring/rules.yaml
	promtool test rules manifests/monitoring/tests/*.yaml
	$(GO) test -tags peers -p 1 -timeout $(TESTTIME) $(PEERS)

.PHONY: drills
drills: binaries ## Run the lock-out drills: cold start, upgrade, uninstall and the like, by their runbooks' commands.
	$(GO) test -tags drills -timeout $(TESTTIME) ./e2e/drills

.PHONY: test-minors
test-minors: ## Run the gate's scenarios on the oldest supported Kubernetes (1.35), built once in ten minutes as well.
	@GITLATCH_TEST_KUBERNETES=$(OLDEST) $(GO) run ./test/cluster/binaries
	GITLATCH_TEST_KUBERNETES=$(OLDEST) $(GO) test -timeout $(TESTTIME) $(GATE)

.PHONY: bench
bench: binaries ## Measure judge, handler, writes, memory, syncs, drift and history against their targets (BENCH="-o json").
	@$(GO) run ./test/bench $(BENCH)

.PHONY: chaos
chaos: binaries ## Load Gitlatch and break what it stands on, and print what it kept of its promises (CHAOS="-short -only etcd").
	@$(GO) run ./test/chaos $(CHAOS)

# There are some seventy targets: a minute each, two at a time on two processors, is 35 minutes. FUZZTIME=5s is a quick
# look, and -within says how long all of them may take.
.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (1m), one on each processor (FUZZ="-within 20m -only Scan").
	@$(GO) run ./test/fuzz -time $(FUZZTIME) $(FUZZ)

.PHONY: clean-tree
clean-tree: generate
	@changed=$$(git status --porcelain -- api manifests/crds manifests/monitoring docs/reference); \
	if [ -n "$$changed" ]; then \
		echo "generated files are not as committed (make generate, then commit):"; echo "$$changed"; exit 1; fi

.PHONY: presubmit
presubmit: ## What .ci/run runs first: generated files up to date, lint, build, test, demo.
	$(MAKE) clean-tree
	$(MAKE) lint
	$(MAKE) build
	$(MAKE) test
	$(MAKE) demo
