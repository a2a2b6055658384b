"""The source tables of the demo: their DDL, and how each one's rows are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from switchyard_stack.datasets.errors import DatasetError
from switchyard_stack.datasets.source import Source, open_lines

QUARTER = timedelta(minutes=15)
GRID_ZONE = ZoneInfo("Europe/Berlin")
"""SimBench writes wall-clock time: 2016-03-27 has 92 quarter hours, and 2016-10-30 has 02:00 to 02:45 twice."""


@dataclass(frozen=True)
class Table:
    """One table: columns, the constraints added once the rows are in, and the rows as `;`-separated lines."""

    name: str
    description: str
    columns: str
    constraints: str
    rows: Callable[[Source], Iterable[bytes]]

    @property
    def ddl(self) -> str:
        """The CREATE TABLE statement without constraints."""
        return f"CREATE TABLE public.{self.name} ({self.columns})"


def _file_rows(member: str, header: str) -> Callable[[Source], Iterator[bytes]]:
    """Rows taken as they are from one CSV file, whose header must be the one we know."""

    def rows(source: Source) -> Iterator[bytes]:
        with source.open(member) as lines:
            _expect_header(member, header, next(lines).decode().strip())
            yield from lines

    return rows


def _reading_rows(source: Source) -> Iterator[bytes]:
    """Turn the wide LoadProfile.csv into a row per quarter hour and profile, in order of time."""
    profiles = used_profiles(source)
    with open_lines(source, "LoadProfile.csv") as lines:
        places = _profile_places(next(lines), profiles)
        for number, (measured_at, day, fields) in enumerate(_quarters(lines)):
            first = number * len(places) + 1
            instant = f"{measured_at:%Y-%m-%d %H:%M};{day}"
            yield "".join(
                f"{reading_id};{profile};{instant};{fields[p]};{fields[q]}\n"
                for reading_id, (profile, p, q) in enumerate(places, first)
            ).encode()


def used_profiles(source: Source) -> list[str]:
    """The profiles that loads use, sorted: the others describe heat pumps that this grid does not have."""
    with open_lines(source, "Load.csv") as lines:
        place = next(lines).index("profile")
        return sorted({fields[place] for fields in lines})


def _profile_places(header: list[str], profiles: list[str]) -> list[tuple[str, int, int]]:
    at = {name: place for place, name in enumerate(header)}
    missing = [p for p in profiles if f"{p}_pload" not in at or f"{p}_qload" not in at]
    if missing:
        raise DatasetError(f"LoadProfile.csv has no columns for the profiles {missing}")
    return [(p, at[f"{p}_pload"], at[f"{p}_qload"]) for p in profiles]


def _quarters(lines: Iterable[list[str]]) -> Iterator[tuple[datetime, str, list[str]]]:
    """Yield (UTC instant, wall-clock day, fields); a wall clock that steps back is the second 2 o'clock of October.

    Raises:
        DatasetError: the instants are not an unbroken row of quarter hours.
    """
    before: datetime | None = None
    second_pass = False
    for fields in lines:
        wall = datetime.strptime(fields[0], "%d.%m.%Y %H:%M").replace(tzinfo=GRID_ZONE)
        instant = wall.replace(fold=int(second_pass)).astimezone(UTC)
        if before and instant != before + QUARTER:
            second_pass = not second_pass
            instant = wall.replace(fold=int(second_pass)).astimezone(UTC)
        if before and instant != before + QUARTER:
            raise DatasetError(f"LoadProfile.csv: {fields[0]} does not follow {before:%Y-%m-%d %H:%M} UTC")
        before = instant
        yield instant, f"{wall:%Y-%m-%d}", fields


def _expect_header(member: str, expected: str, header: str) -> None:
    if header != expected:
        raise DatasetError(f"{member} has the columns {header!r}, expected {expected!r}")


def _telemetry_rows(_: Source) -> list[bytes]:
    return [b"1;Node1;75000\n", b"2;Node2;65000\n", b"3;Node3;60000\n", b"4;Node4;80000\n"]


TELEMETRY = Table(
    name="telemetry",
    description="Wattage of every grid node of PowerGrid Analytics.",
    columns="id SERIAL PRIMARY KEY, name VARCHAR(255) NOT NULL, wattage INT NOT NULL",
    constraints="SELECT setval(pg_get_serial_sequence('public.telemetry', 'id'), 4)",
    rows=_telemetry_rows,
)

NODE = Table(
    name="node",
    description="Nodes of the grid: busbars and connection points. Voltages in p.u. of vm_r (kV), angles in degrees.",
    columns="""
        id text NOT NULL, type text NOT NULL, vm_setp double precision, va_setp double precision,
        vm_r double precision NOT NULL, vm_min double precision NOT NULL, vm_max double precision NOT NULL,
        substation text, coord_id text NOT NULL, subnet text NOT NULL, volt_lvl integer NOT NULL""",
    constraints="ALTER TABLE public.node ADD PRIMARY KEY (id)",
    rows=_file_rows("Node.csv", "id;type;vmSetp;vaSetp;vmR;vmMin;vmMax;substation;coordID;subnet;voltLvl"),
)

LOAD = Table(
    name="load",
    description="Consumers at the nodes: p_load in MW, q_load in Mvar, s_r in MVA, and the profile they follow.",
    columns="""
        id text NOT NULL, node text NOT NULL, profile text NOT NULL, p_load double precision NOT NULL,
        q_load double precision NOT NULL, s_r double precision NOT NULL, subnet text NOT NULL,
        volt_lvl integer NOT NULL""",
    constraints="ALTER TABLE public.load ADD PRIMARY KEY (id)",
    rows=_file_rows("Load.csv", "id;node;profile;pLoad;qLoad;sR;subnet;voltLvl"),
)

READING = Table(
    name="reading",
    description="Quarter hours of 2016 of every profile that loads use: p and q as shares of a load's p_load, q_load. "
    "measured_at is UTC, local_day the day on the wall clock of Berlin.",
    columns="""
        reading_id bigint NOT NULL, profile text NOT NULL, measured_at timestamp without time zone NOT NULL,
        local_day date NOT NULL, p double precision NOT NULL, q double precision NOT NULL""",
    constraints="ALTER TABLE public.reading ADD PRIMARY KEY (reading_id), ADD UNIQUE (profile, measured_at)",
    rows=_reading_rows,
)

SIMBENCH = (NODE, LOAD, READING)


def squeeze(sql: str) -> str:
    """One line of SQL with single spaces."""
    return re.sub(r"\s+", " ", sql).strip()
