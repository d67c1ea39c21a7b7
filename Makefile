# Everything runs in .venv, which the first target that needs it makes. Needs Python 3.11 or newer, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
CORE := _base/errors _base/secrets _base/clock _model/config _model/events _model/codec core/connection core/effects \
	core/inputs core/machine core/pending_calls core/protocol core/queueing core/session_machine core/silence \
	core/stream_machine \
	_video/frame _video/images _live/event_hub _live/dispatcher

.PHONY: install demo test lint types generate generate-check cassettes core-coverage bench wheel-check clean \
	test-lowest test-newest test-prereleases wheels

install: $(VENV)/dev.installed

# The demo needs what a user of the command needs, and nothing of what developers use.
demo: $(VENV)/cli.installed
	$(BIN)/odyssey-proto demo --out $(OUT)

test: install
	$(BIN)/python -m pytest $(ARGS)

# The tests that touch dependencies, on every promised Python that is here, with the lowest and the newest releases.
# Each has an environment of its own in .venvs. Both need the package index.
test-lowest test-newest test-prereleases: install
	$(BIN)/python -m tools.resolve tests $(@:test-%=%) $(ARGS)

# Whether every dependency has wheels for every promised system and Python. Needs the package index.
wheels: install
	$(BIN)/python -m tools.resolve wheels

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright

generate: install
	$(BIN)/python -m tools.codegen
	$(BIN)/python -m tools.diagrams

generate-check: install
	$(BIN)/python -m tools.codegen --check
	$(BIN)/python -m tools.diagrams --check

# From the emulator; with ODYSSEY_API_KEY from the service, what that shows by itself.
cassettes: install
	$(BIN)/python -m tools.cassettes $(ARGS)

# Each module of the core is covered wholly, every branch, by the test file of its own name.
core-coverage: install
	@for module in $(CORE); do \
		$(BIN)/python -m pytest -q --no-header tests/unit/$${module%/*}/test_$${module##*/}.py \
			--cov=odyssey_proto.$$(echo $$module | tr / .) --cov-branch \
			--cov-report=term-missing:skip-covered --cov-fail-under=100 || exit 1; \
	done

bench: install
	$(BIN)/python -m tools.bench $(ARGS)

# Builds the wheel, installs it alone in a new environment and imports it there.
wheel-check: install
	rm -rf build dist
	$(BIN)/python -m build --quiet
	$(BIN)/python -m tools.wheel_check dist

$(VENV)/pip.installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "odyssey-proto needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" # the first that reads dependency groups
	@touch $@

$(VENV)/cli.installed: $(VENV)/pip.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli]"
	@touch $@

$(VENV)/dev.installed: $(VENV)/cli.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[cli]" --group dev
	@touch $@

clean:
	rm -rf $(VENV) .venvs build dist $(OUT)
