# Every target sets up what it needs: Python 3.11, make and a C compiler are all that has to be there.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
IS_311 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell $(name) -c '$(IS_311)' 2>/dev/null && command -v $(name))))
EXTRAS ?= dev,games
PORT   ?= 5000

export UV_HTTP_TIMEOUT ?= 300
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1
# Ray starts many processes, and without bytecode each would compile what it imports again, for seven seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test quick soak cluster-test gpu ui lint audit install clean

help:
	@echo "make demo    run the study vmf_vs_mdn on the built-in control world and print its verdict"
	@echo "make test    run the tests (ARGS='-k name' selects some)"
	@echo "make quick   run those that need no Ray and take no more than some seconds, in about a minute and a half"
	@echo "make soak    run what needs root or minutes: full disks, killed processes; in under half an hour"
	@echo "make cluster-test  bring up cluster.yaml against a cloud on this machine and lose a machine; needs root"
	@echo "make gpu     run the tests and benchmarks of a GPU, and write down what they gave"
	@echo "make ui      serve the MLflow UI on http://127.0.0.1:$(PORT)"
	@echo "make lint    run ruff, its formatter's check, mypy and the import contracts"
	@echo "make audit   compare the pinned packages with the advisories of osv.dev, which needs a network"
	@echo "make clean   remove .venv and caches; results stay"

demo: $(STAMP)
	@$(BIN)/python -m orchestrator.sweep vmf_vs_mdn --trials 2 --no-ablation --no-diagnosis

# Files are shared out between two processes, each of which starts one Ray for all of its tests.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 8

test: $(STAMP)
	@$(PYTEST) $(ARGS)

quick: $(STAMP)
	@$(PYTEST) -m "not ray and not slow and not soak" $(ARGS)

soak: $(STAMP)
	@$(PYTEST) -m "soak and not cluster" $(ARGS)
	@$(BIN)/python -m benchmarks.kills --kills 1 --sweep "vmf_vs_mdn --smoke"

# What plays the laptop and AWS has an environment of its own: boto3 and moto are no part of the project's. Without a
# network the test is skipped, and says why.
LAB := $(VENV)-lab
cluster-test: $(STAMP)
	@test $(LAB)/wheels -nt constraints.txt || { $(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LAB) && \
	  $(BIN)/uv pip install --quiet --python $(LAB)/bin/python -c constraints.txt uv -e '.[aws]' 'moto[ec2,iam,server]>=5.2,<6' && \
	  $(BIN)/python -m pip download --quiet --no-deps -d $(LAB)/wheels "$$(grep ^uv== constraints.txt)"; } || true
	@CLUSTER_LAB_VENV=$(abspath $(LAB)) $(BIN)/python -m pytest -m cluster -rs $(ARGS) tests/cluster_lab

gpu: $(STAMP)
	@$(BIN)/python -m benchmarks.gpu

ui: $(STAMP)
	@$(BIN)/mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --host 127.0.0.1 --port $(PORT)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# In an environment of its own, since it pins packages that are needed here in other versions. The advisories that are
# ignored are named in docs/security.md, with the reason.
IGNORED := CVE-2026-24747 CVE-2026-1839 CVE-2026-4538
audit: $(STAMP)
	@test -x $(VENV)-audit/bin/pip-audit || { $(BIN)/python -m venv $(VENV)-audit && \
	  $(VENV)-audit/bin/python -m pip install --quiet 'pip-audit>=2.10,<3'; }
	@$(BIN)/python -c "import urllib.request as u; u.urlopen('https://api.osv.dev/v1/vulns/CVE-2026-24747', timeout=20)" \
	  2>/dev/null || { echo "api.osv.dev, which knows the advisories, does not answer: nothing was checked." >&2; exit 2; }
	@$(VENV)-audit/bin/pip-audit -s osv -r constraints.txt --no-deps --disable-pip --progress-spinner off \
	  $(foreach id,$(IGNORED),--ignore-vuln $(id))

install: $(STAMP)

# The stamp is newer than what it was installed from, so a second run starts at once.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '$(IS_311)' 2>/dev/null; then \
	  "$(PYTHON)" -c '$(IS_311)' 2>/dev/null || { \
	    echo "Python 3.11 was not found: install it, or name it with 'make PYTHON=/path/to/python3.11'." >&2; exit 2; }; \
	  "$(PYTHON)" -m venv --clear $(VENV); \
	fi
	@echo "Installing into $(VENV): some 170 packages and 8 GB, in one to five minutes."
	@if $(BIN)/python -m pip install --quiet -c constraints.txt uv; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(EXTRAS)]' && { \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(EXTRAS),world]' || \
	    echo "Without the representation world: it is built here, and that needs a C++ compiler." >&2; }; \
	else \
	  echo "uv cannot be installed here: going on with pip, which takes longer."; \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]' && { \
	    $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS),world]' || \
	    echo "Without the representation world: it is built here, and that needs a C++ compiler." >&2; }; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-audit $(LAB) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
