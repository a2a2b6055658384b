# Everything a newcomer types. `make` lists it.
STATE  ?= $(or $(SWITCHYARD_STATE),$(CURDIR)/.switchyard)
ifneq ($(or $(MAKECMDGOALS),help),help)
ifeq ($(shell SWITCHYARD_STATE='$(STATE)' stack/own-state.sh),)
$(error nothing was done)
endif
endif
VENV   := $(STATE)/venv
BIN    := $(VENV)/bin
export SWITCHYARD_STATE := $(STATE)
SHELL  := /bin/bash
ENV    := eval "$$($(BIN)/switchyard stack env)"

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status env test test-faults test-unit test-helm lint lock docs images test-images bench clean \
	cluster cluster-down test-cluster test-cluster-down

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:  ## install what is missing: Debian packages, Python environments, Java artifacts
	@stack/bootstrap.sh

demo: setup  ## start the stack, load the data, run every flow through both legs, show the proof
	@$(BIN)/switchyard stack demo

up: setup  ## leave the stack and Airflow running; prints the login
	@$(BIN)/switchyard stack up --airflow

down:  ## stop everything
	@$(BIN)/switchyard stack down

status:  ## every server: port, pid, memory, health
	@$(BIN)/switchyard stack status

env:  ## shell exports for any client: eval "$(make -s env)"
	@$(BIN)/switchyard stack env

test: setup  ## everything, on real servers
	@stack/test.sh

test-faults: setup  ## kill -9 at every step, servers killed one by one; prints the fault matrix
	@stack/test-faults.sh

test-unit: setup  ## what needs no servers, in seconds
	@$(BIN)/python -m pytest tests/unit tests/dags tests/golden tests/behaviours/test_connection_sources.py -n auto -q

test-helm: setup  ## the chart and the values for official charts, without a cluster, in seconds
	@stack/helm-tools.sh && $(BIN)/python -m pytest tests/helm -n auto -q

cluster: setup  ## a real Kubernetes of one node on this machine (root); prints its kubeconfig
	@cluster/install-prerequisites.sh && $(BIN)/switchyard cluster up

cluster-down:  ## end that cluster and delete its data
	@$(BIN)/switchyard cluster down

test-cluster: setup  ## tests on the cluster of KUBECONFIG, or on the one of `make cluster`
	@$(BIN)/python -m pytest tests/cluster -v --durations=0

test-cluster-down: setup  ## what `make cluster` makes is gone after `make cluster-down`: compares before and after
	@cluster/test-down.sh

lint: setup  ## ruff, mypy, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

lock:  ## resolve requirements*.in again
	@stack/lock.sh

docs: setup  ## write what is generated: DAGs.md, docs/types.md, JSON Schemas, the chart's values
	@$(BIN)/switchyard docs && $(BIN)/python helm/values_page.py

images:  ## container images, with docker, podman or buildah; only those whose inputs changed
	@images/install-client.sh && nice python3 images/build.py --into $(STATE)/images

test-images: setup images  ## what the images hold, and what runs in them
	@$(BIN)/python -m pytest tests/images -q

bench: setup  ## side by side, medians and ratios
	@$(ENV) && $(BIN)/python benchmarks/run.py

clean: down  ## stop and delete all data; downloads stay
	@$(BIN)/switchyard stack reset --yes
