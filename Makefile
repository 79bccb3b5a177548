# `make` alone says what there is. Needs Python 3.11 to 3.13 with venv, git and make; everything else goes into .venv.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint docs audit setup lock clean

# The first of these that fits makes .venv; PYTHON=/path/to/python3.12 names another.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(FITS)' 2> /dev/null && echo $$python && break; done)
BIN := .venv/bin
DEMO_READY := .venv/.demo-ready
TEST_READY := .venv/.test-ready

# pip says "Downloading NAME (SIZE)" among much else; show the large ones. Its warnings and errors go to stderr, and its
# exit code through a file, since a pipe in sh has only the last one's.
PIP := $(BIN)/python -m pip --disable-pip-version-check install
INSTALL = rm -f .venv/.failed; \
	{ $(PIP) --progress-bar off --require-hashes -r $(1) && $(PIP) -q --no-build-isolation --no-deps -e . || touch .venv/.failed; } \
	| awk '/Downloading.* MB\)/ { print "  " $$2, $$3, $$4; fflush() } /^Installing/ { print "  installing"; fflush() }' >&2; \
	test ! -e .venv/.failed && touch $(2)

help:
	@echo "make demo [SECONDS=n] [FRAMES=DIR BUNDLE=FILE] [BROKER=host:port]"
	@echo "                      simulated cameras, Kafka and the worker, live in the terminal"
	@echo "make test [ARGS=...]  the checks and the tests, but for the long ones; ARGS go to pytest instead"
	@echo "make test-all         the long ones too"
	@echo "make lint             the checks alone: ruff, mypy, import rules"
	@echo "make docs             the documentation as a site in build/docs/index.html"
	@echo "make audit            known vulnerabilities of all that is locked; needs the internet"
	@echo "make setup            .venv with everything, as make test needs it"
	@echo "make lock             requirements/*.txt anew from pyproject.toml"
	@echo "make clean            remove .venv, fetched jars, caches and build output"

demo: $(DEMO_READY)
	@$(BIN)/stripwatch demo $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(FRAMES),--frames '$(FRAMES)') \
		$(if $(BUNDLE),--bundle '$(BUNDLE)') $(if $(BROKER),--broker '$(BROKER)')

# Two processes: much of a test is waiting for a broker. A file stays in one of them, and shares what it has set up.
SIDE_BY_SIDE := -n 2 --dist loadfile
test: lint
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(SIDE_BY_SIDE) -m "not long")

test-all: lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

lint: $(TEST_READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The reference pages are committed; DOCS_OUT is where the site goes. A warning, such as a dead link, is an error.
DOCS_OUT ?= build/docs
docs: $(TEST_READY)
	$(BIN)/python -m docs.generate
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs $(DOCS_OUT)
	@echo "$(DOCS_OUT)/index.html"

# --strict: a package that could not be asked about is a failure, or a run without the internet would look clean.
audit: $(TEST_READY)
	@for lock in requirements/*.txt; do echo "$$lock" >&2; $(BIN)/python -m uv tool run --from pip-audit==2.10.1 \
		pip-audit --strict --no-deps --disable-pip -r $$lock || exit 1; done

setup: $(TEST_READY)

# The two sets agree on every version, so either may be installed first.
$(DEMO_READY): .venv/.made requirements/demo.txt pyproject.toml
	@echo "Setting up .venv for the demo (125 MB to download, once):" >&2
	@$(call INSTALL,requirements/demo.txt,$@)

$(TEST_READY): .venv/.made requirements/test.txt pyproject.toml
	@echo "Setting up .venv for training and tests (600 MB to download, half of it TensorFlow, once):" >&2
	@$(call INSTALL,requirements/test.txt,$@ $(DEMO_READY))

.venv/.made:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' 2> /dev/null || { echo "error: '$(PYTHON)' is not Python 3.11, 3.12 \
	or 3.13 with venv; install one (Debian: apt install python3-venv) or name it with PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

# test.txt first: the other locks take its versions. LOCK_ARGS=--upgrade takes the newest.
PINS = $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(LOCK_ARGS)
COMPILE = $(PINS) --no-emit-package opencv-python --override requirements/train.in pyproject.toml requirements/every.in
LIKE_TEST := -c requirements/test.txt

lock: $(TEST_READY)
	$(COMPILE) requirements/train.in --extra cpu --extra demo --extra view --extra train --extra docs --extra dev -o requirements/test.txt
	$(COMPILE) requirements/train.in --extra cpu --extra train $(LIKE_TEST) -o requirements/train.txt
	$(COMPILE) --extra cpu --extra demo --extra view $(LIKE_TEST) -o requirements/demo.txt
	$(COMPILE) --extra gpu $(LIKE_TEST) -o requirements/gpu.txt
	$(PINS) requirements/build.in $(LIKE_TEST) -o requirements/build.txt  # what makes the wheel
	$(COMPILE) --extra cpu requirements/peers.in -o requirements/peers.txt  # Quix Streams wants older helpers than the rest

clean:
	rm -rf .venv .kafka .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build dist src/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
