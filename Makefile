# `make` lists the targets. Needs Python 3.11 to 3.13 with venv, git and make; everything else is installed into .venv.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint docs audit setup lock clean

# The first suitable Python of these creates .venv; set PYTHON=/path/to/python3.12 to use another one.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(FITS)' 2> /dev/null && echo $$python && break; done)
BIN := .venv/bin
DEMO_READY := .venv/.demo-ready
TEST_READY := .venv/.test-ready

# Of pip's output, show only the large downloads ("Downloading NAME (SIZE)"). Warnings and errors go to stderr. A file
# records a failure, because the exit code of a pipe in sh is that of its last command.
PIP := $(BIN)/python -m pip --disable-pip-version-check install
INSTALL = rm -f .venv/.failed; \
	{ $(PIP) --progress-bar off --require-hashes -r $(1) && $(PIP) -q --no-build-isolation --no-deps -e . || touch .venv/.failed; } \
	| awk '/Downloading.* MB\)/ { print "  " $$2, $$3, $$4; fflush() } /^Installing/ { print "  installing"; fflush() }' >&2; \
	test ! -e .venv/.failed && touch $(2)

help:
	@echo "make demo [SECONDS=n] [FRAMES=DIR BUNDLE=FILE] [BROKER=host:port]"
	@echo "                      run simulated cameras, Kafka and the worker, with live results in the terminal"
	@echo "make test [ARGS=...]  run the checks and all tests except the long ones; ARGS replace the arguments of pytest"
	@echo "make test-all         run the checks and all tests, with the long ones"
	@echo "make lint             run the checks: ruff, mypy, import rules"
	@echo "make docs             build the documentation site, build/docs/index.html"
	@echo "make audit            check all locked packages for known vulnerabilities; needs internet access"
	@echo "make setup            create .venv with everything that make test needs"
	@echo "make lock             regenerate requirements/*.txt from pyproject.toml"
	@echo "make clean            remove .venv, downloaded jars, caches and build output"

demo: $(DEMO_READY)
	@$(BIN)/stripwatch demo $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(FRAMES),--frames '$(FRAMES)') \
		$(if $(BUNDLE),--bundle '$(BUNDLE)') $(if $(BROKER),--broker '$(BROKER)')

# Two processes, because tests often wait for a broker. All tests of a file run in one process and share its fixtures.
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

# The reference pages are committed; DOCS_OUT is the folder of the site. Warnings, such as dead links, are errors.
DOCS_OUT ?= build/docs
docs: $(TEST_READY)
	$(BIN)/python -m docs.generate
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs $(DOCS_OUT)
	@echo "$(DOCS_OUT)/index.html"

# --strict: a package that cannot be checked is a failure. Otherwise a run without internet access would pass.
audit: $(TEST_READY)
	@for lock in requirements/*.txt; do echo "$$lock" >&2; $(BIN)/python -m uv tool run --from pip-audit==2.10.1 \
		pip-audit --strict --no-deps --disable-pip -r $$lock || exit 1; done

setup: $(TEST_READY)

# Both lock files have the same versions, so they can be installed in any order.
$(DEMO_READY): .venv/.made requirements/demo.txt pyproject.toml
	@echo "Setting up .venv for the demo (125 MB to download, once):" >&2
	@$(call INSTALL,requirements/demo.txt,$@)

$(TEST_READY): .venv/.made requirements/test.txt pyproject.toml
	@echo "Setting up .venv for training and tests (600 MB to download, half of it TensorFlow, once):" >&2
	@$(call INSTALL,requirements/test.txt,$@ $(DEMO_READY))

.venv/.made:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(FITS)' 2> /dev/null || { echo "error: '$(PYTHON)' is not Python 3.11, 3.12 \
	or 3.13 with venv; install one (Debian: apt install python3-venv) or set PYTHON=/path/to/python3"  >&2; exit 2; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@

# test.txt first, because the other locks use its versions. LOCK_ARGS=--upgrade upgrades to the newest versions.
PINS = $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(LOCK_ARGS)
COMPILE = $(PINS) --no-emit-package opencv-python --override requirements/train.in pyproject.toml requirements/every.in
LIKE_TEST := -c requirements/test.txt

lock: $(TEST_READY)
	$(COMPILE) requirements/train.in --extra cpu --extra demo --extra view --extra train --extra docs --extra dev -o requirements/test.txt
	$(COMPILE) requirements/train.in --extra cpu --extra train $(LIKE_TEST) -o requirements/train.txt
	$(COMPILE) --extra cpu --extra demo --extra view $(LIKE_TEST) -o requirements/demo.txt
	$(COMPILE) --extra gpu $(LIKE_TEST) -o requirements/gpu.txt
	$(PINS) requirements/build.in $(LIKE_TEST) -o requirements/build.txt  # builds the wheel
	$(COMPILE) --extra cpu requirements/peers.in -o requirements/peers.txt  # separate: Quix Streams needs older dependencies
	$(PINS) requirements/label-studio.in -o requirements/label-studio.txt  # separate: its own environment, for tests only

clean:
	rm -rf .venv .kafka .label-studio .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build dist src/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
