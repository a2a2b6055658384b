"""An application that reads through the cache: the example of README.md, with another flow file, as a process."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.checkout import CHECKOUT
from harness.outside.grounds import FlowUnderTest, Unprepared

_README = CHECKOUT / "README.md"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'Path\("[^"]+\.yaml"\)')


def read_through_cache(flow: FlowUnderTest, directory: Path) -> dict[str, Any] | None:
    """The document with `_id` 1, as README's reader prints it, with the flow file of a directory."""
    (example,) = (body for body in _EXAMPLE.findall(_README.read_text()) if "ReadThroughCache" in body)
    program, files = _FILE.subn(lambda _: f"Path({str(directory / f'{flow.name}.yaml')!r})", example)
    if files != 1 or "cache.get(1)" not in program:
        raise Unprepared("README's example of a read through the cache has another form")
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **flow.grounds.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ended.returncode != 0:
        raise Unprepared(ended.stderr)
    document: dict[str, Any] | None = ast.literal_eval(ended.stdout.splitlines()[0])
    return document
