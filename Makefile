# Every target makes what it needs in .venv, once; all it asks of the machine is Python 3.11 or newer.

SHELL := /bin/bash
BIN := .venv/bin
# Changes when the dependencies may have changed; it lives inside .venv so that both go together.
INSTALLED := .venv/.installed
# The real programs that tests run, as Debian packages.
PROGRAMS := borgbackup chromium curl fonts-liberation influxdb nginx wget
# While this file says so, Debian starts no service that it installs: tests start their own, on ports of their own.
POLICY := /usr/sbin/policy-rc.d

# Grafana's types, against which the generated dashboards are checked.
TYPES := tests/typecheck/node_modules/.package-lock.json

.PHONY: help serve test check fmt bench programs

help:
	@echo "make serve   start Lastbeat on http://127.0.0.1:8000, with everything it keeps in data/"
	@echo "make check   lint, formatting and types"
	@echo "make test    every test: units, then the real server, then the browser"
	@echo "make fmt     format the code, and mend what the linter can"
	@echo "make bench   measure this machine, and record it in bench/"

serve: $(INSTALLED)
	@exec $(BIN)/lastbeat serve --data-dir data

test: $(INSTALLED) programs $(TYPES)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: $(INSTALLED)
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

bench: $(INSTALLED)
	$(BIN)/python -m bench

$(INSTALLED): setup.cfg pyproject.toml
	@if ! $(BIN)/python -c "" 2>/dev/null; then \
	  for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    "$$python" -c "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && break || python=; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "Lastbeat needs Python 3.11 or newer with its venv module, and found none. On Debian: apt install python3-venv." >&2; \
	    echo "Where it has another name: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "Setting up .venv with $$("$$python" --version) (once; it takes a minute)"; \
	  "$$python" -m venv --clear .venv; \
	fi
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[dev]"
	@touch $@

# Without root, or away from Debian, the tests that need a missing program say so and are skipped.
programs:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=; \
	  for program in $(PROGRAMS); do \
	    dpkg-query --show --showformat='$${Status}' "$$program" 2>/dev/null | grep -q "install ok installed" || missing="$$missing $$program"; \
	  done; \
	  if [ -n "$$missing" ]; then \
	    echo "Installing$$missing"; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    if [ ! -e $(POLICY) ]; then \
	      trap 'rm -f $(POLICY)' EXIT; \
	      printf '#!/bin/sh\nexit 101\n' > $(POLICY) && chmod +x $(POLICY); \
	    fi; \
	    apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends $$missing \
	      || echo "Could not install$$missing: tests that need them are skipped." >&2; \
	    for service in influxdb nginx; do \
	      [[ "$$missing " != *" $$service "* ]] || systemctl disable --quiet $$service 2>/dev/null || true; \
	    done; \
	  fi; \
	fi

$(TYPES): tests/typecheck/package-lock.json
	@if command -v npm >/dev/null; then \
	  for pause in 5 15 0; do \
	    npm --prefix $(dir $<) ci --no-audit --no-fund --loglevel=error && touch $@ && break || sleep $$pause; \
	  done; \
	  [ -e $@ ] || echo "Could not install Grafana's types: the tests that need them are skipped." >&2; \
	fi
