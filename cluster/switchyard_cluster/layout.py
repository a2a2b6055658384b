"""Where everything of the bench lives: below its checkout's state directory, and in a cache that checkouts share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from switchyard_stack.errors import StackError
from switchyard_stack.layout import CHECKOUT, Layout

GO_SOURCES = CHECKOUT / "cluster" / "go"
TOOLS_SCRIPT = CHECKOUT / "stack" / "helm-tools.sh"
NODE_FILES = Path(__file__).parent / "node"
_COVERED = (Path("/run"), Path("/var/lib"), Path("/var/log"))  # the node has its own there


@dataclass(frozen=True)
class BenchLayout:
    """Paths of one bench.

    `node` is the directory that the node sees as /run/switchyard; `tools` has kubectl and helm.
    """

    node: Path
    cache: Path
    tools: Path

    @classmethod
    def from_environment(cls) -> BenchLayout:
        """`<state>/cluster`, and `$SWITCHYARD_CLUSTER_CACHE`, by default ~/.cache/switchyard/cluster.

        Raises StackError when either lies where the node mounts directories of its own.
        """
        state = Layout.from_environment().state
        chosen = os.environ.get("SWITCHYARD_CLUSTER_CACHE")
        cache = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "switchyard" / "cluster"
        for path, setting in ((state, "SWITCHYARD_STATE"), (cache, "SWITCHYARD_CLUSTER_CACHE")):
            if any(path.resolve().is_relative_to(covered) for covered in _COVERED):
                raise StackError(
                    f"the bench cannot live in {path}: its node has directories of its own at /run, /var/lib, /var/log",
                    cure=f"set {setting} to a directory elsewhere, e.g. /var/tmp/switchyard",
                )
        return cls(state / "cluster", Path(os.path.abspath(cache)), state / "helm")  # noqa: PTH100

    @property
    def bin(self) -> Path:
        """Links to the programs in the cache, each under the name of the server that it shall be."""
        return self.node / "bin"

    @property
    def conf(self) -> Path:
        """Configuration and kubeconfigs of the servers; 0700."""
        return self.node / "conf"

    @property
    def pki(self) -> Path:
        """Certificates and keys; 0700."""
        return self.node / "pki"

    @property
    def log(self) -> Path:
        """One log per server; the node's /var/log, so those of the pods are here as well."""
        return self.node / "log"

    @property
    def lib(self) -> Path:
        """The node's /var/lib: etcd, containerd, kubelet, volumes."""
        return self.node / "lib"

    @property
    def kubeconfig(self) -> Path:
        """What a person's kubectl takes: the cluster's administrator."""
        return self.node / "kubeconfig"

    @property
    def socket(self) -> Path:
        """Supervisord's control socket."""
        return self.node / "supervisor.sock"

    @property
    def kernel_settings(self) -> Path:
        """The machine's kernel settings before the kubelet changed them."""
        return self.node / "kernel-settings.json"

    @property
    def lock(self) -> Path:
        """Locked by the one command that is at work; it stays, beside the node's directory."""
        return self.node.with_name("cluster.lock")

    def make_directories(self) -> None:
        """Create the node's directories."""
        self.node.mkdir(parents=True, exist_ok=True)
        for path in (self.bin, self.conf, self.pki, self.log, self.lib):
            path.mkdir(exist_ok=True)
        for path in (self.conf, self.pki):
            path.chmod(0o700)
