"""Private directories on this machine. One whose owner was killed is deleted by the next step that needs one.

The owner holds a lock on the directory (flock(2)), which the kernel frees when it dies, however it dies. What is left
then is a copy of data, and the file from which Sqoop reads a password.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "switchyard-scratch-"


@contextmanager
def open_scratch(root: Path) -> Iterator[Path]:
    """A directory below `root` that only we can read; gone at the end."""
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=root))
    lock = os.open(hidden, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = hidden.rename(root / hidden.name.removeprefix("."))  # seen by others only now that it is locked
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _sweep(root: Path) -> None:
    """Delete the directories whose owners are dead; those of other users cannot be opened, and stay."""
    for path in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
