"""One value of a column as a message shows it: whatever its type, even one that is not valid text. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from switchyard.errors import cut_value


def show(array: Any, index: int) -> str:
    r"""Return a value as people read it: bytes as PostgreSQL shows them (`\x00ff`), what is not UTF-8 as `\xff`.

    Years that Python has no name for come as Arrow prints them.
    """
    one = array.slice(index, 1)
    if one.null_count:
        return "NULL"
    if _is_bytes(one.type):
        return cut_value("\\x" + bytes(one[0].as_py()).hex())
    text = bytes(one.cast(pa.string()).cast(pa.binary())[0].as_py())
    return cut_value(text.decode(errors="backslashreplace"))


def first_that_is_not_utf8(array: Any) -> int:
    """Return the index of the first text that is not UTF-8; 0 if there is none."""
    raw = array.cast(pa.large_string()).cast(pa.large_binary())
    return int(np.argmax([value.is_valid and not _is_utf8(value.as_py()) for value in raw]))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
