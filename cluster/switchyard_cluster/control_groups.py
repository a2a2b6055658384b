"""The node's control group, in every hierarchy of the machine: made before the kubelet looks for it, removed after."""

from __future__ import annotations

from pathlib import Path

from switchyard_stack.errors import StackError

GROUP = "switchyard"  # kubelet.yaml names it
_ROOT = Path("/sys/fs/cgroup")


def make_groups() -> None:
    """Make the group in each hierarchy; a new cpuset must be given its processors before anything can enter it."""
    for hierarchy in _hierarchies():
        group = hierarchy / GROUP
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / setting).exists():
                (group / setting).write_text((hierarchy / setting).read_text())


def remove_groups() -> None:
    """Remove the group and what the kubelet made below it; raises when a process is still inside."""
    for hierarchy in _hierarchies():
        group = hierarchy / GROUP
        if not group.exists():
            continue
        below = [path for path in group.rglob("*") if path.is_dir()]
        for path in [*sorted(below, key=lambda path: len(path.parts), reverse=True), group]:
            try:
                path.rmdir()
            except OSError as error:
                raise StackError(
                    f"the control group {path} could not be removed: {error.strerror}",
                    cure=f"cat {path}/cgroup.procs names the processes in it; end them and run the command again",
                ) from error


def _hierarchies() -> list[Path]:
    """Mounted hierarchies of control groups: one directory with version 2, one per controller with version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in sorted(_ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]
