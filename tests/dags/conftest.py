"""The DAGs as Airflow parses them; without a stack's environment, an Airflow home of the run's own."""

from __future__ import annotations

import os
import tempfile

if "AIRFLOW_HOME" not in os.environ:  # a stack's environment stays as it is: other tests of the run need it
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-")
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = tempfile.mkdtemp(prefix="no-plugins-")
    os.environ["AIRFLOW__DATAHUB__ENABLED"] = "False"
