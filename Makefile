# refseg_ros: set-up, demo and checks in one environment, .venv/ of this checkout.
# `make` lists the targets. A second run of a finished step does nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PREFIX := $(CURDIR)/$(VENV)
SETUP := $(VENV)/.stamp-setup
INTERFACES := $(VENV)/.stamp-interfaces
MINUTES ?= 10
INTERFACE_FILES := $(wildcard msg/*.msg srv/*.srv action/*.action)
CHECKED := refseg_ros refseg_lab test scripts launch examples setup.py $(wildcard benchmarks)

# Everything runs on .venv/: a sourced ROS workspace would put a second rclpy in front of it.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
export PATH := $(PREFIX)/bin:$(PATH)
export VIRTUAL_ENV := $(PREFIX)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup interfaces demo test fuzz faults lint types clean distclean

help:  ## show this list
	@echo "usage: make TARGET [PYTHON=python3.12] [HEADLESS=1] [PICK=1]"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 14

setup: $(INTERFACES)  ## environment in .venv/, ROS 2 from pip, our messages

interfaces: $(INTERFACES)  ## generate and build msg/, srv/ and action/ into .venv/

# Checks what pip cannot say clearly, then one pip call for everything. --no-compile saves a third
# of the time: what is used is compiled when it is first imported.
$(SETUP): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "make: $(PYTHON) is missing or not Python 3.10 to 3.14; name one: make PYTHON=python3.12" >&2; exit 1; }
	@[ "$$(uname -sm)" = "Linux x86_64" ] || { \
	  echo "make: ROS 2 comes from pip for x86-64 Linux only; elsewhere use an apt install and colcon (README.md)" >&2; exit 1; }
	@for tool in cmake g++; do command -v $$tool >/dev/null || { \
	  echo "make: $$tool not found; it builds our messages (Debian and Ubuntu: apt install build-essential cmake)" >&2; exit 1; }; done
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { \
	  echo "make: cannot create $(VENV) (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt \
	  --config-settings editable_mode=compat -e '.[ros,sim,viewer,dev]'
	@touch $@

$(INTERFACES): $(SETUP) $(INTERFACE_FILES) CMakeLists.txt cmake/keep_python_package.cmake package.xml scripts/fix_ros_wheels.py
	$(BIN)/python scripts/fix_ros_wheels.py
	AMENT_PREFIX_PATH=$(PREFIX) CMAKE_PREFIX_PATH=$(PREFIX) cmake -S . -B build/interfaces \
	  -DREFSEG_INTERFACES_ONLY=ON -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
	  -DPython3_FIND_VIRTUALENV=ONLY -DPython3_EXECUTABLE=$(PREFIX)/bin/python
	cmake --build build/interfaces --parallel 2
	cmake --install build/interfaces
	@touch $@

demo: $(INTERFACES)  ## camera, segmenter and viewer; HEADLESS=1: scripted commands; PICK=1: an arm that picks
	$(BIN)/refseg demo $(if $(HEADLESS),--headless) $(if $(PICK),--pick)

test: $(INTERFACES) lint types  ## lint, types and the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: $(INTERFACES)  ## the property tests with fresh seeds for ten minutes; MINUTES=1: for one
	@end=$$(( $$(date +%s) + 60 * $(MINUTES) )); \
	while [ $$(date +%s) -lt $$end ]; do \
	  REFSEG_FUZZ=1 $(BIN)/python -m pytest -q -x -m "hypothesis and not slow" || exit 1; \
	done

faults: $(INTERFACES)  ## inject every fault into real nodes; WRITE=1: renew docs/reliability.md
	PYTHONPATH=test/helpers $(BIN)/python -m faults $(if $(WRITE),--write docs/reliability.md)

lint: $(SETUP)  ## ruff: rules and format; the layers of the house
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/lint-imports

types: $(SETUP)  ## mypy
	$(BIN)/mypy

clean:  ## remove what was built, keep the environment
	rm -rf build install log out refseg_ros.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(INTERFACES)
	find refseg_ros refseg_lab test scripts launch -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove the environment too
	rm -rf $(VENV)
