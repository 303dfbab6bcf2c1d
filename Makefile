# Every target works from a fresh clone: it makes .venv and installs mbench with the tested versions first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RESULTS ?= results

OPEN_CLIP_VENV ?= build/open-clip

.PHONY: help demo test test-open-clip lint site bench emoji-data train-tiny clean

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

test: $(STAMP) lint ## style, types, layers and the tests
	$(BIN)/python -m pytest -n auto

# torchvision goes with one build of torch, and breaks transformers beside another one: never in $(VENV).
$(OPEN_CLIP_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(OPEN_CLIP_VENV)
	$(OPEN_CLIP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1
	grep -v '^torch==' constraints.txt > $(OPEN_CLIP_VENV)/constraints.txt
	$(OPEN_CLIP_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(OPEN_CLIP_VENV)/constraints.txt \
		open_clip_torch==3.3.0 -e ".[open-clip]" hypothesis pytest pytest-timeout
	touch $@

test-open-clip: $(OPEN_CLIP_VENV)/.installed ## the tests of open_clip, in an environment of its own (5.8 GB)
	$(OPEN_CLIP_VENV)/bin/python -m pytest -m open_clip tests/models/test_open_clip.py

lint: $(STAMP) ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

site: $(STAMP) ## rebuild the site from results/ and submissions/
	$(BIN)/mbench leaderboard build -o leaderboard/site

bench: $(STAMP) ## measure speed against the alternatives; one JSON line a figure
	$(BIN)/python benchmark/bench/metrics.py
	$(BIN)/python benchmark/bench/search.py
	$(BIN)/python benchmark/bench/mbeir_pool.py make build/mbeir
	$(BIN)/python benchmark/bench/mbeir_pool.py measure build/mbeir

emoji-data: $(STAMP) ## maintainers: rebuild the emoji data from the pinned packages
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[data]"
	$(BIN)/python -m tools.emoji.build --out tasks/emoji/data --cache build/emoji
	$(BIN)/python -m tools.emoji.pin

train-tiny: $(STAMP) ## maintainers: train the embedded models again
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[data]"
	$(BIN)/python -m tools.tiny.train

clean: ## remove what was built
	rm -rf $(VENV) build dist leaderboard/site
