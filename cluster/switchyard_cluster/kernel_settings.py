"""Kernel settings that the kubelet writes and that are the whole machine's: remembered, and put back."""

from __future__ import annotations

import json
from pathlib import Path

_SYSTEM = Path("/proc/sys")
_WRITTEN_BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def remember_settings(path: Path) -> None:
    """Write the settings of now to a file; a file that exists is older, so closer to the machine's own, and stays."""
    if not path.exists():
        path.write_text(json.dumps({name: (_SYSTEM / name).read_text().strip() for name in _WRITTEN_BY_KUBELET}))


def restore_settings(path: Path) -> None:
    """Write the remembered settings back."""
    if path.exists():
        for name, value in json.loads(path.read_text()).items():
            (_SYSTEM / name).write_text(value)
