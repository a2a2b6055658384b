"""The check of table and ledger, row by row, and over all combinations."""

from __future__ import annotations

import itertools

import pytest

from switchyard.legs.truth.decide import (
    BEFORE_PUBLISHING,
    Action,
    LedgerSays,
    Publishing,
    StrayAction,
    TableSays,
    decide,
    decide_stray,
)

L3 = TableSays(3, "l3", 5)
LEGACY = TableSays(3, "l3", None)
EMPTY = TableSays(0, "", 0)


def ledger(state: str | None = "published", newest: int | None = 3, rev: int | None = 5, **more: object) -> LedgerSays:
    load = f"l{newest}" if newest is not None else ""
    return LedgerSays(state, newest, load, rev, **more)  # type: ignore[arg-type]


ROWS: list[tuple[str, TableSays | None, LedgerSays, Action]] = [
    ("table names L, rev equal; published", L3, ledger(), Action.GO_ON),
    ("table names L; publishing", L3, ledger("publishing", 2, 4, publishing=Publishing("l3", 2)), Action.RECORD),
    ("table names L; first load, publishing", L3, ledger("publishing", None, None), Action.RECORD),
    ("table names L; abandoned", L3, ledger("abandoned", 2, 4), Action.RECORD),
    ("the version before L; publishing", L3, ledger(publishing=Publishing("l4", 3)), Action.PUBLISH),
    ("the same, widened already", TableSays(3, "l3", 6), ledger(publishing=Publishing("l4", 3)), Action.PUBLISH),
    ("an empty table; publishing", EMPTY, ledger(None, None, None, publishing=Publishing("l1", 0)), Action.PUBLISH),
    ("another version came; publishing", L3, ledger(publishing=Publishing("l4", 2)), Action.SUPERSEDE),
    ("table made anew; publishing", EMPTY, ledger(None, None, None, publishing=Publishing("l4", 3)), Action.SUPERSEDE),
    ("no table; publishing", None, ledger(None, None, None, publishing=Publishing("l1", 0)), Action.SUPERSEDE),
    ("L unknown, ledger empty", L3, ledger(None, None, None), Action.UNKNOWN),
    ("L unknown, ledger older", L3, ledger(None, 2, 4), Action.UNKNOWN),
    ("L unknown, ledger another's", L3, ledger(None, 9, 9), Action.UNKNOWN),
    *((f"L only {state}", L3, ledger(state, 2, 4), Action.UNKNOWN) for state in BEFORE_PUBLISHING),
    ("rev lower", TableSays(3, "l3", 4), ledger(), Action.TABLE_OLDER),
    ("seq lower", L3, ledger("published", 4, 6), Action.TABLE_OLDER),
    ("seq lower, earlier release", LEGACY, ledger("published", 4, None), Action.TABLE_OLDER),
    ("parameters gone", LEGACY, ledger(), Action.TABLE_OLDER),
    ("L superseded, by a load from the beginning", L3, ledger("published", None, None), Action.TABLE_OLDER),
    ("no table; published", None, ledger(None), Action.TABLE_GONE),
    ("an empty table; published", EMPTY, ledger(None), Action.TABLE_GONE),
    ("no table; nothing", None, ledger(None, None, None), Action.GO_ON),
    ("an empty table; nothing", EMPTY, ledger(None, None, None), Action.GO_ON),
    ("parameters of an earlier release; published", LEGACY, ledger(rev=None), Action.WRITE_PARAMETERS),
    ("parameters of an earlier release; unknown", LEGACY, ledger(None, 3, None), Action.UNKNOWN),
    ("rev higher: a release that the ledger missed", TableSays(3, "l3", 6), ledger(), Action.COPY),
    ("published by an earlier release after this one", L3, ledger(rev=None), Action.WRITE_PARAMETERS),
]  # fmt: skip


@pytest.mark.parametrize(("table", "says", "action"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row(table: TableSays | None, says: LedgerSays, action: Action) -> None:
    assert decide(table, says) is action


TABLES = [None, EMPTY, *(TableSays(seq, f"l{seq}", rev) for seq in (1, 2, 3) for rev in (None, 1, 2, 3))]
STATES = [None, *BEFORE_PUBLISHING, "publishing", "published", "abandoned"]


def all_combinations() -> list[tuple[TableSays | None, LedgerSays]]:
    publishing = [None, *(Publishing(f"l{previous + 1}", previous) for previous in (0, 1, 2, 3))]
    ledgers = [
        LedgerSays(state, newest, f"l{newest}" if newest else "", rev, waiting)
        for state, newest, rev, waiting in itertools.product(STATES, (None, 1, 2, 3), (None, 1, 2, 3), publishing)
    ]
    return list(itertools.product(TABLES, ledgers))


def test_over_all_combinations_a_ledger_that_does_not_know_the_table_never_acts() -> None:
    combinations = all_combinations()
    assert len(combinations) > 5_000
    seen = set()
    for table, says in combinations:
        action = decide(table, says)
        seen.add(action)
        has_version = table is not None and table.seq > 0
        if has_version and says.state not in ("published", "publishing", "abandoned"):
            assert action is Action.UNKNOWN
        if has_version and says.newest_seq is not None and says.newest_seq > table.seq:  # type: ignore[union-attr]
            assert action.refuses, "the ledger knows newer versions"
        if not has_version and says.newest_seq is not None:
            assert action is Action.TABLE_GONE
        if action is Action.PUBLISH:
            assert says.publishing is not None
            assert says.publishing.previous_seq == (table.seq if table else None), "never over another version"
        if action in (Action.GO_ON, Action.COPY, Action.WRITE_PARAMETERS) and has_version:
            assert says.state == "published"
            assert (says.newest_seq, says.newest_load) == (table.seq, table.load_id)  # type: ignore[union-attr]
        if action is Action.GO_ON and has_version:
            assert table.rev == says.rev  # type: ignore[union-attr]
            assert says.publishing is None
        if action is Action.RECORD:
            assert says.state in ("publishing", "abandoned")
    assert seen == set(Action), "every row is reached"


def test_a_partition_rolls_forward_only_from_the_head_and_whole() -> None:
    for seq, previous, is_whole in itertools.product((2, 3, 4, 5), (None, 0, 1, 2, 3), (False, True)):
        action = decide_stray(seq=seq, previous=previous, is_whole=is_whole, table_seq=3, head=2)
        forward = seq > 3 and previous == 2 and is_whole
        assert action is (StrayAction.ROLL_FORWARD if forward else StrayAction.DROP)
