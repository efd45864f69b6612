# Aria. `make help` lists what there is. Needs Go, Node with npm, and root for
# everything that starts containers.
SHELL := /bin/bash
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false

BIN := bin
BUN := $(BIN)/bun
BUN_PACKAGE := @oven/bun-linux-$(if $(filter aarch64 arm64,$(shell uname -m)),aarch64,x64)
ROUNDS ?= 10
N ?= 1000
GRANTS ?= 10000000
SEED ?= 1
ROUND ?= -1

.PHONY: all arm64-test bench bench-arc bench-containers bench-runtime bench-tokens bench-vector boot-devices boot-test \
	boot-test-full boot-tools budgets build chaos chaos-copy chaos-quilt check clean conformance cycles deadlocks \
	demo egress egress-mutants faults fmt fuzz generate generate-check help hostile image kill mutants nested \
	oci-suites outside-eyes parked path powercut resume rootless rootless-v2 sdks setup setup-test sim spin syscall-fuzz test \
	tool-choice update-test walls
T ?= 30s

SANDBOX_TEST = cd quilt/sandbox && ARIA_TEST_ROOT=1 ARIA_BUN=$(CURDIR)/$(BUN) $(CURDIR)/$(BIN)/sandbox.test -test.timeout 30m

all: build check test ## build, check, test

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: $(BUN) ## fetch the pinned Bun (npm) into bin/

$(BUN): tools/package-lock.json
	@echo "setup: fetching the pinned Bun from npm (about 100 MB, once)"
	@npm ci --prefix tools --no-fund --no-audit --loglevel=error >/dev/null
	@mkdir -p $(BIN) && install -m 0755 tools/node_modules/$(BUN_PACKAGE)/bin/bun $(BUN)

# The TypeScript compiler is part of arc. It is compiled once, then cached.
setup-test: ## what only the tests need: other people's tools to compare with (apt)
	@PATH=$$PATH:/sbin:/usr/sbin; for p in minisign sfdisk cpio veritysetup qemu-system-x86_64 qemu-io busybox; do command -v $$p >/dev/null || missing=1; done; \
	if [ -n "$$missing" ]; then echo "setup-test: installing minisign, fdisk, cpio, cryptsetup-bin, qemu, busybox (apt, half a minute)"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends minisign fdisk cpio cryptsetup-bin qemu-system-x86 qemu-utils busybox-static >/dev/null; fi

setup-test: test/clients/node_modules

test/clients/node_modules: test/clients/package-lock.json
	@echo "setup-test: fetching the official model clients from npm (once)"
	@npm ci --prefix test/clients --no-fund --no-audit --loglevel=error >/dev/null && touch $@

build: setup ## build arc, ariad, quiltd and quilt-oci into bin/
	@mkdir -p $(BIN)
	@echo "build: compiling (the first time takes about three minutes on two cores: TypeScript's compiler is in arc)"
	@go build -ldflags='-s -w' -o $(BIN)/ ./cmd/...

demo: build ## build, start the pair, run examples/orders, stop everything
	@go run ./test/cmd/demo -bin $(BIN)

test: build setup-test ## every test; as root none is skipped
	@ARIA_TEST_ROOT=1 ARIA_BIN=$(CURDIR)/$(BIN) ARIA_BUN=$(CURDIR)/$(BUN) go run ./test/cmd/suite -bun $(CURDIR)/$(BUN)

check: ## formatting, vet
	@out=$$(gofmt -l $$(git ls-files '*.go' | grep -v proto/gen/)); test -z "$$out" || { echo "not gofmt'ed: $$out"; exit 1; }
	@go vet ./...

bench: build ## 300 cold calls through the public API beside bare bun
	@go run ./test/cmd/bench -bin $(BIN) -n 300

bench-arc: build test/bench-arc/node_modules ## arc build beside tsc + esbuild from npm, and a rebuild under arc dev
	@go run ./test/cmd/bench-arc -bin $(BIN)

test/bench-arc/node_modules: test/bench-arc/package-lock.json
	@echo "bench-arc: fetching the rivals from npm (once)"
	@npm ci --prefix test/bench-arc --no-fund --no-audit --loglevel=error >/dev/null && touch $@

tool-choice: build ## the right one of 1000 tools among the first five, for 100 requests in other words
	@go run ./test/cmd/tool-choice -bin $(BIN)

bench-runtime: OPEN := 1000,10000
bench-runtime: build test/bench-runtime/node_modules ## journaled steps beside Restate; recovery with OPEN open runs
	@go run ./test/cmd/bench-runtime -bin $(BIN) -open $(OPEN)

test/bench-runtime/node_modules: test/bench-runtime/package-lock.json
	@echo "bench-runtime: fetching the rival from npm (once, 220 MB)"
	@npm ci --prefix test/bench-runtime --no-fund --no-audit --loglevel=error >/dev/null && touch $@

kill: build ## kill -9 of either daemon under 20 running executions, ROUNDS times
	@go run ./test/cmd/kill -bin $(BIN) -rounds $(ROUNDS)

