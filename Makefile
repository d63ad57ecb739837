# Needs make and any Python from 3.11 to 3.14. install.mk installs everything else, on first use, inside this folder.

.DEFAULT_GOAL := help
include install.mk

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' Makefile

install: $(PROJECT) $(EMULATOR) ## Install what the local stack needs (every target does it for itself)

demo: $(PROJECT) $(EMULATOR) ## Photos through the whole pipeline to a contact sheet; PHOTOS=folder OUT=folder
	@$(DARKROOM) demo $${PHOTOS:+--photos "$$PHOTOS"} $${OUT:+--out "$$OUT"}

test: $(PROJECT) $(EMULATOR) $(SAM_CLI) $(CHECKOV) $(NODE) ## All tests; ARGS="-k name" for some
	@processors=$$(getconf _NPROCESSORS_ONLN); \
	$(PYTHON) -m pytest -n $$((processors + 1)) --maxprocesses 4 --dist loadfile $(ARGS)  # tests of the local stack mostly wait

check: $(PROJECT) $(SAM_CLI) $(CHECKOV) $(ZIZMOR) ## Style, types, recipes, templates, house rules, state machine, workflows
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/cfn-lint template.yaml deploy/deployer.yaml
	.darkroom/tools/zizmor/bin/zizmor --offline --pedantic --strict-collection --no-progress .github
	$(NO_AWS) $(SAM) validate --lint
	$(PYTHON) -m statemachine.check
	$(RECIPES)
	$(PYTHON) -m pytest --quiet tests/template

format: $(PROJECT) ## Fix what ruff can fix, and format the code
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

up: $(PROJECT) $(EMULATOR) ## Start the local stack, or update the running one
	@$(DARKROOM) up $(ARGS)

down: $(PROJECT) ## End the local stack
	@$(DARKROOM) down

invoke: $(PROJECT) $(EMULATOR) ## Run one function of the local stack: FUNCTION=ValidateFunction EVENT=events/validate.json
	@test -n "$$FUNCTION" || { echo 'make invoke: name the function: FUNCTION=ValidateFunction' >&2; exit 1; }
	@$(DARKROOM) invoke "$$FUNCTION" $${EVENT:+--event "$$EVENT"}

build: $(PROJECT) $(SAM_CLI) ## Build for AWS
	@$(RECIPES)
	@PATH="$(CURDIR)/.venv/bin:$$PATH"; python3.13 -c '' 2>/dev/null || { \
	  echo 'make build: sam build needs python3.13 on PATH, the functions'\'' runtime: install Python 3.13' >&2; exit 1; }; \
	$(SAM) build $(ARGS)
	@$(PYTHON) -m deploy.built mark

deploy: $(PROJECT) $(SAM_CLI) ## Deploy what was built to your AWS account; ARGS="--guided" asks for the parameters
	@$(PYTHON) -m deploy.built check $(ARGS)
	$(SAM) deploy $(ARGS)

soak: $(PROJECT) $(EMULATOR) ## Measure delivery under injected faults, in under 30 minutes; ARGS="--seed 2"
	@$(PYTHON) -m tests.soak $(ARGS)

fuzz: $(PROJECT) ## Bad input by the thousand, in minutes; ARGS="--seed 2 --mutants 2000"
	@PYTHONPATH=functions:. $(PYTHON) -m tests.hostile $(ARGS)

simulate: $(PROJECT) ## Histories by the thousand on simulated services, in ten minutes; ARGS="--histories 2000 --seed 7"
	@$(PYTHON) -m tests.simulation $(ARGS)

bench: $(PROJECT) $(BENCH) ## This engine beside sharp, libvips and naive Pillow, in ten minutes
	@PYTHONPATH=functions:. $(PYTHON) -m bench

tune: $(PROJECT) $(EMULATOR) ## What each function takes with 1 to 4 processors, and the way of one image, in minutes
	@PYTHONPATH=functions:. $(PYTHON) -m bench.tune

cost: $(PROJECT) $(EMULATOR) ## What a million photos cost, counted; rewrites the tables, in five minutes; ARGS="--dry-run"
	@PYTHONPATH=functions:. $(PYTHON) -m bench.cost $(ARGS)

picture: demo ## Make README's picture from the demo's contact sheet; needs Chromium
	$(CHROMIUM) --headless --hide-scrollbars --window-size=1280,610 --screenshot=out/index.png out/index.html
	$(PYTHON) -c 'from PIL import Image; Image.open("out/index.png").convert("RGB").save("docs/contact-sheet.jpg", quality=82)'

clean: ## End all local stacks, and remove what was installed and built (not out/)
	@for lock in .darkroom/*/lock; do \
	  name=$${lock%/lock}; test ! -e "$$lock" || $(DARKROOM) --stack "$${name#.darkroom/}" down || true; done  # it fails without a working .venv
	rm -rf .venv .darkroom .aws-sam .mypy_cache .ruff_cache .pytest_cache

.PHONY: help install demo test check format up down invoke build deploy soak fuzz simulate bench tune cost picture clean

# ------------------------------------------------------------------------------------ used by the targets

DARKROOM := bin/darkroom
CHROMIUM := chromium
SAM := .darkroom/tools/sam/bin/sam
# A wrong recipes.json must not be deployed: no function that reads it could start.
RECIPES := PYTHONPATH=functions $(PYTHON) -m pipeline.recipes
# For programs that read only the template: they ask for credentials and a region, and use neither.
NO_AWS := AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ACCESS_KEY_ID=none \
  AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

export SAM_CLI_TELEMETRY := 0
