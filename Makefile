# The front door. Every target does its own set-up first; a second call finds it done and is quick.
#   make run [SECONDS=20]   record the room (simulated where there is no camera) and verify what was recorded;
#                           STORE=ceph: into a real store on this machine (as root), and verified out of it
#   make test               the whole test set of CI          make unit     the quick part of it
#   make check              formatting, lint, types, import rules, wheels
# Variables: PYTHON (default: the newest of 3.13, 3.12, 3.11 that runs), VENV (default: .venv), ARGS (passed on).

.DEFAULT_GOAL := help
.PHONY: help setup setup-run setup-test setup-unit run sim test unit check bench campaign lock upgrade install uninstall clean

# Compiled modules are kept: without them each of the tests' many processes compiles the program and its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
ifndef PYTHON
PYTHON := $(shell .make/find-python)
endif
BIN := $(VENV)/bin

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -6

setup-run setup-test setup-unit: setup-%:
	@test -n "$(PYTHON)" || { echo 'setup: no Python >= 3.11 runs here; install python3 or pass PYTHON=...' >&2; exit 1; }
	@$(PYTHON) .make/setup.py $* --venv $(VENV)

setup: setup-test

# STORE=ceph: a real store is brought up on this machine, filled while it records, verified from, and ended.
ifeq ($(STORE),ceph)
run: setup-test
	$(BIN)/python -m tests.ceph.run $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)
else
run: setup-run
	$(BIN)/liuhen demo $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)
endif

sim: setup-run
	$(BIN)/liuhen sim $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

test: setup-test
	$(BIN)/python -m tests.stages $(ARGS)

unit: setup-unit
	$(BIN)/python -m pytest -n auto --dist=worksteal -m 'not (realtime or browser or oracle or long or slow)' $(ARGS)

check: setup-unit
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python .make/wheel_check.py

bench: setup-test
	$(BIN)/python -m tests.bench $(ARGS)

campaign: setup-test
	$(BIN)/python -m tests.campaign $(ARGS)

lock upgrade:
	@$(PYTHON) .make/setup.py $@

# On a device, as root: `sudo make install`. The system's own Python, because the camera stack exists for it alone.
# DESTDIR=DIR puts everything below DIR instead; PREFIX=/opt/liuhen is where the program stands on the device.
install uninstall:
	@/usr/bin/python3 .make/install.py $@ $(if $(DESTDIR),--destdir $(DESTDIR)) $(if $(PREFIX),--prefix $(PREFIX)) $(ARGS)

# Recordings are evidence, even the demo's: no target deletes them.
clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
