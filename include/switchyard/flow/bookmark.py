"""A table's bookmark: how far its source has been read, and which rows of which source that was.

It is written into the Hive table by the call that publishes, so it is never further than the rows, and never older.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from switchyard.flow.spec import Source
from switchyard.types.carry import is_other_place

_LONGEST_TEXT = 200


@dataclass(frozen=True)
class Server:
    """A database as a session sees it.

    `system`: PostgreSQL's system identifier; `timeline`: the history that it writes, which a standby that takes over
    and a restored backup begin anew; `written`: how far it has written its WAL, PostgreSQL's pg_lsn. Each is empty when
    it cannot be read, a standby's timeline and position always.
    """

    address: str
    system: str
    database: str
    timeline: str = ""
    written: str = ""

    def is_same(self, other: Server) -> bool:
        """Return True for one and the same database: a server may move to another host, or be upgraded in place."""
        if self.database != other.database:
            return False
        return self.address == other.address or (self.system != "" and self.system == other.system)

    def lost_by(self, now: Server) -> list[str]:
        """Return how the database of now may have lost transactions that this one had; none if it goes on from here."""
        is_known = self.timeline != "" and now.timeline != ""
        if not is_known or self.system != now.system:
            return []
        if self.timeline != now.timeline:
            what = "a standby took over the source, or a backup was restored"
            shown = _change("its timeline", self.timeline, now.timeline)
        elif _position(now.written) < _position(self.written):
            what = "an older copy of the source's files was restored"
            shown = _change("its WAL's end", self.written, now.written)
        else:
            return []
        return [f"{what} ({shown}): transactions that were read may be lost there"]


@dataclass(frozen=True)
class Origin:
    """What the rows of a source come from, below the names that the flow file has (see `extract.origin`).

    `tables`: the oids of the tables that are read; `definitions`: a digest of the views and functions on the way to
    them, empty when there are none; `cursor`: the place of the cursor's column (see `types.carry.SourceColumn`).
    `rules`: a digest of what else chooses rows (see `extract.row_rules`), empty when nothing does; None in a bookmark
    of an earlier release, which does not say. `snapshot`: which transactions had ended when the load was planned (see
    `extract.since_bookmark`); it is never compared, and None likewise.
    An oid outlives TRUNCATE, VACUUM FULL and ALTER TABLE; a table that is dropped and made anew has another one.
    """

    tables: str
    definitions: str
    cursor: str
    rules: str | None = None
    snapshot: str | None = None

    def changes_to(self, now: Origin) -> list[str]:
        """Return the differences to `now`, for people."""
        changes = []
        if self.definitions != now.definitions:
            before, after = self.definitions or "none", now.definitions or "none"
            changes.append(f"the definition of the views that it reads was {before} and is {after} (digests)")
        if self.tables != now.tables:
            changes.append(
                f"the tables that it reads had the oids {self.tables or 'none'} and have "
                f"{now.tables or 'none'}: dropped and made anew"
            )
        elif is_other_place(self.cursor, now.cursor):
            changes.append("the column of source.cursor is another one of that name: added again, or renamed")
        if self.rules is not None and now.rules is not None and self.rules != now.rules:
            before, after = self.rules or "none", now.rules or "none"
            changes.append(
                "what else chooses its rows (functions that source.where or source.query names, row security policies, "
                f"the login and the settings that they ask for) was {before} and is {after} (digests)"
            )
        return changes


@dataclass(frozen=True)
class Reading:
    """The rows a flow reads, and their order: a bookmark has a meaning only together with these.

    `origin`: what they come from; None in a bookmark of an earlier release, where it is not known.
    """

    server: Server
    relation: str
    cursor: str
    where: str = ""
    tombstone: str = ""
    origin: Origin | None = None

    @classmethod
    def of(cls, source: Source, server: Server, origin: Origin | None = None) -> Reading:
        """Return the reading of a flow's source."""
        relation = ".".join(source.table_parts) if source.table else shortened(source.query or "")
        return cls(
            server=server,
            relation=relation,
            cursor=source.cursor or "",
            where=shortened(source.where or ""),
            tombstone=source.tombstone or "",
            origin=origin,
        )

    def changes_to(self, now: Reading) -> list[str]:
        """Return the differences to `now`, each as `source.where was … and is …`; none if a bookmark keeps its meaning.

        Columns do not matter: the contract judges them, and they choose no rows.
        """
        changes = []
        if not self.server.is_same(now.server):
            changes.append(_change("the source's database", _place(self.server), _place(now.server)))
        changes += self.server.lost_by(now.server)
        if self.relation != now.relation:
            changes.append(_change("source.table or source.query", self.relation, now.relation))
        for name in ("cursor", "where", "tombstone"):
            before: str = getattr(self, name)
            after: str = getattr(now, name)
            if before != after:
                changes.append(_change(f"source.{name}", before, after))
        return changes or self._origin_changes(now)

    def _origin_changes(self, now: Reading) -> list[str]:
        """Compare what the rows come from, on one and the same server: elsewhere oids say nothing."""
        if self.origin is None or now.origin is None or not self._shares_oids(now):
            return []
        return self.origin.changes_to(now.origin)

    def snapshot_before(self, now: Reading) -> str | None:
        """The snapshot of the plan that this was read by, if it is of the server of now; None if nothing is known."""
        return self.origin.snapshot if self.origin is not None and self._shares_oids(now) else None

    def _shares_oids(self, now: Reading) -> bool:
        return self.server.system != "" and self.server.system == now.server.system


