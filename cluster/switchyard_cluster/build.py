"""The cluster's programs: built once from Go modules into a cache, and linked under the names of the servers."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from switchyard_cluster.layout import GO_SOURCES, TOOLS_SCRIPT, BenchLayout
from switchyard_stack.errors import StackError

Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class GoProgram:
    """One program of a Go module below cluster/go, and the names that the bench calls it by."""

    name: str
    module: str
    names: tuple[str, ...]
    about: str
    package: str = "."


GO_PROGRAMS = (
    GoProgram("pause", "pause", (), "what holds a pod's namespaces"),
    GoProgram(
        "controlplane",
        "kubernetes",
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        "etcd and the control plane; 8 minutes of a processor",
        "./controlplane",
    ),
    GoProgram("node", "kubernetes", ("kubelet", "kube-proxy"), "kubelet and kube-proxy; 1 minute", "./node"),
    GoProgram("coredns", "coredns", ("coredns",), "CoreDNS; 2 minutes"),
)
TOOLS = ("kubectl", "helm")


def kubernetes_version() -> str:
    """`1.34.4`: what cluster/go/kubernetes/go.mod requires."""
    return _required_version("kubernetes", "k8s.io/kubernetes")


def _required_version(module: str, requirement: str) -> str:
    lines = (GO_SOURCES / module / "go.mod").read_text()
    version = re.search(rf"^\s*(?:require )?{re.escape(requirement)} v(\S+)", lines, re.MULTILINE)
    if version is None:
        raise StackError(f"cluster/go/{module}/go.mod requires no {requirement}", cure="restore the file by git")
    return version[1]


def programs_directory(cache: Path, module: str) -> Path:
    """Where the programs of a module are kept: keyed by every file that says what they are made of."""
    digest = hashlib.sha256()
    for path in sorted((GO_SOURCES / module).rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(GO_SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return cache / "programs" / f"{module}-{digest.hexdigest()[:12]}"


def ensure_programs(layout: BenchLayout, tell: Tell) -> None:
    """Build what the cache lacks, and fetch kubectl and helm."""
    missing = [
        program
        for program in GO_PROGRAMS
        if not (programs_directory(layout.cache, program.module) / program.name).exists()
    ]
    for program in missing:
        _build(program, layout.cache, tell)
    if missing:
        _drop_compilers_caches(layout.cache)
    subprocess.run([str(TOOLS_SCRIPT)], check=True)


def _build(program: GoProgram, cache: Path, tell: Tell) -> None:
    started = time.monotonic()
    target = programs_directory(cache, program.module) / program.name
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{program.name}.new")
    tell(program.name, f"building {program.about}")
    command = [
        "go",
        "build",
        "-buildvcs=false",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        _linker_flags(program.module),
    ]
    built = subprocess.run(
        [*command, "-o", str(fresh), program.package],
        cwd=GO_SOURCES / program.module,
        env={**os.environ, **_go_environment(cache)},
        capture_output=True,
        text=True,
    )
    if built.returncode != 0:
        raise StackError(
            f"{program.name} could not be built from cluster/go/{program.module}:\n{built.stderr.strip()[-2000:]}",
            cure="it needs the Go module proxy and some 10 GB of disk while it builds; run the command again",
        )
    fresh.rename(target)
    tell(program.name, f"built: {target.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")


def _linker_flags(module: str) -> str:
    """Small programs; Kubernetes' own know their version only when the linker writes it into them."""
    flags = ["-s", "-w"]
    if module == "kubernetes":
        version = kubernetes_version()
        major, minor, _ = version.split(".")
        stamps = {
            "k8s.io/component-base/version.gitVersion": f"v{version}",
            "k8s.io/component-base/version.gitMajor": major,
            "k8s.io/component-base/version.gitMinor": minor,
            "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
        }
        flags += [f"-X {name}={value}" for name, value in stamps.items()]
    return " ".join(flags)


def _go_environment(cache: Path) -> Mapping[str, str]:
    return {"CGO_ENABLED": "0", "GOCACHE": str(cache / "go" / "build"), "GOMODCACHE": str(cache / "go" / "modules")}


def _drop_compilers_caches(cache: Path) -> None:
    """Modules and objects take 9 GB and serve nothing more, now that the programs are built."""
    environment = {**os.environ, **_go_environment(cache)}
    subprocess.run(["go", "clean", "-modcache", "-cache"], env=environment, check=True, cwd=GO_SOURCES / "pause")
    shutil.rmtree(cache / "go")


def link_programs(layout: BenchLayout) -> None:
    """Link the programs into the bench's bin directory, each under the names of the servers that it can be."""
    for program in GO_PROGRAMS:
        for name in program.names:
            _link(layout.bin / name, programs_directory(layout.cache, program.module) / program.name)
    for tool in TOOLS:
        _link(layout.bin / tool, layout.tools / tool)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)
