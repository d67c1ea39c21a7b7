# Everything runs in .venv, which the first target that needs it creates. Needs Python 3.11 or newer, and make.

PYTHON ?= python3
# Any PYTHON but the usual one has its own environment.
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venvs/$(notdir $(PYTHON)))
BIN := $(VENV)/bin
OUT ?= demo-out
# The tests start hundreds of processes, each of which would compile the package again.
unexport PYTHONDONTWRITEBYTECODE
# More than the cores: most tests wait most of the time.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(4 * (os.cpu_count() or 1))')

# The seed of `sloppy` and of `stress`, what runs against a sloppy emulator, and how long `stress` runs each test, in s.
SEED ?= 1
TESTS ?= tests/live
SECONDS ?= 60

.PHONY: help check format coverage install demo test lint types generate generate-check spec-diff generators cassettes core-coverage conformance bench fuzz soak sloppy stress wheel-check clean \
	test-lowest test-newest test-prereleases test-releases wheels pyinstaller pictures

help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / { printf "%-46s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/dev.installed ## create .venv with everything for development

check: install ## ruff, mypy and the tests that need no process: before every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $$($(BIN)/python -m tools.inner_loop) $(ARGS)

format: install ## format the code, and fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: COVERAGE := -p tools.core_contexts --cov --cov-report=term:skip-covered
coverage: test ## all tests, with the coverage of those in tools/core_contexts.py
	$(BIN)/python -m tools.core_coverage

# The demo needs what a user of the command needs, and nothing that only developers use.
demo: $(VENV)/cli.installed ## stream ten seconds from the emulator into demo-out
	$(BIN)/odyssey-proto demo --out $(OUT)

# Each worker has run thousands of threads, whose arenas in glibc's malloc would hold 1 GB, and starts processes, in which BLAS
# would begin with threads that nobody needs. Tests that measure run after the others, one after the other; only those in a
# network of their own, which wait most of the time, and the benchmarks, whose figures nobody checks there, run beside them. It
# is an error if ARGS leave no test in either phase.
test: install ## all tests, in two phases; ARGS goes to pytest
	@together=0; alone=0; \
	MALLOC_ARENA_MAX=2 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --phase together -n $(WORKERS) --dist loadgroup $(COVERAGE) $(ARGS) || together=$$?; \
	case $$together in 0|1|5) ;; *) exit $$together;; esac; \
	$(BIN)/python -m pytest --phase alone -n 3 --dist loadgroup $(ARGS) || alone=$$?; \
	case $$together$$alone in 00|05|50) ;; *) exit 1;; esac

# The tests that touch dependencies, on every promised Python that is installed, with the lowest and the newest releases.
# Each has an environment of its own in .venvs. Both need the package index.
test-lowest test-newest test-prereleases: install ## the tests that touch dependencies, with other releases
	$(BIN)/python -m tools.resolve tests $(@:test-%=%) $(ARGS)

# The Python of .venv runs all tests with the newest releases anyway.
test-releases: install ## test-lowest and test-newest side by side, except for what `make test` has run
	$(BIN)/python -m tools.resolve tests newest,lowest --others $(ARGS)

# Whether every dependency has wheels for every promised system and Python. Needs the package index.
wheels: install ## check that all dependencies have wheels for all systems
	$(BIN)/python -m tools.resolve wheels

lint: install ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Fails unless the type of everything public is known. It does not find editable installs, hence the path.
types: install ## mypy, pyright, and a check that all public types are known
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright
	for package in odyssey_proto odyssey_models; do \
		PYTHONPATH=$(CURDIR):$(CURDIR)/generated/python \
		$(BIN)/pyright --verifytypes $$package --ignoreexternal --pythonpath $(BIN)/python || exit 1; done

generate: install ## write generated/ from spec/
	$(BIN)/python -m tools.codegen
	$(BIN)/python -m tools.vectors
	$(BIN)/python -m tools.diagrams
	$(BIN)/python -m tools.codegen.docs # its state diagrams are those that ARCHITECTURE.md has now

generate-check: install ## check that generated/ is up to date
	$(BIN)/python -m tools.codegen --check
	$(BIN)/python -m tools.vectors --check
	$(BIN)/python -m tools.diagrams --check

# Fails if a change breaks readers or writers. REF may be two refs: REF="v0.1.0 v0.2.0".
REF ?= HEAD
spec-diff: install ## what changed in spec/ since REF, and whom it breaks
	$(BIN)/python -m tools.spec_diff $(REF)

# Some also need Debian's golang-go, librust-serde-json-dev and librust-serde-derive-dev with cargo, or libgoogle-gson-java.
generators: install .venvs/generators/installed ## other projects' generators and linters on the generated files
	npm ci --prefix tests/generators --ignore-scripts --no-audit --no-fund --silent
	npm ci --prefix tests/sdk/typescript --ignore-scripts --no-audit --no-fund --silent
	$(BIN)/python -m pytest -q tests/generators tests/sdk/typescript $(ARGS)

