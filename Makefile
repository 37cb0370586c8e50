# Everything a developer runs. Set-up happens by itself, and again when a requirements file changed.
.DEFAULT_GOAL := help
.PHONY: help up test faults soak check docs bench lock openapi screenshots sql clean

WORKERS ?= 1
DB ?=
DEMO ?=
PROCFILE ?=
PEERS ?=
HOURS ?= 1
ARGS ?=
EXTRA ?=

RUN := .venv/bin/python
LOCK := --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

up: .venv/runtime ## run the system: WORKERS=3 for more workers, DB=mysql or DB=mariadb to choose, DEMO=1 with a double of RunningHub, PROCFILE=examples/Procfile for another one
	@$(RUN) -m tools.up --workers '$(WORKERS)' $(if $(DB),--database '$(DB)') $(if $(DEMO),--demo) $(if $(PROCFILE),--procfile '$(PROCFILE)')

test: .venv/development ## run the tests on a private server: DB=mysql or DB=mariadb, ARGS for pytest
	@db="$$($(RUN) -m tools.servers install $(DB) redis chromium)" && \
		ROWLEASE_TEST_DB="$$db" $(RUN) -m pytest $(ARGS)

faults: .venv/development ## run the whole fault suite, the slow tests too: DB, ARGS as for test
	@db="$$($(RUN) -m tools.servers install $(DB) redis)" && \
		ROWLEASE_TEST_DB="$$db" $(RUN) -m pytest -m "slow or not slow" tests/faults $(ARGS)

soak: .venv/runtime ## let the system work while it fails, then check it: HOURS=1, DB, ARGS="--seed 7"
	@$(RUN) -m tools.soak --hours '$(HOURS)' $(if $(DB),--db '$(DB)') $(ARGS)

check: .venv/development ## lint, formatting, types and imports
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: .venv/site ## build the pages as a site, in build/site
	@$(RUN) -m tools.site

bench: .venv/runtime ## measure on private servers: ARGS="--db mysql --only drain"; --help says more; PEERS=celery,arq or PEERS=all beside others
	@$(RUN) -m tools.bench$(if $(PEERS),.peers --peers '$(PEERS)') $(ARGS)

lock: .venv/runtime ## pin the newest versions that pyproject.toml allows, with hashes: EXTRA=s3 with that driver
	$(RUN) -m pip install -qq uv
	.venv/bin/uv pip compile $(LOCK) $(if $(EXTRA),--extra '$(EXTRA)') --output-file requirements.txt pyproject.toml
	.venv/bin/uv pip compile $(LOCK) --group dev --constraint requirements.txt \
		--output-file requirements-dev.txt pyproject.toml
	.venv/bin/uv pip compile $(LOCK) --group pyproject.toml:docs --constraint requirements-dev.txt \
		--output-file tools/site/requirements.txt

openapi: .venv/runtime ## write docs/openapi.json, after a change of what the API takes or tells
	@$(RUN) -m tools.openapi

screenshots: .venv/development ## take those of docs/screenshots anew
	@$(RUN) -m tools.servers install $(DB) chromium >/dev/null
	@$(RUN) -m tests.ui.screenshots

sql: ## open the database of make up in a client: ARGS="-e 'SELECT ...'" for one statement
	@test -x $(RUN) || { echo '`make up` has not run in this checkout: run it first.' >&2; exit 1; }
	@$(RUN) -m tools.up.sql $(ARGS)

clean: ## remove .venv and all caches; the data of make up stay in .local
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/runtime: requirements.txt
	@sh tools/up/environment.sh requirements.txt
	@touch $@

# The runtime's requirements are among these.
.venv/development: requirements-dev.txt requirements.txt
	@sh tools/up/environment.sh requirements-dev.txt
	@touch .venv/runtime $@

.venv/site: tools/site/requirements.txt
	@sh tools/up/environment.sh tools/site/requirements.txt
	@touch $@
