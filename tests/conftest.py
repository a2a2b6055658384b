"""For all tests: the package and the local stack's, as installed or from this checkout."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

for package, home in (("switchyard", "include"), ("switchyard_stack", "stack")):
    if importlib.util.find_spec(package) is None:
        sys.path.insert(0, str(CHECKOUT / home))
