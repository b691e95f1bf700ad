# `make setup` fetches uv into .tools when it is not installed; nothing else is touched.

UV_VERSION := 0.13.9
# Without the redirection make 4.2 and older look for a program called `command`.
FETCHED := $(if $(shell command -v uv 2>/dev/null),,.tools/bin/uv)
UV := $(or $(FETCHED),uv)
PYTHON ?= python3
# N999: the package's folder is a blank until it is rendered.
PYTEST := $(UV) run --group browser pytest -n 2
RUFF := ruff check --cache-dir .ruff_cache --ignore N999
SOURCES := ml_service_template.py ml_service_team.py ml_service_link.py hooks tests tools bench docs/conf.py '{{cookiecutter.project_slug}}/src'

# Without bytecode every process compiles all that it imports, which takes minutes here.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test prove pictures docs check style judge format clean

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: | $(FETCHED) ## the template's own tools, into .venv
	$(UV) sync --quiet

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

demo: setup ## a service in build/: rendered, trained and asked for a prediction
	$(UV) run python tools/demo.py

test: setup ## what the template promises, tried on what it renders: some minutes
	$(PYTEST) -m "not thorough"

prove: setup ## all that is left: every engine, containers, other models: a quarter of an hour
	$(PYTEST) -m thorough

pictures: setup ## the pictures of the page that the README shows
	$(UV) run --group browser python tools/pictures.py

docs: setup ## the template's site, strictly, into build/docs
	$(UV) run --group docs sphinx-build --quiet --fail-on-warning --keep-going --nitpicky docs build/docs

check: setup style ## style of the template and of the product's sources

# Without setup, which would take away what a test that runs has brought.
style:
	$(UV) run $(RUFF) $(SOURCES)
	$(UV) run black --check --quiet $(SOURCES)

judge: setup ## what third parties say of the template and of what it renders
	$(UV) run python tools/judge.py $(JUDGING)

format: setup ## put the code into the one style
	$(UV) run $(RUFF) --fix $(SOURCES)
	$(UV) run black --quiet $(SOURCES)

clean: ## remove what can be made again
	rm -rf build .venv .tools .pytest_cache .ruff_cache uv.lock
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
