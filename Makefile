# Start with `make demo` and `make test`. `make help` lists all targets.
.DEFAULT_GOAL := help
.PHONY: slow-test soak chaos promises fuzz help setup demo test lint unit store-test bench clean

# uv from the PATH, else installed into .uv/ (system Pythons refuse installs)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= python3
RUN := .venv/bin/python -m
INPUT ?=
ROUNDS ?= 15
SEED ?=
FAULT ?=
INPUTS ?= 1000000
RECORDS ?= 100000
# Containers often set PYTHONDONTWRITEBYTECODE. Then each test process would compile torch again.
export PYTHONDONTWRITEBYTECODE :=
# Most tests wait for a server or a process, so more tests than cores run in parallel. Tests marked `alone` measure
# time. They run afterwards, one at a time.
JOBS ?= 4
# The others are handed out one by one, long ones first; those of one xdist_group go to one process.
PARALLEL := -n $(JOBS) --dist loadgroup --no-loadscope-reorder
# Each process that runs one of these imports torch and transformers (10 s of a core), so only two processes run them.
MODEL_TESTS := tests/unit/models tests/unit/training
WITHOUT_MODELS := $(MODEL_TESTS:%=--ignore=%)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.uv/bin/uv:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing: apt-get install python3-venv (or put uv on the PATH), then try again." >&2; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv

# packages from the lock file, then Kafka's jars and the encoders (133 MB); nothing is fetched twice
.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --all-extras
	.venv/bin/stream-app services fetch
	.venv/bin/stream-app models fetch
	@touch $@

setup: .venv/.ready ## packages, Kafka, Valkey and base encoders; all other targets run it first

demo: setup ## the whole system on this machine; INPUT=file.jsonl replays your own reviews
	.venv/bin/stream-app demo $(if $(INPUT),--input $(INPUT))

test: setup lint ## format, lint, types, spelling and the tests, on a Kafka and a Valkey started for them
	$(RUN) pytest $(PARALLEL) $(WITHOUT_MODELS) -m 'not slow and not alone'
	$(RUN) pytest -n 2 --dist worksteal $(MODEL_TESTS)
	$(RUN) pytest $(WITHOUT_MODELS) -m 'alone and not slow'

lint: setup ## format, lint, types and spelling
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	.venv/bin/codespell

unit: setup ## the tests that need no server
	$(RUN) pytest $(PARALLEL) $(WITHOUT_MODELS) tests/unit tests/contract
	$(RUN) pytest -n 2 --dist worksteal $(MODEL_TESTS)

store-test: setup ## the store tests alone; STREAM_APP_TEST_REDIS_SERVER=redis-server runs them on another server
	$(RUN) pytest $(PARALLEL) -m 'store and not slow'

slow-test: setup ## the tests that take half a minute each, which `make test` leaves out
	$(RUN) pytest -m slow

bench: setup ## measure this machine: writes benchmarks/results/results.md, results.json and results.png
	$(RUN) benchmarks

chaos: setup ## inject faults under load and check that nothing is lost, doubled or stuck; ROUNDS=200 SEED=1 FAULT="redis: SIGKILL" (else all faults)
	$(RUN) tests.reliability.chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--fault "$(FAULT)")

promises: setup ## remove the code behind each guarantee, one statement at a time, and expect a test to fail; ONLY="names or numbers"
	$(RUN) tests.reliability.mutants --jobs 2 $(if $(ONLY),--only $(ONLY),--write)

fuzz: setup ## a million inputs to the decoders and the steps, 100,000 hostile records to workers; INPUTS=5000000 RECORDS=500 SEED=1
	$(RUN) tests.reliability.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))
	$(RUN) tests.reliability.fuzz.records --records $(RECORDS) $(if $(SEED),--seed $(SEED))

MINUTES ?= 30
soak: setup ## steady load: fails if a process or Redis grows; MINUTES=30 RATE=20 SEED=1; appends to benchmarks/soak.md
	$(RUN) benchmarks.soak --minutes $(MINUTES) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED))

clean: ## remove what `make setup` made here (not the caches of uv and of this project)
	rm -rf .venv .uv
