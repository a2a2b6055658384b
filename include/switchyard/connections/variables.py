"""Environment variables, read in one way wherever they are: an empty one is not set, and a switch is on or off."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

from switchyard.errors import SwitchyardError

ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off")


def read_variable(name: str, default: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """The value of a variable without blanks around it; the default if it is not set, or empty."""
    return environ.get(name, "").strip() or default


def read_switch(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a variable switches something on; one that is not set, or empty, does not.

    Raises SwitchyardError for a value that says neither, with the near match.
    """
    value = read_variable(name, OFF[0], environ)
    if value.lower() in ON:
        return True
    if value.lower() in OFF:
        return False
    near = get_close_matches(value.lower(), (*ON, *OFF), 1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise SwitchyardError(
        f"the value {value!r} is neither on nor off",
        where=f"environment variable {name}",
        cure=f"{guess}set it to 1 (or true, yes, on) or 0 (or false, no, off), or unset it",
    )
