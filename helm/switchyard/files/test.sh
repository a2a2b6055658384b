#!/bin/sh
# `helm test`: four rows from the source into the lake, served, cached, and compared by value.
set -eu
python3 /scripts/test-rows.py
switchyard run ingest helm_test
switchyard run serve helm_test
switchyard diff helm_test --mode values