egress: build ## every way out of a container that we know of, from real ones
	@go run ./test/cmd/egress -bin $(BIN)
chaos-quilt: ROUNDS := 50
chaos-quilt: build ## planned restarts and kill -9 of quiltd under 200 running executions, ROUNDS of each
	@go run ./test/cmd/chaos-quilt -bin $(BIN) -rounds $(ROUNDS)

chaos: RUNS := 1000
chaos: build ## kill -9 of ariad, quiltd or both during RUNS ten-step pipelines; nothing may be lost or done twice
	@go run ./test/cmd/chaos -bin $(BIN) -runs $(RUNS)

chaos-copy: RUNS ?= 100
chaos-copy: COPIES ?= 20
chaos-copy: build ## COPIES of the data folder at random instants, as a power cut leaves it; each opens and goes on
	@go run ./test/cmd/chaos -bin $(BIN) -runs $(RUNS) -copies $(COPIES)

resume: CUTS ?= 100
resume: build ## CUTS cuts of a followed run over gRPC, WebSocket and SSE; no event may be lost or come twice
	@go run ./test/cmd/resume -bin $(BIN) -cuts $(CUTS)

nested: N := 1000
nested: build ## N random nested teams and pipelines over contended tokens; none may stall, each wait is explained
	@go run ./test/cmd/nested -bin $(BIN) -n $(N)

cycles: build ## N executions in a row, and PARKED=1000 at once; nothing may leak
	@go run ./test/cmd/cycles -bin $(BIN) -n $(N)
	@if [ -n "$(PARKED)" ]; then $(MAKE) -s parked PARKED=$(PARKED); fi

parked: PARKED ?= 1000
parked: $(BIN)/sandbox.test ## PARKED containers parked at once; what one takes, and that nothing is left
	@export ARIA_PARKED_N=$(PARKED); $(SANDBOX_TEST) -test.run '^TestParked$$'

# What the image needs of Debian, by a file that says the package is there.
BOOT_TOOLS := /usr/bin/qemu-system-x86_64:qemu-system-x86 /usr/bin/qemu-img:qemu-utils /usr/bin/mksquashfs:squashfs-tools \
	/usr/bin/mcopy:mtools /usr/sbin/mkfs.vfat:dosfstools /usr/sbin/mke2fs:e2fsprogs /usr/bin/objcopy:binutils \
	/usr/lib/systemd/boot/efi/linuxx64.efi.stub:systemd-boot-efi /usr/share/ovmf/OVMF.fd:ovmf /usr/sbin/veritysetup:cryptsetup-bin

boot-tools:
	@need=""; for t in $(BOOT_TOOLS); do test -e "$${t%%:*}" || need="$$need $${t##*:}"; done; \
	if test -n "$$need"; then echo "image: installing$$need"; apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$need >/dev/null; fi

image: build boot-tools ## the bootable image, in bin/boot
	@go build -tags boottest -ldflags='-s -w' -o $(BIN)/aria-init-test ./cmd/aria-init
	@go build -tags ariaimage -ldflags='-s -w' -o $(BIN)/boot/daemons/ ./cmd/ariad ./cmd/quiltd
	@$(BIN)/mkboot -bin $(BIN) -daemons $(BIN)/boot/daemons -init $(BIN)/aria-init -test-init $(BIN)/aria-init-test -out $(BIN)/boot

boot-test: READY := 6s
boot-test: image ## boot the image in QEMU, use it from outside, run Quilt's tests inside on cgroup v2
	@go run ./test/cmd/boot -bin $(BIN) -boot $(BIN)/boot -ready $(READY)

boot-devices: image ## boot from USB, SATA, NVMe and SCSI; hangs, damaged and grown disks, altered root (QEMU)
	@go run ./test/cmd/devices -bin $(BIN)

boot-test-full: image ## boot-test, and walls, faults and random system calls in the guest too (half an hour)
	@go run ./test/cmd/boot -bin $(BIN) -boot $(BIN)/boot -full

update-test: image ## every broken firmware update comes back and says why, a good one is kept (QEMU)
	@go run ./test/cmd/update -bin $(BIN)

arm64-test: ## quiltd, its containers and the hostile cases under an arm64 kernel (QEMU); FULL=1: walls, faults, random calls
	@command -v qemu-system-aarch64 >/dev/null || { echo "arm64-test: installing qemu-system-arm"; apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-arm >/dev/null; }
	@go run ./test/cmd/arm64 $(if $(FULL),-full)

powercut: N := 20
powercut: image ## N power cuts during uploads and runs; nothing acknowledged is lost (QEMU)
	@go run ./test/cmd/powercut -bin $(BIN) -n $(N)

sim: ## GRANTS grants of the real scheduler under crashes, cancels and clock jumps, by SEED
	@go run ./test/cmd/sim -grants $(GRANTS) -seed $(SEED) -round $(ROUND)

mutants: ## plant faults in scheduler, broker and store; the tests must see every one
	@go run ./test/cmd/mutants

