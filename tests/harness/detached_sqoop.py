"""Sqoop as YARN would run it: it outlives the worker that asked for it. For SWITCHYARD_SQOOP; logs to $SQOOP_LOG."""

import os
import subprocess
import sys
from pathlib import Path

with Path(os.environ["SQOOP_LOG"]).open("ab") as log:
    child = subprocess.Popen(["sqoop", *sys.argv[1:]], start_new_session=True, stdout=log, stderr=log)
sys.exit(child.wait())
