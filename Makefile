# make demo: run the main job on a real CT.   make test: all tests.   Both set everything up in .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# a file's tests stay together: they share what is made once; two at a time, since most wait for one core
TESTS ?= -n 2 --dist loadfile

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

$(VENV)/run.stamp: pyproject.toml scripts/make_venv.py
	$(PYTHON) scripts/make_venv.py $(VENV)
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet -e '.[all,test,lint]'
	touch $@

demo: $(VENV)/run.stamp
	$(BIN)/bone-strength-fea demo --overwrite

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/test.stamp
	$(BIN)/python -m pip install --quiet -e '.[bench]'
	$(BIN)/python -m benchmarks.linear

clean:
	rm -rf $(VENV) build demo-output
