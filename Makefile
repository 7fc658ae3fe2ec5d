# What there is to do with a clone. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo test bench bench-large lint deny fuzz torture agreement samples tools

help: ## Lists the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: tools ## Starts the server for real use, with its data in ./farelog-data; ARGS="…" are given to `farelog serve`
	cargo run --release --locked -- serve $(ARGS)

demo: tools ## Shows a day of sales from end to end and checks what it shows; KEEP=1 leaves the server up
	cargo build --release --locked
	FARELOG_BIN=target/release/farelog scripts/demo.sh

test: tools samples ## Runs all tests; twice as many at once as there are processors, since most wait for a disk or a process
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(getconf _NPROCESSORS_ONLN)))} cargo test --workspace --locked --no-fail-fast

BENCH = cargo run --release --manifest-path bench/Cargo.toml --target-dir target/bench --

bench: tools ## Measures speed and size beside peers, with EVENTS=200000 events, RUNS=3 times; figures also go to target/bench.json
	cargo build --release --locked
	$(BENCH) --events $(or $(EVENTS),200000) --runs $(or $(RUNS),3)

bench-large: tools ## The same once with EVENTS=10000000 events; takes some 25 minutes and 25 GB of disk
	cargo build --release --locked
	$(BENCH) --events $(or $(EVENTS),10000000) --runs $(or $(RUNS),1)

lint: ## Checks format and lints
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path bench/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## Checks licences, sources and known advisories of what farelog is made of
	@command -v cargo-deny > /dev/null || cargo install cargo-deny --locked
	cargo deny check

FUZZ_TARGETS := envelope record pack export_line expression program search
FUZZ_SECONDS ?= 60

fuzz: ## Feeds made-up input to what reads input, FUZZ_SECONDS (60) for each target
	@command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked
	@mkdir -p $(FUZZ_TARGETS:%=fuzz/corpus/%)
	@for target in $(FUZZ_TARGETS); do \
		cargo fuzz run --sanitizer none --target-dir target/fuzz $$target fuzz/corpus/$$target fuzz/seeds/$$target \
			-- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1; \
	done

torture: ## Kills the log and cuts its power, ROUNDS=10000 times each, by chance; SEED=… goes through a run again
	FARELOG_TORTURE_ROUNDS=$(or $(ROUNDS),10000) FARELOG_TORTURE_SEED=$${SEED:-$$(date +%s)} \
		cargo test --locked -p farelog-events --test log_guarantees what_was_acknowledged_survives

agreement: tools ## Runs ORDERS=2000 orders of STEPS=24 steps through farelog and a ticket system, both killed again and again, until they agree
	FARELOG_AGREEMENT_ORDERS=$(or $(ORDERS),2000) FARELOG_AGREEMENT_STEPS=$(or $(STEPS),24) \
		FARELOG_AGREEMENT_SEED=$${SEED:-$$(date +%s)} \
		cargo test --locked -p farelog --test ticket_system_agreement -- --nocapture both_sides_agree

samples: tools ## Checks that the committed sample day is what its generator makes
	python3 samples/generate.py --check

tools: ## Installs what is missing (nats-server, curl, python3), and says what it can't install
	@command -v cargo > /dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@scripts/install-missing.sh nats-server curl python3
