"""As much of Kubernetes' API as helm asks before a template's `lookup`: on loopback, with Secrets that a test gives."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

_KINDS = {
    "v1": ("Secret", "Service", "ConfigMap", "ServiceAccount", "Pod"),
    "apps/v1": ("StatefulSet", "Deployment"),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
}


def _resources(version: str) -> dict[str, object]:
    """What discovery says of a version's kinds."""
    resources = [
        {"name": _plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}
        for kind in _KINDS[version]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _plural(kind: str) -> str:
    return "networkpolicies" if kind == "NetworkPolicy" else f"{kind.lower()}s"


def _group(version: str) -> dict[str, object]:
    preferred = {"groupVersion": version, "version": version.split("/")[1]}
    return {"name": version.split("/")[0], "versions": [preferred], "preferredVersion": preferred}


_ANSWERS: Mapping[str, Mapping[str, object]] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(each) for each in _KINDS if "/" in each]},
    **{f"/{'apis' if '/' in version else 'api'}/{version}": _resources(version) for version in _KINDS},
}
_NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


@contextmanager
def serve_secrets(secrets: Mapping[str, Mapping[str, str]], release: str, directory: Path) -> Iterator[Path]:
    """Answer for Secrets that a release left, `namespace/name` → keys and values; yields the path of a kubeconfig."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            answer = _ANSWERS.get(path) or _secret(path, secrets, release)
            body = json.dumps(answer or _NOT_FOUND).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: helm's errors name what it asked for."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(_kubeconfig(server.server_port), encoding="utf-8")
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        server.server_close()


def _secret(path: str, secrets: Mapping[str, Mapping[str, str]], release: str) -> Mapping[str, object] | None:
    """The Secret that a path names, with helm's marks of its release; None for one that does not exist."""
    parts = path.strip("/").split("/")
    if len(parts) != 6 or parts[4] != "secrets":
        return None
    data = secrets.get(f"{parts[3]}/{parts[5]}")
    if data is None:
        return None
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": parts[3]}
    metadata = {
        "namespace": parts[3],
        "name": parts[5],
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": owner,
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": encoded}


def _kubeconfig(port: int) -> str:
    cluster = {"name": "double", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "double", "context": {"cluster": "double", "user": "nobody"}}
    user = {"name": "nobody", "user": {}}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "contexts": [context],
            "users": [user],
            "current-context": "double",
        }
    )
