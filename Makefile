# `make run` and `make test` do all the set-up themselves, on a machine with Python 3.11 or newer.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UI     := $(filter-out ui/node_modules%,$(wildcard docs/*.md ui/* ui/public/* ui/src/*.* ui/src/*/*.* ui/src/*/*/*.*)) hatch_build.py
CONFIG ?=
ARGS   ?=
STARTING := tests/e2e tests/runtime tests/demo
BROWSING := tests/ui
APART  := $(STARTING) $(BROWSING)

.PHONY: run test packages test-fast check format page ui-check docs types screenshots fuzz bench clean

run: .stamps/run
ifeq ($(CONFIG),)
	$(BIN)/python -m swapyard demo $(ARGS)
else
	$(BIN)/python -m swapyard --config "$(CONFIG)" $(ARGS)
endif

# Everything: lint, format, types, the page and its tests, the import table, the whole suite with real clients and a real engine.
# What starts programs or browsers runs on two processes, file by file; the rest on every core. Browsers have a run of their own: the
# library that drives them keeps an event loop running, beside which coroutine tests cannot have one.
test: packages .stamps/dev .stamps/engine check page ui-check
	$(BIN)/python -m pytest -q -n auto $(APART:%=--ignore=%) $(ARGS)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(STARTING) $(ARGS)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(BROWSING) $(ARGS)

# curl, a browser, ...: installed by root on Debian, named elsewhere.
packages:
	@.ci/packages

# About 20 seconds on two cores: nothing that waits for processes or is marked slow.
test-fast: .stamps/dev page
	$(BIN)/python -m pytest -q -n auto -m "not slow" $(APART:%=--ignore=%) $(ARGS)

check: .stamps/dev
	$(BIN)/ruff check src tests bench tools examples
	$(BIN)/ruff format --check src tests bench tools examples
	$(BIN)/mypy

format: .stamps/dev
	$(BIN)/ruff check --fix src tests bench tools examples
	$(BIN)/ruff format src tests bench tools examples

# The web page, from ui/ into src/swapyard/page, unless it is there already.
page: .stamps/dev
	$(BIN)/python hatch_build.py

# The page's types and unit tests. `make page` needs no Node.js on the machine, and neither does this.
ui-check: .stamps/dev
	$(BIN)/python hatch_build.py run check
	$(BIN)/python hatch_build.py test

# docs/endpoints.md and docs/keys.md are made from the tables in the code; a test fails when they differ.
docs: .stamps/dev types
	$(BIN)/python -m tools.tables

# Makes up hostile inputs for FUZZ_SECONDS (60) seconds; ARGS="requests paths" for some targets only.
fuzz: .stamps/dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[fuzz]' || echo "without atheris, which cannot be installed here"
	$(BIN)/python -m tools.fuzz $(ARGS)

# The page's types of what the API answers; a test fails when they differ.
types: .stamps/dev
	$(BIN)/python -m tools.api_types

# A picture of every page, desktop and phone, light and dark, below screenshots/. ARGS="now logs" for some pages only.
screenshots: packages .stamps/dev page
	$(BIN)/python -m tools.screenshots $(ARGS)

# A table of ratios; needs wrk and nginx (Debian: apt-get install wrk nginx-light). ARGS="--quick" for a short run.
bench: .stamps/dev
	$(BIN)/python -m bench $(ARGS)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Swapyard needs Python 3.11 or newer; set PYTHON=... (this is " + sys.version.split()[0] + ")")'
	$(PYTHON) -m venv $(VENV)

# Installing builds the page (hatch_build.py), and does nothing about it where it is current.
.stamps/run: pyproject.toml $(UI) | $(BIN)/python
	@echo "Setting up (the first time a minute or two: Python packages, and the web page is built) ..."
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@mkdir -p .stamps && touch $@

.stamps/dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@mkdir -p .stamps && touch $@ .stamps/run

# llama.cpp's server, for the tests.
.stamps/engine: pyproject.toml | .stamps/dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev,engine]'
	@touch $@

clean:
	rm -rf $(VENV) .stamps dist build src/swapyard/page ui/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
