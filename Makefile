# What people do here. `make` alone prints this list.
#
#   make demo    install what is missing, build, and watch a plugin answer in the simulated Discord
#                (DEMO_ONCE=1 make demo: stop after the conversation; exit code 0 if all answers came)
#   make test    install what is missing and run the whole test suite
#   make soak    1000 plugins that come and go, and 500 deaths at random: of Bailey, plugins, PostgreSQL
#                (BAILEY_KILL_SEED=... plays a run again); ten minutes of 1000 connections to other servers
#   make check   formatting, lints, dependency rules
#   make fuzz    inputs nobody thought of, SECONDS=60 for each fuzz target
#   make bench   ratios to a floor or a peer, measured in one run; ROWS="kv.put kv.get" for some of them
#   make dev     build and run `bailey dev` on PLUGIN=examples/plugins/demo
export PATH := $(CURDIR)/.tools/bin:$(PATH)
CARGO ?= cargo
PLUGIN ?= examples/plugins/demo
SECONDS ?= 60

.PHONY: help demo dev test soak check fuzz bench setup
help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

setup:
	@scripts/setup.sh

demo: setup
	$(CARGO) build --locked -p bailey
	scripts/demo.sh

dev: setup
	$(CARGO) run --locked -p bailey -- dev $(PLUGIN)

test:
	@scripts/setup.sh test
	$(CARGO) test --locked --workspace
	FUZZ_RUNS=100000 scripts/fuzz.sh
	scripts/virtual-machine.sh

soak:
	@scripts/setup.sh test
	BAILEY_CYCLES=$${BAILEY_CYCLES:-1000} $(CARGO) test --locked -p bailey-sandbox --test it cycles::
	BAILEY_OUTBOUND_SECONDS=$${BAILEY_OUTBOUND_SECONDS:-600} BAILEY_OUTBOUND_SOCKETS=1000 BAILEY_OUTBOUND_REQUESTS=200 \
		$(CARGO) test --locked -p bailey-services --test it outbound_soak -- --nocapture
	BAILEY_KILL_ROUNDS=$${BAILEY_KILL_ROUNDS:-500} $(CARGO) test --locked -p bailey --test it kills:: -- --nocapture

check:
	@scripts/setup.sh test
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/audit.sh

fuzz:
	@scripts/setup.sh test
	scripts/fuzz.sh $(SECONDS)

bench:
	@scripts/setup.sh bench
	$(CARGO) build --locked --release -p bailey -p bailey-sandbox -p bailey-bench
	target/release/bailey-bench $(ROWS)
