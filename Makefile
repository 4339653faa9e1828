# `make demo` sets up and runs the main job; `make test` sets up and runs the tests. pip's own settings (PIP_*) apply.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?=
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# PyTorch's build: cpu, cu130, ... by uv, or pip for what pip finds. By default cpu on Linux without an NVIDIA GPU.
TORCH ?= $(shell sh scripts/torch_backend.sh $(PYTHON))
INSTALL_TORCH = $(if $(filter-out pip,$(TORCH)),$(INSTALL) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python \
	--torch-backend $(TORCH) --constraint constraints.txt torch)

.PHONY: demo test test-all lint docs bench bench-small hostile hostile-small secrets clean help

demo: $(VENV)/train.stamp  ## make a catalog, train, evaluate and serve it; DATA=folder takes your tables
	$(BIN)/riyl demo $(if $(DATA),"$(DATA)")

test: lint  ## lint, and run the quick tests
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow and not postgres and not browser and not clients and not bench and not hostile"

test-all: $(VENV)/dev.stamp  ## run the slow, database, browser and attack tests
	$(BIN)/pytest --numprocesses auto --dist loadfile -m "(slow or postgres or browser or clients) and not bench and not hostile"
	$(MAKE) hostile-small

lint: $(VENV)/dev.stamp  ## check style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/docs.stamp  ## build the documentation as a site into build/docs
	$(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/dev.stamp  ## run the benchmarks
	$(BIN)/pytest -m bench -p no:cacheprovider tests/benchmarks

bench-small: $(VENV)/dev.stamp  ## run every benchmark at a tiny size, to see that each still works
	RIYL_BENCH_SMALL=1 $(BIN)/pytest -m bench -p no:cacheprovider tests/benchmarks

hostile: $(VENV)/dev.stamp  ## attack a service over 100,000 artists, and check memory and response times
	$(BIN)/pytest -m hostile -p no:cacheprovider tests/hostile

hostile-small: $(VENV)/dev.stamp  ## the same over 2,000 artists, without checks of time
	RIYL_HOSTILE_SMALL=1 $(BIN)/pytest -m hostile -p no:cacheprovider tests/hostile

# only you can enter the folder; the containers' users can read the file
secrets: secrets/postgres_password  ## make a password for docker compose's database
	grep -qs '^RIYL_SECRETS=' .env || echo 'RIYL_SECRETS=./secrets' >> .env

secrets/postgres_password:
	mkdir -p -m 700 secrets
	head -c 24 /dev/urandom | base64 > $@
	chmod 644 $@

clean:  ## remove .venv
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("RIYL needs Python 3.11 or newer; found " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

$(VENV)/train.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL_TORCH)
	$(INSTALL) -e '.[train]'
	touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL_TORCH)
	$(INSTALL) -e '.[dev]'
	touch $@ $(VENV)/train.stamp

$(VENV)/docs.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[docs]'
	touch $@

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{printf "%-14s %s\n", $$1, $$2}'
