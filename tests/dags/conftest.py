"""The DAGs as Airflow parses them, without a database or a server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = tempfile.mkdtemp(prefix="no-plugins-")
os.environ["AIRFLOW__DATAHUB__ENABLED"] = "False"
