# Everything needs only Python 3.11, make and git; the environment is made on first use, in .venv.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test check lint types format ui notebook bench bench-scale bench-peers torture clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## Write sample deliveries, ingest them and show what became of them
	$(BIN)/claims demo

test: $(READY)  ## Run the tests
	$(BIN)/pytest -n auto --dist loadfile

check: lint types test  ## What CI runs: lint, types and tests

lint: $(READY)  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## Check types
	$(BIN)/mypy

format: $(READY)  ## Mend what style can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: $(READY)  ## Open the Dagster UI on data/landing and data/lakehouse
	$(BIN)/claims ui

notebook: $(READY)  ## Run the notebook on sample deliveries and, where it is, shared/data/flexion
	$(BIN)/python -m claims_lakehouse_tests.notebook

bench: $(READY)  ## Time history and the whole way beside the floor, landing, start-up, questions, desk, medical claims, decisions (minutes)
	$(BIN)/python -m benchmarks bench $(ARGS)
	$(BIN)/python benchmarks/questions.py
	$(BIN)/python -m benchmarks.desk
	$(BIN)/python -m benchmarks.medical
	$(BIN)/python -m benchmarks.adjudication
	$(BIN)/python -m benchmarks.payments

bench-scale: $(READY)  ## Time the large ones: 50 million rows, 40 million records, 5,000 deliveries (hours)
	$(BIN)/python -m benchmarks scale $(ARGS)

bench-peers: $(READY)  ## Time dlt, SQLMesh and dbt on the same two files, in turn with ours
	$(BIN)/python -m benchmarks peers $(ARGS)

torture: $(READY)  ## Kill, starve and fuzz it, in every order: the long proof (an hour or more)
	$(BIN)/python -m claims_lakehouse_tests.torture
	$(BIN)/python -m claims_lakehouse_tests.adjudication.test_kills
	$(BIN)/python -m claims_lakehouse_tests.payments.test_payment_kills
	HISTORY_SEEDS=30 SETTLE_SEEDS=20 DECIDE_EXAMPLES=500 $(BIN)/pytest -n auto --dist loadfile \
	    claims_lakehouse_tests/history/test_differential.py claims_lakehouse_tests/history/test_together.py \
	    claims_lakehouse_tests/history/test_interleavings.py claims_lakehouse_tests/adjudication/test_settle.py \
	    claims_lakehouse_tests/adjudication/test_decide.py

clean:  ## Remove the environment and caches (never data)
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
