# Everything a person does with this repository. `make help` lists it.

# What is deployed; the local stack and the tests take the architecture of this machine.
ARCH ?= arm64
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
CACHE := $(or $(MP3CONVERTER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mp3converter)
GOLANGCI := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
STACK := go run ./localstack
# Flags of the functions as they are deployed: no net/rpc, no paths of the building machine, no symbols.
FUNCTION_FLAGS := GOFLAGS="-tags=lambda.norpc -trimpath '-ldflags=-s -w -X=mp3converter/shared/host.Version=$(VERSION)'" CGO_ENABLED=0
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help need run up down demo test test-arm64 test-web test-large bench lint lint-go lint-template lint-shell fmt layer build deploy clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

need:
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or newer from https://go.dev/dl/" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or newer (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }

run: need ## run the whole service here, in the foreground; Ctrl-C stops it
	@$(STACK) run

up: need ## the same in the background; returns when healthy, writes .local/env
	@$(STACK) up

down: need ## stop what up started
	@$(STACK) down

demo: need ## from login to MP3 through the public API: make demo [VIDEO=file] [OUT=file.mp3]
	@localstack/demo.sh

test: need ## all tests that need no Docker, with a local stack of their own
	@$(STACK) exec -dir .local/test -- go test $(TESTFLAGS) ./...

test-large: need ## a 2 GB upload, with the memory of convert measured
	@$(STACK) exec -dir .local/test -- go test -tags large -run ^TestLarge -count=1 -v -timeout 30m ./localstack/e2e

# What looks at the child's process would see qemu's, which also takes address space.
OF_THE_PROCESS := ^(TestAKilledConverterLeavesNoChild|TestCancellingLeavesNoChild|TestMemoryDoesNotGrowWithLength|TestNoMemoryForAWorkerIsNotBlamedOnTheFile|TestWorkersThatMemoryDoesNotLastFor)$$
test-arm64: need ## the arm64 layer, cross-compiled, under qemu (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
	@command -v qemu-aarch64 >/dev/null || { echo "qemu-aarch64 is missing (Debian: apt-get install qemu-user)" >&2; exit 1; }
	@layers/ffmpeg/emulated.sh arm64 .local/arm64
	@$(STACK) exec -dir .local/test-arm64 -- sh -c 'NATIVE_LAYER_DIR="$$LAYER_DIR" LAYER_DIR="$(CURDIR)/.local/arm64" exec go test -count=1 -timeout 30m -skip "$(OF_THE_PROCESS)" $(TESTFLAGS) ./layers/ffmpeg ./shared/engine'

test-web: need ## a real browser through the whole page (needs Node 20 and Chromium)
	@command -v node >/dev/null || { echo "node is missing: install Node.js 20 or newer" >&2; exit 1; }
	@cd web/test && npm ci --no-audit --no-fund --silent && npm run --silent lint && npm run --silent unit
	@SCREENSHOTS="$(CURDIR)/.local/screenshots" $(STACK) exec -dir .local/test-web -- npm --prefix web/test run --silent test

bench: need ## measure against the plain way, side by side (needs a full ffmpeg): make bench [BENCHFLAGS="-cases a,b -rounds 1"]
	@go run ./bench $(BENCHFLAGS)

lint: need lint-go lint-template lint-shell ## every linter

lint-go: $(GOLANGCI)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	$(GOLANGCI) run ./...
	@out=$$(go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./... 2>&1) || case "$$out" in \
	  *"fetching vulnerabilities"*) echo "govulncheck: its database cannot be reached from here, so it was not asked";; \
	  *) echo "$$out"; exit 1;; esac

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (once, some minutes)"
	@GOBIN=$(@D) GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

lint-template:
	@bin=$$($(STACK) tools) && export SAM_CLI_TELEMETRY=0 && \
	  $$bin/cfn-lint template.yaml && $$bin/sam validate --lint --region eu-central-1 --template template.yaml

lint-shell:
	@bin=$$($(STACK) tools) && $$bin/shellcheck $$(git ls-files '*.sh' .ci/run)

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

layer: ## build the ffmpeg layer as it is deployed: make layer [ARCH=arm64|x86_64]
	@layers/ffmpeg/build.sh --arch $(ARCH)

build: layer ## build everything as it is deployed (SAM, without Docker)
	@bin=$$($(STACK) tools) && export SAM_CLI_TELEMETRY=0 ARCH=$(ARCH) && $(FUNCTION_FLAGS) PATH="$$bin:$$PATH" \
	  sam build --parameter-overrides Architecture=$(ARCH)

deploy: build ## deploy to the AWS account of your credentials (asks the first time): make deploy [ARCH=arm64|x86_64]
	@bin=$$($(STACK) tools) && SAM_CLI_TELEMETRY=0 $$bin/sam deploy $(if $(wildcard .local/deployed),,--guided) \
	  --parameter-overrides Architecture=$(ARCH) $(DEPLOYFLAGS) && touch .local/deployed

clean: ## remove what was built here; the caches in the home folder stay
	rm -rf .local/build .aws-sam
