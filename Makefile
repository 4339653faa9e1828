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

.PHONY: demo test test-all lint bench bench-small hostile hostile-small secrets clean

demo: $(VENV)/train.stamp
	$(BIN)/riyl demo $(if $(DATA),"$(DATA)")

test: lint
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m "not slow and not postgres and not browser and not clients and not bench and not hostile"

test-all: $(VENV)/dev.stamp
	$(BIN)/pytest -m "(slow or postgres or browser or clients) and not bench and not hostile"
	$(MAKE) hostile-small

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp
	$(BIN)/pytest -m bench -p no:cacheprovider tests/benchmarks

# every benchmark at a tiny size: whether each still runs and produces its figures
bench-small: $(VENV)/dev.stamp
	RIYL_BENCH_SMALL=1 $(BIN)/pytest -m bench -p no:cacheprovider tests/benchmarks

# bounded attacks on a real service: what each takes, and whether it is within the bounds
hostile: $(VENV)/dev.stamp
	$(BIN)/pytest -m hostile -p no:cacheprovider tests/hostile

# the same with few artists, held to nothing that depends on time
hostile-small: $(VENV)/dev.stamp
	RIYL_HOSTILE_SMALL=1 $(BIN)/pytest -m hostile -p no:cacheprovider tests/hostile

# a password for docker compose's database; the folder is yours alone, the file is read by the containers' users
secrets: secrets/postgres_password
	grep -qs '^RIYL_SECRETS=' .env || echo 'RIYL_SECRETS=./secrets' >> .env

secrets/postgres_password:
	mkdir -p -m 700 secrets
	head -c 24 /dev/urandom | base64 > $@
	chmod 644 $@

clean:
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
