"""The `extra` of a connection, judged: each one is honoured, or refused by its name; none is dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from switchyard.connections.sources import Connection
from switchyard.errors import AGAIN, ConnectionUnusable

FLAG = ("true", "false", "1", "0")
KERBEROS = "leave it out: Kerberos is not supported yet"

_AS_FLAG = {"1": "true", "0": "false"}


@dataclass(frozen=True)
class Extra:
    """One extra that is honoured.

    Args:
        values: those it may have; empty: any text.
        number: a whole number of at least 0.
        file: its value is the path of a file that has to be there.
    """

    values: tuple[str, ...] = ()
    number: bool = False
    file: bool = False


@dataclass(frozen=True)
class KnownExtras:
    """All extras of one kind of connection.

    Args:
        kind: the server, for people: `Redis`.
        honoured: by name.
        refused: extras that others honour and we cannot, each with what to do.
        unused: extras that shape only the Python objects of Airflow's own hook.
    """

    kind: str
    honoured: Mapping[str, Extra]
    refused: Mapping[str, str]
    unused: Collection[str] = ()

    def read(self, connection: Connection) -> dict[str, str]:
        """The extras that are set, each as a text; a flag is `true` or `false`.

        Raises ConnectionUnusable for an extra that is not honoured, by its name and with a cure. Values are not shown:
        they may be secret.
        """
        extras = {name: value for name, value in connection.extra.items() if name not in self.unused}
        return {name: self._judge(connection, name, value) for name, value in extras.items()}

    def _judge(self, connection: Connection, name: str, value: object) -> str:
        if name in self.refused:
            advice = self.refused[name]
            raise unusable(connection, f"the extra {name!r} is not supported here", f"{advice}; then {AGAIN}")
        if name not in self.honoured:
            near = difflib.get_close_matches(name, self.honoured, n=1)
            others = ", ".join(self.honoured) or "none"
            cure = f"did you mean {near[0]!r}?" if near else f"leave it out; those that are known: {others}"
            raise unusable(connection, f"{name!r} is not an extra of a {self.kind} connection", cure)
        extra = self.honoured[name]
        if value is None or isinstance(value, (dict, list)):
            what = f"the extra {name!r} is a list, an object or null"
            raise unusable(connection, what, "write a text or a number")
        text = str(value).lower() if isinstance(value, bool) else str(value).strip()
        if extra.values == FLAG:
            text = _AS_FLAG.get(text.lower(), text.lower())
        if extra.values and text not in extra.values:
            values = ", ".join(extra.values)
            raise unusable(connection, f"the extra {name!r} has an unknown value", f"write one of {values}")
        if extra.number and not text.isdecimal():
            raise unusable(connection, f"the extra {name!r} is not a whole number", "write digits only, e.g. 10")
        if extra.file:
            read_file(connection, name, text)
        return text


def read_file(connection: Connection, name: str, path: str) -> bytes:
    """The content of a file that an extra names: some clients would go on without it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        what = f"the file of the extra {name!r} cannot be read: {path}: {error.strerror}"
        raise unusable(connection, what, "name a file that every worker has, and that its user can read") from error


def unusable(connection: Connection, what: str, cure: str) -> ConnectionUnusable:
    """An error that names the connection."""
    return ConnectionUnusable(what, where=f"connection {connection.conn_id}", cure=cure)
