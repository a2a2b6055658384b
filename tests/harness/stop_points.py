"""Where a step can be stopped, from outside: on the wire, in the ledger, in the source. The product has no hook for it.

A wire (`harness.wires`) stands still at a given request, before the server gets it or after the server has done it.
`ledger_stop` is a trigger that waits, so that a step stands still with its work done and nothing written down.
`SourceStop` is a source query that waits in the middle of its rows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Literal

import psutil

from harness.cases import Case
from harness.servers import Servers
from harness.wires import WireStop

_PATIENCE = 120
_KEYS = count((os.getpid() % (1 << 19)) << 12)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = _PATIENCE) -> Any:
    """Wait until something is true; its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.02)
    return found


class Stop:
    """An advisory lock that something will wait for."""

    def __init__(self, servers: Servers, url: str, key: int) -> None:
        self.servers, self.url, self.key = servers, url, key
        self._session = servers.session(url, autocommit=True)
        self._session.execute(f"select pg_advisory_lock(59170, {key})".encode())

    def is_reached(self) -> bool:
        """Whether somebody waits."""
        waits = "select 1 from pg_locks where locktype = 'advisory' and classid = 59170 and objid = %s and not granted"
        return bool(self.servers.postgres(waits, [self.key], url=self.url))

    def release(self) -> None:
        """Let go, and wait until nobody waits any more."""
        self._session.close()
        wait_for(lambda: not self.is_reached(), "the stopped session to end")


@contextlib.contextmanager
def ledger_stop(case: Case, state: str) -> Iterator[Stop]:
    """Let the ledger stand still where a load of this flow would become `state`."""
    key, name = next(_KEYS), f"stop_{case.name}_{state}"
    run = case.servers.session("LEDGER_URL", autocommit=True)
    with run:
        stop = Stop(case.servers, "LEDGER_URL", key)
        run.execute(
            f"create function {name}() returns trigger language plpgsql as $$ begin"
            f" perform pg_advisory_xact_lock_shared(59170, {key}); return new; end $$".encode()
        )
        run.execute(
            f"create trigger {name} before insert or update on loads for each row"
            f" when (new.flow = '{case.name}' and new.state = '{state}') execute function {name}()".encode()
        )
        try:
            yield stop
        finally:
            stop.release()
            run.execute(f"drop function {name} cascade".encode())


StopAt = tuple[str, bytes | str, Literal["before", "after", ""]]
"""A state of the ledger, with `ledger` before it; or a request on a connection's wire, and which side of it."""


@contextlib.contextmanager
def stop_at(case: Case, at: StopAt) -> Iterator[Callable[[], bool]]:
    """Stand still where `at` says; yields whether somebody does."""
    where, what, when = at
    if isinstance(what, str):
        with ledger_stop(case, what) as stop:
            yield stop.is_reached
        return
    assert when != ""
    wire = case.wires.get(where)
    if wire is None:
        with WireStop(case, where, what, when) as wire_stop:
            yield wire_stop.reached.is_set
        return
    reached = wire.arm(what, when)
    try:
        yield reached.is_set
    finally:
        wire.disarm()


def kill_at(case: Case, at: StopAt, *command: str) -> None:
    """Run `switchyard …` as a process of its own, and kill it where `at` says."""
    with stop_at(case, at) as reached:
        child = case.start(*command)
        wait_for(lambda: reached() or child.poll() is not None, str(at))
        assert child.poll() is None, child.stdout and child.stdout.read()
        child.send_signal(signal.SIGKILL)
        child.wait()


class SourceStop:
    """A source of 3,000 rows that can stand still at its 2,500th, when Sqoop has written two fetches of 1,000."""

    def __init__(self, case: Case) -> None:
        self.case, self.key = case, next(_KEYS)
        case.sql(
            "create table held (now boolean)",
            "insert into held values (false)",
            "create table t (id int primary key, v int)",
            "insert into t select g, 1 from generate_series(1, 3000) g",
            f"""create function pass(id int) returns int language plpgsql volatile as $$
            begin
              if id = 2500 and (select now from "{case.name}".held) then
                if current_setting('stop.seen', true) = '1' then  -- once for the manifest, once for the rows
                  perform pg_advisory_xact_lock_shared(59170, {self.key});
                else
                  perform set_config('stop.seen', '1', false);
                end if;
              end if;
              return id;
            end $$""",
        )
        case.change(
            source={
                "table": None,
                "query": f'select "{case.name}".pass(id) as id, v from "{case.name}".t order by t.id',
            }
        )

    def hold(self) -> Stop:
        """From now on, stand still; a Sqoop that began before is not touched."""
        stop = Stop(self.case.servers, "POSTGRES_URL", self.key)
        self.case.sql("update held set now = true")
        return stop

    def let_pass(self) -> None:
        """Whoever begins from now on does not stand still; whoever stands, stands."""
        self.case.sql("update held set now = false")


def sqoop_of(case: Case) -> psutil.Process:
    """The JVM of this case's Sqoop."""

    def find() -> psutil.Process | None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if "org.apache.sqoop.Sqoop" in command and any(case.name in part for part in command):
                    return process
        return None

    return wait_for(find, "Sqoop to start")
