# pullprobe: every task is one command. The two that matter: `make demo` and `make test`.

SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
STATIC := $(TARGET_DIR)/$(HOST)/release/pullprobe
DENY := target/tools/bin/cargo-deny
# It keeps both cores busy for minutes: it runs alone, and prints what it compared.
JUDGE := judge::pullprobe_answers_as_real_containerds_do

# Modules of unit tests that are for root, or for programs that `make tools` installs.
SKIPPED_BY_QUICK := --skip needs_root --skip needs_tools
# Unit tests wait more than they compute.
QUICK_THREADS := 4

.PHONY: help demo quick test tools lint docs static image often e2e bench simulate hostile soak fuzz clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a lab with good and broken registries, and pullprobe looking at it (ONCE=1: end by itself)
	bash tests/tools/demo.sh

quick: ## format, clippy of the program, unit tests without root, tools and daemons; before a commit
	cargo fmt --all --check
	cargo clippy --locked --package pullprobe --package pullprobe-go --lib --bins -- -D warnings
	cargo test --package pullprobe --package pullprobe-go --lib --locked -- --test-threads $(QUICK_THREADS) $(SKIPPED_BY_QUICK)
	echo "== quick: $$SECONDS s"

HOSTILE := $(TARGET_DIR)/debug/pullprobe-hostile --pullprobe $(STATIC)

test: tools lint static ## install what is missing, then every check and test
	export PULLPROBE_STATIC_BIN="$$(realpath $(STATIC))" PULLPROBE_REQUIRE_STATIC=1
	cargo test --workspace --locked -- --skip $(JUDGE)
	echo "== unit and acceptance tests: $$SECONDS s"
	cargo test --test acceptance --locked -- $(JUDGE) --nocapture
	echo "== with the judge: $$SECONDS s"
	began=$$SECONDS
	$(HOSTILE) --quick
	echo "== hostile: $$((SECONDS - began)) s"

tools: ## install what the tests run
	bash tests/tools/install.sh
	echo "== tools: $$SECONDS s"

lint: tools ## format, clippy, dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(DENY) --all-features check bans licenses sources
	echo "== lint: $$SECONDS s"

static: ## the static binary of the image's last stage
	@# Cargo does not see that the linker reads it.
	if [ agent/often.ld -nt $(STATIC) ]; then touch agent/src/main.rs; fi
	env -u RUSTFLAGS cargo build --config agent/static.toml --release --locked --target $(HOST) --bin pullprobe
	echo "== static binary: $$SECONDS s"
	echo "$(STATIC)"

image: tools ## the Dockerfile from its first stage on, and its image under a real containerd; not a part of make test
	cargo test --test acceptance --locked -- --ignored the_dockerfile_builds --nocapture
	echo "== image: $$SECONDS s"

docs: ## write the generated documents again
	UPDATE_DOCS=1 cargo test --locked --lib -- documents published markdown generated docs_
	bash deploy/render.sh
	python3 dashboards/build.py

often: ## write agent/often.ld again: which functions the linker puts side by side (builds the program once more)
	bash tests/tools/often.sh

e2e: tools static ## the agent in a real Kubernetes (ONLY="parts of names": those tests; KEEP=1 or KEEP=only: the cluster stays until Ctrl-C)
	bash tests/tools/kubernetes.sh
	cargo build --locked --package pullprobe-e2e
	echo "== kubernetes and the tests are built: $$SECONDS s"
	$(TARGET_DIR)/debug/pullprobe-e2e --pullprobe $(STATIC) $(if $(KEEP),--keep) $(if $(filter only,$(KEEP)),--no-tests) $(ONLY)

bench: tools static ## what pullprobe costs, against blackbox_exporter and skopeo (STRICT=1: fail when a goal is missed)
	cargo build --locked --package pullprobe-bench
	env -u RUSTFLAGS cargo build --config agent/static.toml --release --locked --target $(HOST) --package pullprobe-bare
	$(TARGET_DIR)/debug/pullprobe-bench --pullprobe $(STATIC) --bare $(STATIC)-bare $(if $(STRICT),--strict)

simulate: ## 5,000 nodes for an hour and a half of simulated time: what they ask of registries (NODES=200: fewer)
	PULLPROBE_SIMULATED_NODES=$(or $(NODES),5000) cargo test --lib --locked -- agent::simulated_fleet --nocapture
	echo "== simulate: $$SECONDS s"

hostile: static ## hostile peers and files against the program, in about 20 minutes (ONLY=part-of-a-name)
	cargo build --locked --package pullprobe-hostile
	began=$$SECONDS
	$(HOSTILE) $(if $(ONLY),--only "$(ONLY)")
	echo "== hostile: $$((SECONDS - began)) s"

# A build of its own: the agent's time stands still and is put forward by the test.
soak: ## the agent for 100,000 cycles against a lab that flaps, each verdict beside the truth (CYCLES=1000 SEED=17 ONLY=part-of-a-trouble)
	cargo build --profile soak --locked --package pullprobe-soak
	$(TARGET_DIR)/soak/pullprobe-soak --cycles $(or $(CYCLES),100000) --seed $(or $(SEED),17) $(if $(ONLY),--only "$(ONLY)")

fuzz: ## every parser in turn, SECONDS=600 each or TOTAL=3600 in all, new inputs kept small (TARGETS="json cri": only these)
	SECONDS_EACH=$(SECONDS) SECONDS_TOTAL=$(TOTAL) bash tests/tools/fuzz.sh $(TARGETS)

clean:
	cargo clean
