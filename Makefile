# Two doors for a newcomer: `make study` and `make test`. Both set everything up when it is missing.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# With -c, pip installs exactly the versions that the tests ran with. It would compile all packages on a single core.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile -c constraints.txt
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal
INSTALLED := $(VENV)/.installed
INSTALLED_DOCS := $(VENV)/.installed-docs
EXTRAS ?= all,dev
# For `make flagship` and `make study-large`: the development data, the folder of collected photographs, and the device to train on.
SHARED ?= $(firstword $(wildcard ../shared/data shared/data) ../shared/data)
COLLECTED ?= ../photos/more
DEVICE ?= cpu
CORE ?= 1
APP := web/app

.DEFAULT_GOAL := help
.PHONY: help install study lint test check fuzz format docs results site site-check app app-check bench verify flagship \
	study-large release clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

install: $(INSTALLED)  ## create .venv with everything for training and tests

$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing into $(VENV) (about 2 GB, a few minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[$(EXTRAS)]'
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true  # some packages come with examples of bad syntax
	@touch $@

study: $(INSTALLED)  ## compare five objectives on the built-in photos; the report is runs/quick/report/report.html
	$(BIN)/chromalab compare run quick --out runs/quick

lint: $(INSTALLED)  ## check style, types, layers and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers auto || $(BIN)/mypy  # on a busy machine the workers give up after 3 s
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell src tests tools docs *.md

test: lint  ## run every test
	$(PYTEST) --durations=10 $(PYTEST_ARGS)

coverage: $(INSTALLED)  ## run every test and list the lines that none executes (half as long again as the tests alone)
	$(PYTEST) --cov --cov-report=term:skip-covered

check: lint  ## run the quick checks: style, types, layers, quick tests (under 90 s)
	$(PYTEST) -q -m "not slow"

fuzz: $(INSTALLED)  ## mutate photo files at random for MINUTES=10 and save those that chromalab treats wrongly in runs/fuzz
	$(BIN)/python -m tests.fuzz.main $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FUZZ),--out $(FUZZ))

format: $(INSTALLED)  ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)  ## regenerate the pages of docs/reference
	$(BIN)/python -m tools.pages.generate

site: $(INSTALLED_DOCS) app  ## build the documentation and the app in site/, for any static web server (needs Node)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

site-check: $(INSTALLED) $(INSTALLED_DOCS)  ## build the documentation elsewhere and check it (under a minute)
	$(BIN)/python -m pytest -q tests/site

$(INSTALLED_DOCS): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[docs]'
	@touch $@

results: $(INSTALLED)  ## regenerate all pages and figures from their records (PHOTOS=FOLDER: also a grid of your photos)
	$(BIN)/python -m tools.pages.generate
	$(BIN)/python -m tools.pages.figures
	$(BIN)/python -m tools.pages.grids $(if $(PHOTOS),--photos $(PHOTOS) --out runs/model_grid.jpg)

bench: $(INSTALLED) app  ## measure speed and memory of PHOTOS=FOLDER (minutes; leave the machine idle)
	$(BIN)/python -m tools.benchmarks.training
	$(BIN)/python -m tools.benchmarks.memory $(PHOTOS)
	$(BIN)/python -m tools.benchmarks.coverage
	$(BIN)/python -m tools.benchmarks.losses
	$(BIN)/python -m tools.benchmarks.survey
	$(BIN)/python -m tools.benchmarks.colorize $(if $(PHOTOS),--photos $(PHOTOS))
	$(BIN)/python -m tools.benchmarks.app

verify: $(INSTALLED)  ## colorize 2,000 mixed photographs of PHOTOS=FOLDER, and verify every output with a second decoder
	$(BIN)/python -m tools.benchmarks.outputs --photos $(or $(PHOTOS),$(COLLECTED)) \
		--cases $(dir $(SHARED))cases/make_cases.py --json results/benchmarks/outputs.json

flagship: $(INSTALLED)  ## start or resume the first training of the default model (DEVICE=cuda MINUTES=10: on a GPU)
	$(BIN)/python -m tools.release.flagship --shared $(SHARED) --collected $(COLLECTED) --device $(DEVICE) --core $(CORE) \
		$(if $(FLAGSHIP),--out $(FLAGSHIP)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(IMAGES),--images $(IMAGES))

study-large: $(INSTALLED)  ## start or resume the confirming study of results/objective/large (AT_ONCE=2: two trainings at once)
	$(BIN)/python -m tools.release.large --shared $(SHARED) --collected $(COLLECTED) --core $(CORE) \
		$(if $(AT_ONCE),--at-once $(AT_ONCE)) $(if $(LARGE),--out $(LARGE))

app: $(APP)/node_modules  ## build the app that colorizes in the browser, in web/app/dist (needs Node 20 or newer)
	cd $(APP) && npm run build

app-check: $(INSTALLED) app  ## test the app: against the Python code, and in Chromium
	$(BIN)/python $(APP)/tests/make_expected.py --samples $(APP)/build/samples
	cd $(APP) && npm test
	$(BIN)/python -m pytest -q -n 0 -p no:cacheprovider $(APP)/tests

$(APP)/node_modules: $(APP)/package-lock.json
	@command -v npm >/dev/null || { echo "install Node 20 or newer, with npm" >&2; exit 2; }
	cd $(APP) && npm ci --ignore-scripts
	@touch $@

release: $(INSTALLED) app  ## build the wheel in dist/, check it, and use it in a clean environment (needs Node; minutes)
	$(INSTALL) --editable '.[release]'
	$(BIN)/python -m tools.release.rehearse

clean:  ## remove the environment, caches and site/, keep runs
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage site
