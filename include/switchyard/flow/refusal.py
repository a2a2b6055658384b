"""Errors of validators: the fault, what to write instead, and the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic_core import PydanticCustomError

REFUSED = "switchyard_refused"


def refuse(what: str, *, cure: str = "", at: Iterable[str | int] = ()) -> PydanticCustomError:
    """Build the error to raise; `at` is the path below the value that is being validated."""
    return PydanticCustomError(REFUSED, "{what}", {"what": what, "cure": cure, "at": tuple(at)})


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word of `words` that `word` was most likely meant to be; None if none is near."""
    names = list(words)
    matches = difflib.get_close_matches(word.lower()[:64], names, n=1, cutoff=0.6)
    return matches[0] if matches else None
