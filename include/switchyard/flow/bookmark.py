"""A table's bookmark: how far its source has been read, and which rows of which source that was.

It is written into the Hive table by the call that publishes, so it is never further than the rows, and never older.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from switchyard.flow.spec import Source

_LONGEST_TEXT = 200


@dataclass(frozen=True)
class Server:
    """A database as a session sees it. `system`: PostgreSQL's system identifier; empty if the login may not read it."""

    address: str
    system: str
    database: str

    def is_same(self, other: Server) -> bool:
        """Return True for one and the same database: a server may move to another host, or be upgraded in place."""
        if self.database != other.database:
            return False
        return self.address == other.address or (self.system != "" and self.system == other.system)


@dataclass(frozen=True)
class Reading:
    """The rows a flow reads, and their order: a bookmark has a meaning only together with these."""

    server: Server
    relation: str
    cursor: str
    where: str = ""
    tombstone: str = ""

    @classmethod
    def of(cls, source: Source, server: Server) -> Reading:
        """Return the reading of a flow's source."""
        relation = ".".join(source.table_parts) if source.table else _shortened(source.query or "")
        return cls(
            server=server,
            relation=relation,
            cursor=source.cursor or "",
            where=_shortened(source.where or ""),
            tombstone=source.tombstone or "",
        )

    def changes_to(self, now: Reading) -> list[str]:
        """Return the differences to `now`, each as `source.where was … and is …`; none if a bookmark keeps its meaning.

        Columns do not matter: the contract judges them, and they choose no rows.
        """
        changes = []
        if not self.server.is_same(now.server):
            changes.append(_change("the source's database", _place(self.server), _place(now.server)))
        if self.relation != now.relation:
            changes.append(_change("source.table or source.query", self.relation, now.relation))
        for name in ("cursor", "where", "tombstone"):
            before: str = getattr(self, name)
            after: str = getattr(now, name)
            if before != after:
                changes.append(_change(f"source.{name}", before, after))
        return changes


@dataclass(frozen=True)
class Bookmark:
    """`high`: all rows of `reading` below this value of its cursor, a text of PostgreSQL's, have been read."""

    high: str
    reading: Reading

    def record(self) -> str:
        """Return the text of the table's parameter: JSON with ordered keys, so that equal bookmarks are equal texts."""
        reading = self.reading
        return json.dumps(
            {
                "high": self.high,
                "cursor": reading.cursor,
                "source": {
                    "server": reading.server.address,
                    "system": reading.server.system,
                    "database": reading.server.database,
                    "relation": reading.relation,
                },
                "filter": {"where": reading.where, "tombstone": reading.tombstone},
            },
            ensure_ascii=False,
        )

    @classmethod
    def of(cls, record: str) -> Bookmark:
        """Read a record. Raises ValueError for a text that `record` did not write."""
        try:
            fields = json.loads(record)
            source = fields["source"]
            rows = fields["filter"]
            server = Server(str(source["server"]), str(source["system"]), str(source["database"]))
            reading = Reading(
                server, str(source["relation"]), str(fields["cursor"]), str(rows["where"]), str(rows["tombstone"])
            )
            return cls(str(fields["high"]), reading)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a bookmark: {record[:_LONGEST_TEXT]}") from error


def _shortened(text: str) -> str:
    """Return a short text whole, a long one as its beginning and a digest: a table's parameter must stay small."""
    if len(text) <= _LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: _LONGEST_TEXT - 40]}… (sha256 {digest})"


def _place(server: Server) -> str:
    return f"{server.database} at {server.address}"


def _change(what: str, before: str, after: str) -> str:
    return f"{what} was {before or 'not set'} and is {after or 'not set'}"
