# Everything runs from here; `make help` lists it.

GO      ?= go
BIN     := bin/rollcall
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE    ?= $(shell git show -s --format=%cI HEAD 2>/dev/null)
# What a tag of an image may be made of.
IMAGE_TAG ?= $(subst +,-,$(VERSION))
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
TOOL    := $(GO) tool -modfile=tools.mod
# What is linted is compiled as it is for the race tests, so that it is compiled once.
AS_RACE := GOFLAGS=-race

.DEFAULT_GOAL := help

.PHONY: help
help: ## List what there is to make
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/rollcall
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/rollcall

.PHONY: demo
demo: build ## Start a server with demo sessions, list some, go on serving
	./$(BIN) demo

.PHONY: test
test: lint test-go test-e2e ## Run everything: lint, race tests, end-to-end tests

.PHONY: lint
lint: ## Check format, vet and staticcheck
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(AS_RACE) $(GO) vet ./...
	$(GO) build -modfile=tools.mod -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(AS_RACE) bin/staticcheck ./...

.PHONY: test-go
test-go: ## Run the tests of all packages with the race detector
	scripts/postgres
	scripts/deploy
	scripts/spin
	$(GO) test -race -timeout 20m ./...

.PHONY: test-e2e
test-e2e: build ## Run published clients, a fuzzer, proxies and a browser against the real binary
	scripts/browser
	scripts/proxies
	cd e2e && npm ci --loglevel=error && npm test && npm run test:reference && npm run test:browser && npm run test:proxies && npm run test:applications
	GO=$(GO) e2e/asn/run

.PHONY: test-proxies
test-proxies: build ## Run the snippets of docs/proxies in nginx, Caddy, HAProxy and Envoy, with a browser
	scripts/proxies
	cd e2e && npm ci --loglevel=error && npm run test:proxies

.PHONY: compatibility
compatibility: build ## Run the published clients and write docs/compatibility.md anew
	cd e2e && npm ci --loglevel=error && npm run compatibility

.PHONY: screenshots
screenshots: build ## Take the screenshots of docs/images anew
	scripts/browser
	cd e2e && npm ci --loglevel=error && SCREENSHOTS=../docs/images npm run test:browser

.PHONY: mutants
mutants: ## Break each promise of docs/security.md and see its test fail
	ROLLCALL_TEST_LONG=1 $(GO) test -count=1 -timeout 60m -v ./internal/mutants

.PHONY: test-long
test-long: build mutants ## Run what takes longer: mutants, power losses, kills, a soak, the fuzz targets, Python and Java
	cd e2e && npm run test:applications-long
	ROLLCALL_TEST_LONG=1 $(GO) test -count=1 -timeout 60m -v -run 'PowerLoss|Kill|Soak|Longest' ./store/pebble ./store/postgres ./cmd/rollcall
	scripts/fuzz

.PHONY: bench-build
bench-build: build
	$(GO) build -o bin/bench ./bench

.PHONY: bench
bench: bench-build ## Measure the server beside the floor: minutes, on a machine with nothing else to do
	bin/bench run $(BENCHFLAGS)

.PHONY: bench-docs
bench-docs: bench-build ## The same, and write docs/benchmarks.md
	bin/bench run -write-docs $(BENCHFLAGS)

.PHONY: bench-compare
bench-compare: bench-build ## Let an older server and this one take turns: OLD=rollcall [OLD_BENCH=bench]
	bin/bench compare -old '$(OLD)' -old-bench '$(OLD_BENCH)' $(BENCHFLAGS)

.PHONY: bench-quick
bench-quick: bench-build ## See in under a minute that the bench works; judges nothing
	bin/bench run -quick -sessions 20000 -small 5000 -rounds 3 $(BENCHFLAGS)

.PHONY: deb
deb: build ## Make a Debian package in bin/
	scripts/deb '$(VERSION)' bin

.PHONY: image
image: build ## Make a container image, with docker, podman or buildah
	scripts/image 'rollcall:$(IMAGE_TAG)'

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) gofumpt -w .

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin deploy/.venv e2e/node_modules e2e/asn/node_modules e2e/python/.venv e2e/schemathesis/.venv e2e/proxies/.venv e2e/applications/python/.venv e2e/applications/spring/target