# What they pin differs from what we pin. The last one has the compiler of Kotlin, and requires much that is not needed.
.venvs/generators/installed: $(VENV)/pip.installed pyproject.toml
	$(BIN)/python -m venv .venvs/generators
	.venvs/generators/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venvs/generators/bin/python -m pip install --quiet --group generators
	.venvs/generators/bin/python -m pip install --quiet --no-deps kotlin-jupyter-kernel==0.19.0.944
	@touch $@

# PyInstaller packs the packages of the program's own environment.
pyinstaller: install .venvs/pyinstaller/installed ## build users' programs with PyInstaller
	$(BIN)/python -m pytest -q tests/machine/test_pyinstaller.py $(ARGS)

.venvs/pyinstaller/installed: $(VENV)/pip.installed pyproject.toml
	$(BIN)/python -m venv .venvs/pyinstaller
	.venvs/pyinstaller/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venvs/pyinstaller/bin/python -m pip install --quiet --editable ".[cli]" --group pyinstaller
	@touch $@

# Each target of tests/fuzz runs for FUZZ_SECONDS with new inputs; a failure names its seed. FUZZ_TARGET is part of a name.
FUZZ_SECONDS ?= 150
FUZZ_TARGET ?=
fuzz: install ## search for input that a parser neither reads nor refuses; FUZZ_SECONDS, FUZZ_TARGET
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -v -p no:cacheprovider tests/fuzz -k "$(FUZZ_TARGET)" $(ARGS)

# From the emulator; with ODYSSEY_API_KEY, from the service, as far as it shows them unprompted.
cassettes: install ## record the service's answers anew
	$(BIN)/python -m tools.cassettes $(ARGS)

# Each module of the core is covered wholly, every branch, by the test file of its own name. `coverage` looks at it too.
core-coverage: install ## check that each module of the core is covered by its own tests
	$(BIN)/python -m pytest -q -n auto -p tools.core_contexts --cov --cov-report= --cov-fail-under=0 $$($(BIN)/python -m tools.core_coverage --tests)
	$(BIN)/python -m tools.core_coverage

# An emulator that is sloppy sends what only tolerant readers accept; the same SEED makes the same choices.
sloppy: install ## the live tests against a sloppy emulator; SEED and TESTS choose
	MALLOC_ARENA_MAX=2 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q --phase together -n $(WORKERS) --dist loadgroup --sloppy $(SEED) $(TESTS) $(ARGS)

# `make conformance ARGS="--only live --scenario keepalive"` checks less.
conformance: install ## the scorecard of our client: all vectors, and all live scenarios
	PYTHONPATH=$(CURDIR):$(CURDIR)/generated/python \
		$(BIN)/python -m odyssey_proto conformance $(ARGS) -- $(BIN)/python -m tests.support.clients.adapter

# Random moments, chosen by SEED: which report comes first, whether anything hangs, and what a signal handler may do.
stress: install ## test the promises about timing, SECONDS each, at random moments; SEED chooses them
	STRESS_SECONDS=$(SECONDS) STRESS_SEED=$(SEED) $(BIN)/python -m pytest -q -n $(WORKERS) tests/faults/test_stress.py tests/faults/test_signals.py $(ARGS)

# Half an hour and more: `make soak ARGS="--connects 50 --minutes 2 --out /tmp/soak.json"` shows that it works.
soak: install ## 500 connects and 30 minutes of video over a link that breaks; the result goes to tools/bench/results
	$(BIN)/python -m tools.soak $(ARGS)

bench: install ## measure our client and a plain one side by side
	$(BIN)/python -m tools.bench $(ARGS)

# No two runs make the same pictures, so nothing compares them with the committed ones.
pictures: install ## make the pictures of the README
	$(BIN)/python -m tools.pictures

# Builds both wheels, installs each alone in a new environment and imports it there.
wheel-check: install ## build, inspect and use the wheels
	rm -rf build dist
	$(BIN)/python -m build --quiet --installer uv || $(BIN)/python -m build --quiet
	$(BIN)/python -m build --quiet --installer uv --outdir dist generated/python || \
		$(BIN)/python -m build --quiet --outdir dist generated/python
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

# uv takes a quarter of pip's time; pip does it where uv does not find the package index.
$(VENV)/dev.installed: $(VENV)/pip.installed pyproject.toml
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --editable ".[cli,conformance]" --group dev || \
		$(BIN)/python -m pip install --quiet --editable ".[cli,conformance]" --group dev
	@touch $@ $(VENV)/cli.installed

clean: ## delete environments and what was built
	rm -rf $(VENV) .venvs build dist $(OUT)