@dataclass(frozen=True)
class Bookmark:
    """`high`: all rows of `reading` below this value of its cursor, a text of PostgreSQL's, have been read."""

    high: str
    reading: Reading

    def record(self) -> str:
        """Return the text of the table's parameter: JSON with ordered keys, so that equal bookmarks are equal texts."""
        reading = self.reading
        fields: dict[str, JsonValue] = {
            "high": self.high,
            "cursor": reading.cursor,
            "source": {
                "server": reading.server.address,
                "system": reading.server.system,
                "database": reading.server.database,
                "relation": reading.relation,
                **({"timeline": reading.server.timeline} if reading.server.timeline else {}),
                **({"written": reading.server.written} if reading.server.written else {}),
            },
            "filter": {"where": reading.where, "tombstone": reading.tombstone},
        }
        if reading.origin is not None:
            fields["origin"] = {**asdict(reading.origin)}
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def of(cls, record: str) -> Bookmark:
        """Read a record. Raises ValueError for a text that `record` did not write."""
        try:
            fields = json.loads(record)
            source = fields["source"]
            rows = fields["filter"]
            server = Server(
                address=str(source["server"]),
                system=str(source["system"]),
                database=str(source["database"]),
                timeline=str(source.get("timeline") or ""),
                written=str(source.get("written") or ""),
            )
            reading = Reading(
                server=server,
                relation=str(source["relation"]),
                cursor=str(fields["cursor"]),
                where=str(rows["where"]),
                tombstone=str(rows["tombstone"]),
                origin=_origin(fields.get("origin")),
            )
            return cls(str(fields["high"]), reading)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a bookmark: {record[:_LONGEST_TEXT]}") from error


def _origin(fields: Mapping[str, JsonValue] | None) -> Origin | None:
    """The record of an origin; a bookmark of an earlier release has none."""
    if fields is None:
        return None
    return Origin(
        tables=str(fields["tables"]),
        definitions=str(fields["definitions"]),
        cursor=str(fields["cursor"]),
        rules=_known(fields.get("rules")),
        snapshot=_known(fields.get("snapshot")),
    )


def _known(value: JsonValue) -> str | None:
    return None if value is None else str(value)


def shortened(text: str) -> str:
    """Return a short text whole, a long one as its beginning and a digest: a table's parameter must stay small."""
    if len(text) <= _LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: _LONGEST_TEXT - 40]}… (sha256 {digest})"


def _position(written: str) -> int:
    """Bytes of WAL before a pg_lsn, which is two hexadecimal halves of 32 bits each; 0 when it is not known."""
    high, _, low = written.partition("/")
    return (int(high, 16) << 32 | int(low, 16)) if low else 0


def _place(server: Server) -> str:
    return f"{server.database} at {server.address}"


def _change(what: str, before: str, after: str) -> str:
    return f"{what} was {before or 'not set'} and is {after or 'not set'}"
