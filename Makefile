# Every target works from a fresh clone: it makes .venv and installs mbench with the tested versions first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RESULTS ?= results
BASE ?= HEAD
SUBMITTED := tiny tiny-dual random constant text-only:tiny image-only:tiny

CHROMIUM ?= $(or $(shell command -v chromium || command -v google-chrome),/usr/bin/chromium)
AXE := build/browser/node_modules/axe-core/axe.min.js
OPEN_CLIP_VENV ?= build/open-clip

.PHONY: help install demo test test-open-clip lint site submissions check-submissions take-submissions bench emoji-data train-tiny clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(STAMP) ## evaluate the two embedded models on the emoji suite and build the site
	$(BIN)/mbench run -m tiny,tiny-dual -t emoji -o $(RESULTS)
	$(BIN)/mbench leaderboard build --results $(RESULTS) -o leaderboard/site
	@echo "Open leaderboard/site/index.html in a browser; the numbers are in $(RESULTS)/."

test: $(STAMP) lint $(AXE) ## style, types, layers and the tests; those of the site need Chromium, which root gets by apt-get
	test -x "$(CHROMIUM)" || ! command -v apt-get >/dev/null || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null; }
	MBENCH_CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -n auto

# Without it the tests for accessibility are skipped with the reason, and fail in CI.
$(AXE):
	npm install --silent --no-audit --no-fund --prefix build/browser axe-core@4.14.1 || echo "axe-core could not be installed"

# torchvision goes with one build of torch, and breaks transformers beside another one: never in $(VENV).
$(OPEN_CLIP_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(OPEN_CLIP_VENV)
	$(OPEN_CLIP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1
	grep -v '^torch==' constraints.txt > $(OPEN_CLIP_VENV)/constraints.txt
	$(OPEN_CLIP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(OPEN_CLIP_VENV)/constraints.txt \
		open_clip_torch==3.3.0 -e ".[open-clip]" hypothesis pytest pytest-timeout
	touch $@

test-open-clip: $(OPEN_CLIP_VENV)/.installed ## the tests of open_clip, in an environment of its own (5.8 GB)
	$(OPEN_CLIP_VENV)/bin/python -m pytest -m open_clip tests/models/test_open_clip.py tests/models/test_open_clip_checkpoint.py

lint: $(STAMP) ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(STAMP) ## make .venv

site: $(STAMP) ## rebuild the site from results/ and submissions/
	$(BIN)/mbench leaderboard build -o leaderboard/site

submissions: $(STAMP) ## evaluate the embedded models and baselines on the emoji suite again, into submissions/
	for model in $(SUBMITTED); do $(BIN)/mbench run -q -m $$model -t emoji -o build/submitted --no-cache --overwrite || exit 1; done
	for model in $(SUBMITTED); do $(BIN)/mbench submit pack $$model --results build/submitted || exit 1; done
	$(BIN)/mbench submit check submissions

# The memory bound is for files that lie about their size (in KiB; not every system has one).
check-submissions: $(STAMP) ## check what differs in submissions/ from the commit BASE
	ulimit -v 12000000 || true; $(BIN)/mbench submit check submissions --base "$(BASE)"

take-submissions: ## put the submissions of another checkout (FROM) in place of those here
	test -n "$(FROM)" -a -d "$(FROM)" -a ! -L "$(FROM)/submissions"
	rm -rf submissions && mkdir submissions
	if [ -d "$(FROM)/submissions" ]; then rm -r submissions && mv "$(FROM)/submissions" submissions; fi
	rm -rf "$(FROM)"

bench: $(STAMP) ## measure speed against the alternatives: one JSON line a figure, then the table of docs/benchmarks.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	mkdir -p build && rm -f build/bench.jsonl build/bench.failed
	for part in encode board metrics paired search warm "mbeir_pool make build/mbeir" "mbeir_pool measure build/mbeir"; do \
		set -- $$part; name=$$1; shift; { $(BIN)/python benchmark/bench/$$name.py "$$@" || echo "$$part" >> build/bench.failed; } | \
		tee -a build/bench.jsonl; done
	$(BIN)/python benchmark/bench/table.py build/bench.jsonl
	! test -e build/bench.failed || { echo "Failed, so without all figures:"; cat build/bench.failed; exit 1; }

emoji-data: $(STAMP) ## maintainers: rebuild the emoji data from the pinned packages
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[data]"
	$(BIN)/python -m tools.emoji.build --out tasks/emoji/data --cache build/emoji
	$(BIN)/python -m tools.emoji.pin

train-tiny: $(STAMP) ## maintainers: train the embedded models again
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[data]"
	$(BIN)/python -m tools.tiny.train

clean: ## remove what was built
	rm -rf $(VENV) build dist leaderboard/site
