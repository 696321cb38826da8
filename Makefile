# `make demo` and `make test` need Python 3.11 or later with venv, git and make, nothing else.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

# A stamp carries the hash of the requirement file that was installed: it is out of date when the
# file's content is another one, not when a clone or a checkout touched its date.
hash = $(firstword $(shell cksum requirements/$(1).txt 2>/dev/null))-$(firstword $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
BASE_STAMP := $(VENV)/.base-$(call hash,base)
DEV_STAMP := $(VENV)/.dev-$(call hash,dev)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-crash test-cluster cluster cluster-down bench lint format requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: $(BASE_STAMP) ## Make the virtual environment with what the product needs

setup-dev: $(DEV_STAMP) ## The same, with what the tests and checks need on top

demo: setup ## Run everything here, without any cloud (ARGS="--tasks 40 --exit")
	@exec $(PY) -m sandbox.demo $(ARGS)

test: setup-dev ## Run the tests, on SQLite and, where it is found, PostgreSQL (ARGS="-k name")
	@exec $(PY) -m tests.run $(ARGS)

test-crash: setup-dev ## Kill processes at random while Tasks run (ARGS="--seed 7 --tasks 200")
	@exec $(PY) -m tests.crash $(ARGS)

test-cluster: setup-dev ## Run what needs a real cluster: that of KUBECONFIG, or of `make cluster`
	@exec $(PY) -m tests.cluster.suite $(ARGS)

cluster: setup-dev ## Start a real Kubernetes cluster on this machine, as root
	@exec $(PY) -m tests.cluster up --demo

cluster-down: setup-dev ## Stop it; nothing of it is left
	@exec $(PY) -m tests.cluster down

bench: setup-dev ## Measure the speed of the parts that must be fast
	@exec $(PY) -m tests.bench $(ARGS)

lint: setup-dev ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .

format: setup-dev ## Put the code into its standard form
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Local wheels would bring hashes that no other machine can get, so pip is told of none here.
requirements: setup-dev ## Compile requirements/*.in into pinned and hashed files (ARGS="--upgrade")
	@for name in base dev; do \
	  (cd requirements && env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make requirements" \
	    ../$(VENV)/bin/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    $(ARGS) --output-file=$$name.txt $$name.in) || exit 1; \
	done

clean: ## Remove the virtual environment, caches and what runs left behind
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Development is a superset: where it is installed, base has nothing to do.
$(BASE_STAMP): | $(if $(wildcard $(DEV_STAMP)),,$(PY))
	@if [ -e $(DEV_STAMP) ]; then touch $@; exit 0; fi; $(call install,base)

$(DEV_STAMP): | $(PY)
	@$(call install,dev)

make_venv = PYTHON="$(PYTHON)" sh requirements/make-venv.sh $(VENV)

# After an upgrade of the machine's Python the environment is there but has no pip: make it anew.
# The old stamps go first: an interrupted installation must not look like a finished one.
define install
rm -f $(VENV)/.base-* $(VENV)/.dev-*; \
$(PY) -m pip --version >/dev/null 2>&1 || $(make_venv) || exit 1; \
echo "Installing requirements/$(1).txt into $(VENV) ..."; \
$(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
  -r requirements/$(1).txt && touch $@
endef

$(PY):
	@$(make_venv)
