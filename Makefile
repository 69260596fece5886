# Every target sets up what it needs by itself, once.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := $(CURDIR)/.venv/bin
READY := .venv/ready
UV := $(BIN)/uv pip install --quiet --python .venv --no-deps
export PATH := $(BIN):$(PATH)
# Tests run side by side, so a thread without work leaves its core to other processes.
export OMP_WAIT_POLICY := PASSIVE
# uv installs modules uncompiled. Python compiles each module at its first import, and may store the result.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help repro explore tune verify lab hooks docs docs-serve spark sequence readme readme-text lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

repro: $(READY) ## make the data, run the pipeline, print the comparison
	@mlproj data
	@mlproj repro
	@mlproj report

explore: $(READY) ## run the notebooks of nbs/explore again, on what `make repro` made
	@git ls-files 'nbs/explore/*.ipynb' | xargs basename --multiple --suffix .ipynb | tac | xargs -P 2 -n 1 mlproj explore

tune: $(READY) ## search for better parameters of the model named under tune in params.yaml; stop it and go on as you like
	@mlproj data
	@mlproj tune

verify: $(READY) ## make everything anew in a clean clone of the last commit, and compare each output
	@mlproj verify --clone || [ $$? -eq 3 ] # equal in figures

lab: hooks ## open JupyterLab on the page that says where to begin
	@JUPYTER_PREFER_ENV_PATH=1 JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter" IPYTHONDIR="$(CURDIR)/.jupyter/ipython" \
		jupyter lab --ServerApp.root_dir="$(CURDIR)" nbs/explore/00_start.ipynb

hooks: $(READY) ## merge and show notebooks cell by cell, in this clone's git
	@git config merge.notebook.name "notebooks, cell by cell"
	@git config merge.notebook.driver 'if test -x "$(BIN)/nbdev-merge"; then "$(BIN)/nbdev-merge" %O %A %B %P; else git merge-file %A %O %B; fi'
	@git config diff.notebook.command 'show() { if test -x "$(BIN)/nbdev-diff-driver"; then "$(BIN)/nbdev-diff-driver" "$$@"; else diff -u "$$2" "$$5" || true; fi; }; show'

docs: $(READY) ## make the site, _docs/, from what `make repro` left
	@python docs/site/build.py
	@echo "The site is in _docs/: open _docs/index.html, or look at it with \`make docs-serve\`"

docs-serve: docs ## show the site on http://127.0.0.1:8000
	@python -m http.server --bind 127.0.0.1 --directory _docs 8000

spark: .venv/spark ## install PySpark, for `backend = spark` in settings.ini; it needs Java 17

.venv/spark: requirements-spark.lock $(READY)
	@echo "Installing PySpark, 430 MB …" >&2
	@$(UV) --require-hashes -r requirements-spark.lock
	@touch .venv/spark

sequence: .venv/sequence ## train the sequence model, with PyTorch; the next `make repro` shows its figures
	@mlproj data
	@dvc repro pipelines/sequence/dvc.yaml

# PyTorch's own index has builds without CUDA, a tenth of the size. PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL tells pip where that index is.
.venv/sequence: requirements-sequence.lock $(READY)
	@echo "Installing PyTorch, 750 MB …" >&2
	@python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes \
		-r requirements-sequence.lock
	@touch .venv/sequence

readme: $(READY) ## remake README.md from nbs/index.ipynb
	@$(MAKE) --silent readme-text > README.new && mv README.new README.md

# The notebook stands in a folder below README.md, so its relative links are rewritten.
readme-text: $(READY)
	@set -o pipefail; jupyter nbconvert --execute --to markdown --no-input --stdout --log-level ERROR nbs/index.ipynb \
		| sed -E 's@\]\((api|explore|pipeline)@](nbs/\1@g; s@\]\(\.\./@](@g'

# uv chooses versions for Python 3.11. The lock then takes the same versions for every later Python and every system; by itself uv would
# choose other versions for each Python. Two packages are left out: NCCL, half a gigabyte, is for several GPUs at once, and rfc3987-syntax
# adds a second to every start, for checks that the project does not need.
COMPILE := uv pip compile --quiet --upgrade --python-version 3.11 --extra dev --generate-hashes --no-header --no-annotate \
	--no-emit-package nvidia-nccl-cu12 --no-emit-package rfc3987-syntax pyproject.toml
lock: $(READY) ## remake requirements.lock from pyproject.toml
	@$(COMPILE) --output-file .venv/python311.lock
	@$(COMPILE) --universal --constraint .venv/python311.lock --output-file requirements.lock
	@$(COMPILE) --extra spark --constraint requirements.lock --output-file requirements-spark.lock \
		$$(sed -nE 's/^([a-z0-9-]+)==.*/--no-emit-package \1/p' requirements.lock)
	@$(COMPILE) --extra sequence --constraint requirements.lock --output-file requirements-sequence.lock \
		$$(sed -nE 's/^([a-z0-9-]+)==.*/--no-emit-package \1/p' requirements.lock)
	@$(MAKE) --silent $(READY)
	@mlproj environment

# pip installs uv and setuptools from the lock, then uv installs the rest, because uv fetches and unpacks several packages at once.
# setuptools builds the packages that come as source alone. Without it uv would fetch a version of setuptools that the lock does not name.
# The stamp is made last, so that `make` repeats an installation that was interrupted.
$(READY): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: install it, or name it as in: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON); the first time takes a minute …" >&2
	@$(PYTHON) -m venv .venv
	@sed -nE '/^(setuptools|uv)==/,/[^\\]$$/p' requirements.lock > .venv/first.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/first.lock
	@$(UV) --no-build-isolation --require-hashes -r requirements.lock
	@$(UV) --no-build-isolation --editable .
	@touch $(READY)

# Targets for those who develop the library. A project of `mlproj new` does not have them.
-include .ci/library.mk