egress-mutants: ## take one check of the way out away at a time; the tests must see every one
	@go run ./test/cmd/mutants -net
bench-vector: ## 100,000 vectors: ours beside a full comparison and sqlite-vec; recall and time
	@go run ./test/cmd/bench-vector

bench-tokens: ## grants, waiters, deadlocks; kv puts beside plain SQLite and bbolt
	@go run ./test/cmd/bench-tokens

deadlocks: build ## rings of 2 to 1,000 real executions; each found, named, and no false victim
	@go run ./test/cmd/deadlocks -bin $(BIN)

spin: ## the two Spin models and the variants that must fail (Debian packages spin, gcc)
	@command -v spin >/dev/null || { apt-get update -qq && apt-get install -y -qq spin gcc >/dev/null; }
	@go run ./test/cmd/spin
hostile: $(BIN)/sandbox.test ## every hostile case against the default profile
	@$(SANDBOX_TEST) -test.run '^TestHostile$$'

rootless: build $(BIN)/sandbox.test ## Aria as a user without root, with ids and without: arc dev, tool, agent, limits, restart, kill -9, hostile cases
	@command -v newuidmap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends uidmap >/dev/null; }
	@go run ./test/cmd/rootless -bin $(BIN)

rootless-v2: image ## the same in a v2 group that was handed on, in the boot image: limits, kill -9 and sweep, hostile cases (five minutes)
	@go run ./test/cmd/boot -bin $(BIN) -boot $(BIN)/boot -only suite -run 'quilt/daemon ^TestWithoutRoot$$'
	@go run ./test/cmd/boot -bin $(BIN) -boot $(BIN)/boot -only suite -run 'quilt/sandbox ^TestHostile$$ ARIA_ROOTLESS=65532'

oci-suites: build ## runc's integration tests and the OCI's validation against quilt-oci (a quarter of an hour)
	@need=""; for t in bats:bats jq:jq gawk:gawk busybox:busybox-static gcc:gcc xz:xz-utils newuidmap:uidmap; do command -v $${t%%:*} >/dev/null || need="$$need $${t##*:}"; done; \
	if test -n "$$need"; then echo "oci-suites: installing$$need"; apt-get update -qq; apt-get install -y -qq --no-install-recommends $$need libc6-dev >/dev/null; fi
	@test -e /usr/include/seccomp.h || apt-get install -y -qq --no-install-recommends libseccomp-dev libc6-dev >/dev/null
	@go run ./test/cmd/oci -bin $(BIN)

outside-eyes: setup ## CDK and amicontained look for a way out of our containers (CDK=folder of its source, if it cannot be fetched)
	@go run ./test/cmd/oci -eyes -bin $(BIN) -work .build/eyes

walls: $(BIN)/sandbox.test ## one wall removed at a time; a case must notice each
	@$(SANDBOX_TEST) -test.run '^TestWalls$$'

syscall-fuzz: $(BIN)/sandbox.test ## N random system calls inside containers
	@export ARIA_FUZZ_N=$(N); $(SANDBOX_TEST) -test.run '^TestSyscallFuzz$$'

faults: $(BIN)/sandbox.test ## each system call of a start fails once, with each errno
	@$(SANDBOX_TEST) -test.run '^TestFaults$$'

bench-containers: build $(BIN)/sandbox.test ## a container alone, many at once, parked, ended; beside bare bun and the runtimes that are installed
	@ARIA_TEST_ROOT=1 ARIA_BUN=$(CURDIR)/$(BUN) go run ./test/cmd/bench-containers -bin $(BIN)

path: build ## one call through client, ariad, quiltd and a parked container, hop by hop
	@go run ./test/cmd/bench-containers -bin $(BIN) -sandbox ""

$(BIN)/sandbox.test: setup
	@mkdir -p $(BIN) && go test -c -o $@ ./quilt/sandbox
conformance: ## our schemas beside those of an outside project
	@go run ./test/cmd/conformance

sdks: ## our dialects beside the official Go clients of the providers (a module of its own; ten minutes the first time)
	@cd test/sdks && out=$$(go test -count=1 -v . 2>&1) || { echo "$$out"; exit 1; }; \
	echo "sdks: $$(echo "$$out" | grep -c '^--- PASS') of $$(echo "$$out" | grep -c '^=== RUN   [^/]*$$') passed"

budgets: ## N greedy calls at limits of tokens and dollars; nothing may overshoot
	@go run ./test/cmd/budgets -n $(N)

fuzz: ## every fuzz target of the house, T each (T=10m)
	@go run ./test/cmd/fuzz -t $(T)

generate: ## make proto/gen anew (Debian package protobuf-compiler)
	@proto/generate.sh

generate-check: generate ## fail if the committed proto/gen differs
	@git diff --exit-code --stat -- proto/gen

fmt:
	@gofmt -w $$(git ls-files '*.go' | grep -v proto/gen/)

clean: ## remove what was built
	@rm -rf $(BIN)
