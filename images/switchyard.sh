#!/bin/sh
exec /opt/switchyard/venv/bin/python -m switchyard "$@"
