# The two commands: `make demo` and `make test`. `make install` alone creates .venv with the wonlost command in it.
SHELL := /bin/bash
export OMP_WAIT_POLICY ?= passive

.PHONY: lock
lock:  ## pin every dependency with its hashes, without naming a registry
	.venv/bin/pip install --quiet uv
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
