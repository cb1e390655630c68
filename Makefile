# make run    a real tender goes through its whole sealed life, and stays up to look at
# make test   everything that has to hold: style, types, directions of imports, tests
# make bench  measurements against their goals, into build/bench.json; ONLY=name for one
# make chaos  the service is killed while bids come in, and every word is held to; KILLS=200
# make lock   locks/ again from pyproject.toml; versions stay unless you delete them first

SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
CASE := R25BK01027145
ADDRESS = http://127.0.0.1:$(PORT)
ASSETS := procurement/web/assets
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
AS_ROOT = [ "$$(id -u)" = 0 ] || { echo "$(1)" >&2; exit 1; }

.PHONY: setup run test lint bench chaos lock browser interop
setup: .venv/ready $(ASSETS)/manifest.json

.venv/ready: locks/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  $(call AS_ROOT,install the package python3-venv first); \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

node_modules/ready: package.json package-lock.json | .venv/ready
	$(NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

SOURCES = $(shell find procurement/web/styles procurement/web/images {crypto,bids,procurement,procurement/web}/browser -type f)

$(ASSETS)/manifest.json: procurement/web/assets.mjs $(SOURCES) | node_modules/ready
	$(NODE) node $<

run: setup
	@! (exec 3<>/dev/tcp/127.0.0.1/$(PORT)) 2>/dev/null || \
	  { echo "port $(PORT) is in use: make run PORT=$$(($(PORT) + 1))" >&2; exit 1; }
	@mkdir -p build
	@set -e; \
	$(BIN)/openseal serve --port $(PORT) & server=$$!; \
	trap 'kill $$server 2>/dev/null || true; wait $$server || true' EXIT; trap 'exit 0' INT TERM; \
	until $(BIN)/python -c 'import urllib.request as r; r.urlopen("$(ADDRESS)/health")' 2>/dev/null; do \
	  kill -0 $$server 2>/dev/null || { wait $$server; exit 1; }; sleep 0.2; \
	done; \
	$(BIN)/openseal invite | $(BIN)/openseal replay procurement/cases/$(CASE) --base-url $(ADDRESS) \
	  --code-file - --record build/$(CASE).zip; \
	rm -f build/trust.json; \
	$(BIN)/openseal trust pin $(ADDRESS) --out build/trust.json --yes >/dev/null; \
	$(BIN)/openseal verify build/$(CASE).zip --trust build/trust.json; \
	echo; echo "  http://localhost:$(PORT)/tenders?practice=only  shows the result; Ctrl-C ends it"; \
	echo "  http://localhost:$(PORT)/data  has all of it as open data"; echo; \
	wait $$server

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NODE) node_modules/.bin/tsc --project .

CHROMIUM = $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
NO_BROWSER = $(if $(CHROMIUM),,yes)

# Flows wait for deadlines; meanwhile browsers, and then the core, have the other processor. Each half has temporary
# folders of its own: pytest shuts those that it finds to everybody else, databases included.
OTHERS := tests/core tests/interop
test: lint browser interop
	@mkdir -p build
	@own=$$(mktemp -d); chmod 755 $$own; export PYTEST_DEBUG_TEMPROOT=$$own OPENSEAL_CHROMIUM=$(CHROMIUM); \
	{ $(if $(NO_BROWSER),$(BIN)/pytest $(OTHERS); echo "no browser test was run: install chromium and fonts-noto-cjk"; \
	  false,$(BIN)/pytest tests/browser $(OTHERS)); } >build/test.log 2>&1 & half=$$!; \
	unset PYTEST_DEBUG_TEMPROOT; \
	$(BIN)/pytest $(addprefix --ignore=,tests/browser $(OTHERS)); flows=$$?; \
	wait $$half; half=$$?; cat build/test.log; rm -rf $$own; exit $$((flows | half))

# The software of others for tests/interop, pinned and hashed. The witness is said to want Python 3.12.
INTEROP := build/interop
interop: setup $(INTEROP)/ready

$(INTEROP)/ready: $(addprefix tests/interop/,package.json package-lock.json witness.lock s3.lock cove.lock) | .venv/ready
	@rm -rf $(INTEROP) && mkdir -p $(INTEROP)
	@cp tests/interop/package.json tests/interop/package-lock.json tests/interop/.npmrc $(INTEROP)/
	cd $(INTEROP) && $(NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
	  --ignore-requires-python --target $(INTEROP)/witness -r tests/interop/witness.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
	  --target $(INTEROP)/s3 -r tests/interop/s3.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps \
	  --target $(INTEROP)/cove -r tests/interop/cove.lock
	@touch $@

browser:
	@[ -z "$(NO_BROWSER)" ] || [ "$$(id -u)" != 0 ] || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium fonts-noto-cjk; } || true

bench: setup browser interop
	@mkdir -p build
	OPENSEAL_CHROMIUM=$(CHROMIUM) $(BIN)/python -m benchmarks $(ONLY)

KILLS ?= 200

chaos: setup
	$(BIN)/python -m tests.load.chaos $(KILLS)

COMPILE := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check uv
	$(COMPILE) --output-file locks/runtime.lock
	$(COMPILE) --output-file locks/dev.lock --extra dev --constraint locks/runtime.lock
