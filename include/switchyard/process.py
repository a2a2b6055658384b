"""Child processes that end with ours: with their group on any exception, and by the kernel if we are killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 10
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask the kernel to terminate this process when its parent dies (Linux, prctl(2)); for `preexec_fn`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def run_child(
    command: Sequence[str], on_line: Callable[[str], None], environment: Mapping[str, str], directory: Path
) -> int:
    """Run a command, hand over each line it prints, return its exit code (negative: killed by that signal)."""
    child = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        assert child.stdout is not None  # noqa: S101 - Popen was given PIPE
        for line in child.stdout:
            on_line(line.rstrip("\n"))
        return child.wait()
    finally:
        end_group(child)


def end_group(child: subprocess.Popen[str]) -> None:
    """Terminate a child's whole process group; kill the rest after 10 seconds."""
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
