"""A cluster as the tests see it: kubectl and helm on a kubeconfig, and pods that a restricted namespace takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.checkout import CHECKOUT

IMAGE = os.environ.get("SWITCHYARD_TEST_IMAGE", "docker.io/library/debian:bookworm-slim")
USER = 1000
Manifest = dict[str, object]


@dataclass(frozen=True)
class Cluster:
    """One cluster, as its administrator."""

    kubeconfig: Path
    programs: Path
    """Where kubectl and helm are when they are not on the PATH."""

    def program(self, name: str) -> str:
        """The path of kubectl or helm."""
        own = self.programs / name
        path = str(own) if own.exists() else shutil.which(name)
        assert path, f"{name} is neither on the PATH nor in {self.programs}: `make cluster` puts it there"
        return path

    def attempt(
        self, *words: str, stdin: str | None = None, program: str = "kubectl"
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm."""
        return subprocess.run(
            [self.program(program), *words],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=300,
        )

    def run(self, *words: str, stdin: str | None = None, program: str = "kubectl") -> str:
        """Run kubectl or helm; fails with its own words."""
        done = self.attempt(*words, stdin=stdin, program=program)
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout


@dataclass(frozen=True)
class Namespace:
    """One namespace of a cluster."""

    cluster: Cluster
    name: str

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace."""
        return self.cluster.run("--namespace", self.name, *words, stdin=stdin)

    def attempt(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl in this namespace; it may fail."""
        return self.cluster.attempt("--namespace", self.name, *words, stdin=stdin)

    def create(self, *manifests: Manifest) -> None:
        """Create objects."""
        self.run(
            "create", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        )

    def wait(self, condition: str, target: str, seconds: int = 120) -> None:
        """Wait for a condition of an object, e.g. `condition=Ready`; fails with what the object is like."""
        waited = self.attempt("wait", f"--for={condition}", target, f"--timeout={seconds}s")
        assert waited.returncode == 0, waited.stderr + self.run("describe", target)

    def finish(self, pod: str) -> str:
        """Wait until a pod has succeeded. Returns its log."""
        self.wait("jsonpath={.status.phase}=Succeeded", f"pod/{pod}")
        return self.run("logs", pod)


def object_of(kind: str, name: str, spec: Manifest, api: str = "v1", **labels: str) -> Manifest:
    """A manifest."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


def pod_spec(script: str, **more: object) -> Manifest:
    """A pod of one container that runs a script, as the policy `restricted` wants it; `more` goes into the spec."""
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["bash", "-euc", script],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": more.pop("mounts", []),
    }
    security = {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "containers": [container],
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": security,
        **more,
    }


def pod(name: str, script: str, *, labels: dict[str, str] | None = None, **more: object) -> Manifest:
    """A pod of its own."""
    return object_of("Pod", name, pod_spec(script, **more), **(labels or {}))


def await_true(what: str, holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; fails with its name."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not true after {seconds:.0f} s: {what}"
        time.sleep(0.3)


def find_cluster() -> Cluster:
    """The cluster of $KUBECONFIG, or the bench of this checkout; fails when neither answers."""
    state = Path(os.environ.get("SWITCHYARD_STATE", CHECKOUT / ".switchyard"))
    kubeconfig = Path(os.environ.get("KUBECONFIG") or state / "cluster" / "kubeconfig")
    assert kubeconfig.exists(), f"{kubeconfig} does not exist: start a cluster with `make cluster`, or set KUBECONFIG"
    cluster = Cluster(kubeconfig, state / "cluster" / "bin")
    answer = cluster.attempt("get", "--raw", "/readyz", "--request-timeout=10s")
    assert answer.returncode == 0, f"the cluster of {kubeconfig} does not answer: {answer.stderr}"
    return cluster
