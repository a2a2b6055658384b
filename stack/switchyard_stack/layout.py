"""Where everything of a stack lives: one state directory, and the checkout it belongs to."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from switchyard_stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
_MAX_STATE_PATH = 80  # sockaddr_un holds 107 bytes; supervisord binds <state>/run/supervisor.sock.<pid> first
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+@:-]+")


@dataclass(frozen=True)
class Layout:
    """Paths inside one state directory. Nothing is written outside it."""

    state: Path
    checkout: Path = CHECKOUT

    @classmethod
    def from_environment(cls) -> Layout:
        """`$SWITCHYARD_STATE`, by default `<checkout>/.switchyard`; raises StackError for another checkout's."""
        chosen = os.environ.get("SWITCHYARD_STATE")
        state = Path(chosen).expanduser() if chosen else CHECKOUT / ".switchyard"
        layout = cls(Path(os.path.abspath(state)))  # noqa: PTH100  (resolve() would follow links)
        layout.require_own()
        return layout.checked()

    def require_own(self) -> None:
        """Refuse the state of another checkout, as a shell hands it on that ran `stack env` there.

        What is within the checkout is its own: a copied or moved checkout brings the name of the old one along.
        """
        owner = Path(self.owner_file.read_text().strip()) if self.owner_file.exists() else None
        if owner is None or not owner.is_dir() or self.state.resolve().parent == self.checkout.resolve():
            return
        if not owner.samefile(self.checkout):
            raise StackError(
                f"the state directory {self.state} belongs to the checkout {owner}, and this is {self.checkout}",
                cure=f"unset SWITCHYARD_STATE, or run the command in {owner}; to give the state to this checkout, stop "
                f"its stack there and remove {self.owner_file}",
            )

    def checked(self) -> Layout:
        """Refuse a path that sockets, JVM argument files or supervisord cannot carry."""
        text = str(self.state)
        cure = "set SWITCHYARD_STATE to a short, plain path, e.g. /var/tmp/switchyard"
        if len(text) > _MAX_STATE_PATH:
            raise StackError(
                f"the state directory's path has {len(text)} characters, at most {_MAX_STATE_PATH} work: {text}",
                cure=cure,
            )
        if not _PLAIN_PATH.fullmatch(text):
            raise StackError(
                f"the state directory's path has characters that some server cannot carry: {text!r}", cure=cure
            )
        return self

    @property
    def maven_repository(self) -> Path:
        """Downloaded jars; `$SWITCHYARD_MAVEN_REPO` lets several states share one."""
        shared = os.environ.get("SWITCHYARD_MAVEN_REPO")
        return Path(shared) if shared else self.state / "maven"

    @property
    def maven_project(self) -> Path:
        """The poms."""
        return self.checkout / "stack" / "maven"

    @property
    def classpaths(self) -> Path:
        """One classpath file per Maven module, and the metastore's schema."""
        return self.state / "classpath"

    @property
    def conf(self) -> Path:
        """Rendered configuration; holds passwords, so 0700."""
        return self.state / "conf"

    @property
    def data(self) -> Path:
        """The servers' data."""
        return self.state / "data"

    @property
    def logs(self) -> Path:
        """One log per server, rotated."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Working directories, socket, pid and lock files."""
        return self.state / "run"

    @property
    def tmp(self) -> Path:
        """Every server's temporary directory."""
        return self.state / "tmp"

    @property
    def bin(self) -> Path:
        """Commands for people: sqoop."""
        return self.state / "bin"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.state / "airflow"

    @property
    def catalog(self) -> Path:
        """Captured metadata."""
        return self.state / "catalog"

    @property
    def own_connections(self) -> Path:
        """Somebody's own Airflow connections, which we only read."""
        return self.state / "own-connections.json"

    @property
    def ports_file(self) -> Path:
        """The ports this stack has chosen."""
        return self.state / "ports.json"

    @property
    def secrets_file(self) -> Path:
        """Passwords and keys, made once, 0600."""
        return self.state / "secrets.json"

    @property
    def owner_file(self) -> Path:
        """The path of the checkout that the state belongs to; stack/own-state.sh also reads it."""
        return self.state / "checkout"

    @property
    def supervisor_conf(self) -> Path:
        """Supervisord's configuration."""
        return self.conf / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Supervisord's control socket."""
        return self.run / "supervisor.sock"

    @property
    def scripts(self) -> Path:
        """Where the programs of this Python environment are."""
        return Path(sys.executable).parent

    def make_directories(self) -> None:
        """Create the tree. Only the top and `data` can be entered by others (PostgreSQL runs as another user)."""
        private = (self.conf, self.logs, self.run, self.tmp, self.bin, self.airflow_home, self.catalog, self.classpaths)
        for path in (self.state, self.data):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o711)
        for path in private:
            path.mkdir(exist_ok=True)
            path.chmod(0o700)
        if not self.owner_file.exists() or self.owner_file.read_text() != f"{self.checkout}\n":
            self.owner_file.write_text(f"{self.checkout}\n")
