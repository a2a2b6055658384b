"""The commands that a cure tells people to type."""

import re
from collections.abc import Iterator

_COMMAND = re.compile(r"(?:^|[\s`:(])switchyard ((?:(?![;,)`]|: )[^\n])+)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_VALUE = re.compile(r"<([^<>]*)>|…")
_VALUES = {"ingest|serve": "ingest", "step": "plan"}


def commands_of(*texts: str) -> Iterator[str]:
    """The words after `switchyard` in texts, with a word for each value that comes in at run time."""
    for text in texts:
        for match in _COMMAND.finditer(text):
            words = _VALUE.sub(lambda value: _VALUES.get(value[1] or "", "x"), _QUOTED.sub("x", match[1]))
            if re.match(r"[a-z]", words):
                yield words.strip().rstrip(".")
