"""Local PersistentVolumes in the bench's directory: made beforehand, since nothing provisions them on demand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from switchyard_cluster import addresses
from switchyard_cluster.kubectl import Kubectl
from switchyard_cluster.layout import BenchLayout

COUNT = 40
_SIZE = "20Gi"  # nothing enforces it
_DIRECTORY = Path("/var/lib/volumes")  # within the node


def ensure_volumes(layout: BenchLayout, kubectl: Kubectl) -> None:
    """Make the volumes that are missing; those whose claim is gone are emptied and made anew."""
    phases = _phases(kubectl)
    released = sorted(name for name, phase in phases.items() if phase in {"Released", "Failed"})
    if released:
        kubectl.run("delete", "persistentvolume", "--wait", *released)
    missing = [name for name in _names() if phases.get(name) not in {"Available", "Bound", "Pending"}]
    for name in missing:
        directory = layout.lib / "volumes" / name
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
    if missing:
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [_volume(name) for name in missing]}))


def _names() -> list[str]:
    return [f"local-{number:02}" for number in range(1, COUNT + 1)]


def _phases(kubectl: Kubectl) -> dict[str, str]:
    listed = kubectl.run(
        "get", "persistentvolumes", "--output", r"jsonpath={range .items[*]}{.metadata.name} {.status.phase}{'\n'}{end}"
    )
    return dict(line.split() for line in listed.splitlines() if line.startswith("local-"))


def _volume(name: str) -> dict[str, object]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [addresses.NODE_NAME]}
    spec = {
        "storageClassName": "local",
        "capacity": {"storage": _SIZE},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "local": {"path": str(_DIRECTORY / name)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
