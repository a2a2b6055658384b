"""helm, asked for renders of our chart, and what is in a render."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.checkout import CHECKOUT

CHART = CHECKOUT / "helm" / "switchyard"
CASES = CHECKOUT / "tests" / "helm" / "cases"
RELEASE = "grid"
NAMESPACE = "data"

Values = Mapping[str, Any]
KubernetesObject = dict[str, Any]


class HelmRefused(Exception):
    """Helm ended with an error; its text is what a person reads."""


def tools() -> Path:
    """Where stack/helm-tools.sh put helm and Kubernetes' schemas. Raises AssertionError when it has not run."""
    state = Path(os.environ.get("SWITCHYARD_STATE") or CHECKOUT / ".switchyard")
    assert (state / "helm" / ".lock").exists(), "helm is not here: `make test-helm` fetches it (stack/helm-tools.sh)"
    return state / "helm"


def run_helm(*arguments: str, values: Values | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run helm without a cluster, a configuration or a network; returns its standard output.

    Raises:
        HelmRefused: with its standard error.
    """
    helm = os.environ.get("SWITCHYARD_HELM") or str(tools() / "helm")
    isolated = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent/config"}
    command = [helm, *arguments, *(["--values", "-"] if values is not None else [])]
    result = subprocess.run(
        command,
        input=yaml.safe_dump(dict(values)) if values is not None else "",
        capture_output=True,
        text=True,
        check=False,
        env={**isolated, **(environment or {})},
        timeout=60,
    )
    if result.returncode:
        raise HelmRefused(f"{result.stdout}\n{result.stderr}")
    return result.stdout


def render_text(values: Values, *options: str, release: str = RELEASE) -> str:
    """What `helm template` prints for the chart."""
    return run_helm("template", release, str(CHART), "--namespace", NAMESPACE, *options, values=values)


def render(values: Values, *options: str, release: str = RELEASE) -> Render:
    """The objects of the chart."""
    return Render.of(render_text(values, *options, release=release))


@cache
def case(name: str) -> Values:
    """The values of tests/helm/cases/<name>.yaml."""
    values: Values = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def case_names() -> list[str]:
    """The names of all cases, sorted."""
    return sorted(path.stem for path in CASES.glob("*.yaml"))


@cache
def rendered_case(name: str) -> Render:
    """The objects of one case; rendered once for all tests of a process."""
    return render(case(name))


def changed(values: Values, path: Sequence[str], value: object) -> Values:
    """A copy of values in which the one at a path is another."""
    head, *rest = path
    below = values.get(head) if isinstance(values.get(head), Mapping) else {}
    return {**values, head: changed(below or {}, rest, value) if rest else value}


@dataclass(frozen=True)
class Render:
    """The objects that a render holds."""

    objects: tuple[KubernetesObject, ...]

    @classmethod
    def of(cls, text: str) -> Render:
        """Parse what `helm template` printed."""
        return cls(tuple(each for each in yaml.safe_load_all(text) if each is not None))

    def kind(self, *kinds: str) -> list[KubernetesObject]:
        """The objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def get(self, kind: str, name: str) -> KubernetesObject:
        """The object of a kind and a name, without the release's; raises KeyError."""
        for each in self.kind(kind):
            if each["metadata"]["name"] == f"{RELEASE}-{name}":
                return each
        raise KeyError(f"{kind} {name}: there are {self.names()}")

    def names(self) -> list[str]:
        """`Kind/name` of every object, sorted."""
        return sorted(f"{each['kind']}/{each['metadata']['name']}" for each in self.objects)

    def secret(self, name: str) -> dict[str, str]:
        """A Secret's keys and values, decoded."""
        data = self.get("Secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def pods(self) -> Iterator[tuple[str, KubernetesObject]]:
        """`Kind/name` and pod spec of everything that starts a pod."""
        for each in self.objects:
            name = f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield name, each["spec"]
            elif "template" in (each.get("spec") or {}):
                yield name, each["spec"]["template"]["spec"]

    def containers(self) -> Iterator[tuple[str, KubernetesObject]]:
        """`Kind/name/container` and spec of every container."""
        for name, pod in self.pods():
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                yield f"{name}/{container['name']}", container
