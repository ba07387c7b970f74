# What people do here. `make` alone prints this list.
#
#   make demo    install what is missing, build, and watch a plugin answer in the simulated Discord
#                (DEMO_ONCE=1 make demo: stop after the conversation; exit code 0 if all answers came)
#   make test    install what is missing and run the whole test suite
#   make check   formatting, lints, dependency rules
#   make bench   ratios to a floor or a peer, measured in one run
#   make dev     build and run `bailey dev` on PLUGIN=examples/plugins/demo
export PATH := $(CURDIR)/.tools/bin:$(PATH)
CARGO ?= cargo
PLUGIN ?= examples/plugins/demo

.PHONY: help demo dev test check bench setup
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

check:
	@scripts/setup.sh test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/audit.sh

bench: setup
	$(CARGO) build --locked --release -p bailey -p bailey-sandbox -p bailey-bench
	target/release/bailey-bench
