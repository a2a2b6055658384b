"""Starting the bench: what is missing is built, what does not run is started, and each server is seen at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.resolver

from switchyard_cluster import addresses, supervision
from switchyard_cluster.build import Tell
from switchyard_cluster.images import load_archive, loaded_images
from switchyard_cluster.kubectl import Kubectl
from switchyard_cluster.layout import NODE_FILES, BenchLayout
from switchyard_cluster.node import Node
from switchyard_cluster.volumes import ensure_volumes
from switchyard_stack.errors import NotHealthy
from switchyard_stack.run import tail

_PATIENCE = 180.0
_BEFORE_API = ("containerd", "etcd", "kube-apiserver")


@dataclass(frozen=True)
class Bench:
    """A bench whose programs are there."""

    layout: BenchLayout
    archives: Mapping[str, Path]
    """The images that pods need, image → archive."""
    tell: Tell

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's kubectl."""
        return Kubectl(self.layout.bin / "kubectl", self.layout.kubeconfig)

    def start(self) -> None:
        """Start the servers that do not run, and wait until the node takes pods and names and services resolve."""
        self._start_servers(_BEFORE_API)
        self._await("the API server answers", "kube-apiserver", self._api_is_ready)
        self.kubectl.apply((NODE_FILES / "objects.yaml").read_text())
        self._load_images()
        self._start_servers(supervision.SERVERS)
        ensure_volumes(self.layout, self.kubectl)
        self._await("the node is ready", "kubelet", self._node_is_ready)
        self._await("services are routed", "kube-proxy", self._service_is_routed)
        self._await("names resolve", "coredns", _name_resolves)
        self._await("pods may be made", "kube-controller-manager", self._service_account_exists)

    def _start_servers(self, servers: tuple[str, ...]) -> None:
        states = supervision.states(self.layout.socket)
        for server in servers:
            if states[server] != "RUNNING":
                supervision.start(self.layout.socket, server)
                self.tell(server, "started")

    def _load_images(self) -> None:
        node = Node(self.layout)
        for image in self.archives.keys() - loaded_images(node):
            load_archive(node, self.archives[image])
            self.tell("images", f"{image} loaded")

    def _await(self, what: str, server: str, holds: Callable[[], bool]) -> None:
        started = time.monotonic()
        while not holds():
            state = supervision.states(self.layout.socket)[server]
            if state != "RUNNING" or time.monotonic() - started > _PATIENCE:
                raise NotHealthy(
                    f"{server} is {state.lower()}, and after {time.monotonic() - started:.0f} s not yet true: {what}\n"
                    + tail(self.layout.log / f"{server}.log"),
                    cure=f"`switchyard cluster logs {server}` shows more; `switchyard cluster up` tries again",
                )
            time.sleep(0.2)
        waited = time.monotonic() - started
        if waited > 1:
            self.tell(server, f"{what} ({waited:.1f} s)")

    def _api_is_ready(self) -> bool:
        return self.kubectl.attempt("get", "--raw", "/readyz").returncode == 0

    def _node_is_ready(self) -> bool:
        waited = self.kubectl.attempt("wait", "--for=condition=Ready", f"node/{addresses.NODE_NAME}", "--timeout=2s")
        return waited.returncode == 0

    def _service_is_routed(self) -> bool:
        server = f"--server=https://{addresses.API_SERVICE}"
        return self.kubectl.attempt(server, "--request-timeout=2s", "get", "--raw", "/readyz").returncode == 0

    def _service_account_exists(self) -> bool:
        return self.kubectl.attempt("get", "serviceaccount", "default").returncode == 0


def _name_resolves() -> bool:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [addresses.NODE_ADDRESS]
    try:
        answer = resolver.resolve(f"kubernetes.default.svc.{addresses.DOMAIN}", "A", lifetime=2)
    except dns.exception.DNSException:
        return False
    return [record.to_text() for record in answer] == [addresses.API_SERVICE]
