# Needs make and any Python from 3.11 to 3.14. Everything is installed inside this folder, on first use:
# the project into .venv, the programs that cannot share its environment into .darkroom/tools.

UV := uv==0.13.8
PYTHON := .venv/bin/python
DARKROOM := bin/darkroom
# A wrong recipes.json is told before it is deployed: no function that needs it could even start.
RECIPES := PYTHONPATH=functions $(PYTHON) -m pipeline.recipes
SAM := .darkroom/tools/sam/bin/sam
PROJECT := .venv/.installed
SHARP := sharp@0.35.5
EMULATOR := .darkroom/tools/ministack/.installed
SAM_CLI := .darkroom/tools/sam/.installed
CHECKOV := .darkroom/tools/checkov/.installed
BENCH := .darkroom/tools/bench/.installed

export SAM_CLI_TELEMETRY := 0
# For what looks at the template only: it asks for credentials and a region, and uses neither.
NO_AWS := AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ACCESS_KEY_ID=none \
  AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

.PHONY: help install demo test soak fuzz bench check up down invoke build deploy clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' Makefile

install: $(PROJECT) $(EMULATOR) ## Install what the local stack needs (every target does it for itself)

demo: $(PROJECT) $(EMULATOR) ## Photos through the whole pipeline to a contact sheet; PHOTOS=folder OUT=folder
	@$(DARKROOM) demo $${PHOTOS:+--photos "$$PHOTOS"} $${OUT:+--out "$$OUT"}

test: $(PROJECT) $(EMULATOR) $(SAM_CLI) $(CHECKOV) ## All tests; ARGS="-k name" for some
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

soak: $(PROJECT) $(EMULATOR) ## Delivery and faults in figures, under 30 minutes; ARGS="--seed 2"
	@$(PYTHON) -m tests.soak $(ARGS)

check: $(PROJECT) $(SAM_CLI) $(CHECKOV) ## Style, types, recipes, template, its house rules and state machine
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/cfn-lint template.yaml
	$(NO_AWS) $(SAM) validate --lint
	$(PYTHON) -m statemachine.check
	$(RECIPES)
	$(PYTHON) -m pytest --quiet tests/template

up: $(PROJECT) $(EMULATOR) ## Start the local stack, or update the running one
	@$(DARKROOM) up $(ARGS)

down: $(PROJECT) ## End the local stack
	@$(DARKROOM) down

invoke: $(PROJECT) $(EMULATOR) ## Run one function of the local stack: FUNCTION=ValidateFunction EVENT=events/validate.json
	@test -n "$$FUNCTION" || { echo 'make invoke: say which, as FUNCTION=ValidateFunction' >&2; exit 1; }
	@$(DARKROOM) invoke "$$FUNCTION" $${EVENT:+--event "$$EVENT"}

build: $(PROJECT) $(SAM_CLI) ## Build for AWS
	@$(RECIPES)
	@PATH="$(CURDIR)/.venv/bin:$$PATH"; python3.13 -c '' 2>/dev/null || { \
	  echo 'make build: sam build needs python3.13 on PATH, the functions'\'' runtime: install Python 3.13' >&2; exit 1; }; \
	$(SAM) build $(ARGS)

deploy: $(SAM_CLI) ## Deploy what was built to your AWS account; ARGS="--guided" asks for the parameters
	$(SAM) deploy $(ARGS)

fuzz: $(PROJECT) ## Bad input by the thousand, in minutes; ARGS="--seed 2 --mutants 2000"
	@PYTHONPATH=functions:. $(PYTHON) -m tests.hostile $(ARGS)

bench: $(PROJECT) $(BENCH) ## This engine beside sharp, libvips and naive Pillow, in ten minutes
	@PYTHONPATH=functions:. $(PYTHON) -m bench

clean: ## End all local stacks, and remove what was installed and built (not out/)
	@for lock in .darkroom/*/lock; do \
	  name=$${lock%/lock}; test ! -e "$$lock" || $(DARKROOM) --stack "$${name#.darkroom/}" down; done
	rm -rf .venv .darkroom .aws-sam .mypy_cache .ruff_cache .pytest_cache

# ------------------------------------------------------------------------------------------ installing

# Prints the path of a Python that works, 3.13 first. Asked for by running it: a pyenv shim may be there and
# answer "command not found", and .python-version may name a version that pyenv does not have.
define FIND_PYTHON
works='import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit(1); print(sys.executable)'
complete='import ensurepip, venv'
incomplete=
for version in 3.13 3.14 3.12 3.11 3 system; do
  for program in "python$${version#system}" "python3"; do
    for pyenv in "$$PYENV_VERSION" "$$version"; do
      path=$$(PYENV_VERSION=$$pyenv $$program -c "$$works" 2>/dev/null) || continue
      if "$$path" -c "$$complete" 2>/dev/null; then echo "$$path"; exit 0; fi
      incomplete=$$path
    done
  done
done
if test -n "$$incomplete"; then
  echo "make: $$incomplete cannot make virtual environments: install its venv package" >&2
  echo "      (Debian, Ubuntu: apt install python3-venv)" >&2
else
  echo "make: Python 3.11, 3.12, 3.13 or 3.14 is needed, and none was found on PATH" >&2
fi
exit 1
endef
export FIND_PYTHON

# uv takes a tenth of pip's time. It does not read pip's configuration, so an index that is configured for pip is
# passed on; if it fails all the same (other mirrors, proxies, certificates), pip itself has the last word.
# $(1): the environment; $(2): what to install.
define INSTALL
index=$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}; \
if test -n "$$index"; then export UV_DEFAULT_INDEX="$$index"; fi; \
.venv/bin/uv pip install --quiet --python $(1)/bin/python $(2) || { \
  $(PYTHON) -m pip install --quiet --upgrade 'pip>=25.1' && \
  $(PYTHON) -m pip --python $(1)/bin/python install --quiet $(2); }
endef

$(PROJECT): functions/requirements.txt pyproject.toml
	@echo 'Installing the project into .venv'
	@python=$$(sh -c "$$FIND_PYTHON") && { .venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv .venv; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(UV)
	@$(call INSTALL,.venv,-r functions/requirements.txt --group pyproject.toml:dev --editable .)
	@touch $@

# Programs that cannot share the project's environment, each in one of its own: pyproject.toml has a group for each.
$(EMULATOR) $(SAM_CLI) $(CHECKOV): .darkroom/tools/%/.installed: pyproject.toml $(PROJECT)
	@echo 'Installing $* into .darkroom/tools/$*'
	@test -x .darkroom/tools/$*/bin/python || $(PYTHON) -m venv --without-pip .darkroom/tools/$*
	@$(call INSTALL,.darkroom/tools/$*,--group pyproject.toml:$*)
	@touch $@

# Without Node.js the bench runs all the same, and says what it could not measure.
$(BENCH): pyproject.toml Makefile $(PROJECT)
	@echo 'Installing the bench'"'"'s peers into .darkroom/tools/bench'
	@test -x .darkroom/tools/bench/bin/python || $(PYTHON) -m venv --without-pip .darkroom/tools/bench
	@$(call INSTALL,.darkroom/tools/bench,--group pyproject.toml:bench)
	@mkdir -p .darkroom/tools/bench/node
	@! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --no-package-lock \
	  --prefix .darkroom/tools/bench/node $(SHARP) || echo 'make bench: sharp could not be installed' >&2
	@touch $@
