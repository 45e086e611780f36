# Every command works on a fresh Debian or Ubuntu with Python 3.11+; `setup` runs only when the lock changed.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Test files at once.
JOBS ?= 2

.PHONY: setup peers demo test check bench torture soak clean
setup: .venv/.ready

.venv/.ready: requirements-dev.lock
	@scripts/setup $(PYTHON)
	@touch $@

peers:
	@scripts/peers

demo: .venv/.ready
	@$(BIN)/python -m station.cli demo

check: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

test: .venv/.ready peers
	$(BIN)/python -m pytest tests -q -n $(JOBS) --dist loadfile --durations=15

bench: .venv/.ready
	@$(BIN)/python -m benchmarks

torture: .venv/.ready peers
	$(BIN)/python -m pytest tests -q -k "kill_9 or crash or fuzz or any_bytes"

soak: .venv/.ready
	$(BIN)/python -m benchmarks.crash

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
