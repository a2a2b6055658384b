"""The node's files: certificates, a kubeconfig per client, and the configuration of each server."""

from __future__ import annotations

import base64
import configparser
import shutil
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from switchyard_cluster import addresses
from switchyard_cluster.certificates import Authority, Credentials, Subject, private_pem, public_pem, write_key
from switchyard_cluster.layout import NODE_FILES, BenchLayout

_CLIENTS = {  # kubeconfig → who its holder is to the API
    "kube-controller-manager": Subject("system:kube-controller-manager"),
    "kube-scheduler": Subject("system:kube-scheduler"),
    "kubelet": Subject(f"system:node:{addresses.NODE_NAME}", groups=("system:nodes",)),
    "kube-proxy": Subject("system:kube-proxy"),
    "coredns": Subject("coredns"),
}
_ADMINISTRATOR = Subject("administrator", groups=("system:masters",))
_KUBELET_CLIENT = Subject("kube-apiserver-kubelet-client", groups=("system:masters",))
_API_SERVER = Subject(
    "kube-apiserver",
    addresses=(addresses.NODE_ADDRESS, addresses.API_SERVICE, "127.0.0.1"),
    hosts=(
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{addresses.DOMAIN}",
    ),
)
_KUBELET_SERVER = Subject(f"system:node:{addresses.NODE_NAME}", addresses=(addresses.NODE_ADDRESS,))
_PROGRAM_DEFAULTS = {
    "directory": "/run/switchyard",
    "autostart": "false",
    "autorestart": "false",
    "startsecs": "0",
    "startretries": "0",
    "stopasgroup": "true",
    "killasgroup": "true",
    "redirect_stderr": "true",
    "stdout_logfile_maxbytes": "10MB",
    "stdout_logfile_backups": "1",
}


def write_configuration(layout: BenchLayout) -> None:
    """Write everything a new node needs; the bench's directories exist and are empty."""
    authority = Authority()
    _write_certificates(authority, layout.pki)
    for name, subject in _CLIENTS.items():
        _write_kubeconfig(layout.conf / f"{name}.kubeconfig", authority, subject)
    _write_kubeconfig(layout.kubeconfig, authority, _ADMINISTRATOR)
    for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "Corefile"):
        shutil.copyfile(NODE_FILES / name, layout.conf / name)
    (layout.conf / "cni").mkdir(exist_ok=True)
    shutil.copyfile(NODE_FILES / "pods.conflist", layout.conf / "cni" / "10-pods.conflist")
    _write_supervisors_file(layout.conf / "supervisord.conf")


def _write_certificates(authority: Authority, directory: Path) -> None:
    authority.credentials.write(directory, "ca")
    authority.issue(_API_SERVER).write(directory, "kube-apiserver")
    authority.issue(_KUBELET_CLIENT).write(directory, "kube-apiserver-kubelet-client")
    authority.issue(_KUBELET_SERVER).write(directory, "kubelet-server")
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    write_key(directory / "service-accounts.key", private_pem(service_accounts))
    (directory / "service-accounts.pub").write_bytes(public_pem(service_accounts))


def _write_kubeconfig(path: Path, authority: Authority, subject: Subject) -> None:
    client: Credentials = authority.issue(subject)
    cluster = {
        "server": f"https://{addresses.NODE_ADDRESS}:{addresses.API_PORT}",
        "certificate-authority-data": _base64(authority.credentials.certificate),
    }
    user = {"client-certificate-data": _base64(client.certificate), "client-key-data": _base64(client.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "switchyard", "cluster": cluster}],
        "users": [{"name": subject.name, "user": user}],
        "contexts": [{"name": "switchyard", "context": {"cluster": "switchyard", "user": subject.name}}],
        "current-context": "switchyard",
    }
    write_key(path, yaml.safe_dump(content, sort_keys=False).encode())


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def _write_supervisors_file(path: Path) -> None:
    """Give every program of node/supervisord.conf what all have in common."""
    parser = configparser.RawConfigParser()
    parser.read(NODE_FILES / "supervisord.conf")
    for section in parser.sections():
        if section.startswith("program:"):
            name = section.removeprefix("program:")
            common = {**_PROGRAM_DEFAULTS, "stdout_logfile": f"/run/switchyard/log/{name}.log"}
            for option, value in common.items():
                parser.set(section, option, value)
    with path.open("w") as file:
        parser.write(file)
