"""The words of a server that is written in Java, without the stacks that it sends along."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile

_LONGEST_LINE = 500
_MOST_LINES = 4
_FRAME = re.compile(r"\s+at |\s+\.\.\. \d+ more")
_CAUSE = "Caused by: "


def shorten(message: str) -> str:
    """The server's own words, without Java's stacks, but with the cause at the bottom of the first one."""
    lines = [line.strip() for line in message.splitlines() if not _FRAME.match(line)]
    causes = list(takewhile(lambda line: line.startswith(_CAUSE), dropwhile(lambda line: _CAUSE not in line, lines)))
    words = [lines[0], causes[-1]] if causes else lines[:_MOST_LINES]
    return "\n  ".join(line[:_LONGEST_LINE] for line in words)
