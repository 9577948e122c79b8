# make demo    set everything up and score some hundred rollouts over gRPC
# make test    set everything up and run all tests
# make test-vllm  make an environment with a real vLLM and test against it
# make check   lint, types, import rules, contract, generated code, manifests
.PHONY: help setup demo test test-vllm check lint types imports protos protos-check manifests format clean

VENV := .venv
BIN := $(VENV)/bin
BUF := .tools/buf/node_modules/.bin/buf
export MYPYPATH := verifiers

help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV)
	@touch $@

demo: setup
	$(BIN)/rewardsvc demo

test: setup
	$(BIN)/python -m pytest $(PYTEST_ARGUMENTS)

test-vllm: setup
	scripts/setup-vllm.sh .venv-vllm
	RUN_VLLM=1 $(BIN)/python -m pytest tests/vllm $(PYTEST_ARGUMENTS)

check: lint types imports protos-check manifests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos:
	protos/generate.sh

protos-check: $(BUF)
	protos/generate.sh --check
	$(BUF) lint

$(BUF):
	@command -v npm >/dev/null || { echo "buf lint needs npm (Debian: apt-get install npm)" >&2; exit 1; }
	npm install --silent --no-audit --no-fund --prefix .tools/buf @bufbuild/buf@1.75.0

manifests: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" deploy/check.sh

clean:
	rm -rf $(VENV) .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis
