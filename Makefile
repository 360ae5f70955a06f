# Python 3.11 and make are enough: every target builds .venv by itself, and the second time costs nothing.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench load lock clean

VENV := .venv
BIN  := $(VENV)/bin
# What `make demo` needs (core and Ray), and what development adds to it.
RUN  := $(VENV)/.stamp-run
DEV  := $(VENV)/.stamp-dev

# 3.14 is left out: rs-bpe, our exact tokenizer, has no wheel for it.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
  && { command -v "$$p"; break; }; done)
UV ?= $(shell command -v uv)

# Empty: the demo has a question of its own.
ASK ?=
BENCH_ARGS ?=
LOAD_ARGS ?=
# Through the environment, so that no shell reads what stands in the question.
export ASK

ifneq ($(UV),)
INSTALLER := uv
INSTALL   := $(UV) pip install --quiet --python $(BIN)/python
else
INSTALLER := pip
# Compiling is one parallel step below; pip would do it one file at a time.
INSTALL   := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check
endif

# Uncompiled, every Ray process compiles Ray again at every start (39 s instead of 17). Where
# PYTHONDONTWRITEBYTECODE is set nothing else would ever write it. Tests and rllib are never imported.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/(tests|rllib)/' $(VENV)/lib platform actors || true

# Ray gives up too early on a busy machine, and drains for 30 s where a test can do with one.
define ray_patience
$(1): export RAY_agent_register_timeout_ms := 120000
$(1): export RAY_worker_register_timeout_seconds := 180
$(1): export RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S := 60
$(1): export RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S := 60
$(1): export RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S := 120
$(1): export RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S := 1
$(1): export RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S := 5
$(1): export RAY_USAGE_STATS_ENABLED := 0
endef
$(foreach target,demo test bench load,$(eval $(call ray_patience,$(target))))

help: ## Show this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; \
	do printf '  make %-7s %s\n' "$$name" "$$text"; done

demo: $(RUN) ## Fold a real text to what ASK="..." needs, then do it over HTTP (KEEP=1 leaves the server up)
	@$(BIN)/python -m tierfold_actors.demo "$$ASK"

test: $(DEV) ## Run all tests; the branches of platform/ must be covered to 95 %
	@.ci/tests $(BIN)/python

check: $(DEV) ## Format, lint, types, layers, house rules
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q tests/architecture

bench: $(DEV) ## Measure every claim of docs/numbers.md (BENCH_ARGS="--quick", "--data ../shared/data")
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

load: $(DEV) ## 30 s of Locust against `tierfold up`; report in build/load/report.html (LOAD_ARGS="--seconds 60")
	@$(BIN)/python loadtests/run.py $(LOAD_ARGS)

# One resolution, the other three are cut out of it. No addresses: whoever installs brings an index.
LOCK = $(or $(UV),$(wildcard $(BIN)/uv)) pip compile --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-emit-index-url --no-header --quiet
lock: ## Resolve the dependencies again (needs uv) and write the four locks
	@test -n "$(or $(UV),$(wildcard $(BIN)/uv))" || { echo 'make lock needs uv: $(BIN)/pip install uv'; exit 1; }
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements.lock
	$(LOCK) pyproject.toml -c requirements.lock -o requirements-core.lock
	$(LOCK) pyproject.toml --extra ray -c requirements.lock -o requirements-ray.lock
	$(LOCK) --group build -c requirements.lock -o requirements-build.lock

clean: ## Remove .venv, build/ and every cache
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find platform actors tests benchmarks loadtests -name __pycache__ -type d -prune -exec rm -rf {} +

# With the standard library even where uv installs: the result has pip, should uv be gone next time.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'tierfold needs Python 3.11, 3.12 or 3.13 and found none of them.'; \
	echo 'Install one (Debian: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'building .venv with $(INSTALLER) and $(PYTHON) (once, about a minute)'
	@"$(PYTHON)" -m venv $(VENV) $(if $(UV),|| $(UV) venv --quiet --clear --python "$(PYTHON)" $(VENV))

$(RUN): requirements-ray.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo '  installing tierfold and Ray ...'
	@$(INSTALL) --require-hashes -r requirements-ray.lock -r requirements-build.lock
	@$(INSTALL) --no-deps --no-build-isolation --no-index -e .
	@echo '  compiling bytecode ...'
	@$(COMPILE)
	@touch $@

$(DEV): requirements.lock $(RUN)
	@echo '  installing what tests and checks need ...'
	@$(INSTALL) --require-hashes -r requirements.lock
	@echo '  compiling bytecode ...'
	@$(COMPILE)
	@touch $@
