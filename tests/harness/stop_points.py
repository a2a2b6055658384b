"""Where a step can be stopped, from outside: on the wire, in the ledger, in the source. The product has no hook for it.

`Wire` is a proxy that stands still at a given request, before the server gets it or after the server has done it;
`WireStop` is one for a single stop.
`ledger_stop` is a trigger that waits, so that a step stands still with its work done and nothing written down.
`SourceStop` is a source query that waits in the middle of its rows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from types import TracebackType
from typing import Any, Literal

import psutil

from harness.cases import Case
from harness.servers import Servers

When = Literal["before", "after"]
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


class Wire:
    """A TCP proxy that a case reaches a connection's server through, from here on. It passes everything on until `arm`.

    A server behind one port from the beginning is the same server to what remembers addresses (the cache's gate does).
    """

    def __init__(self, case: Case, conn_id: str) -> None:
        connection = case.connections.get(conn_id)
        self.target = (connection.host, connection.port)
        self.reached = threading.Event()
        self._pattern: bytes | None = None
        self._when: When = "before"
        self._stopped: set[int] = set()
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        self._cut = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        # A MongoDB names its own address in its greeting, and a client would go there, past the proxy.
        extra = (
            {"directConnection": "true", **connection.extra} if connection.conn_type == "mongo" else connection.extra
        )
        self._before = case.overridden.get(conn_id)
        case.override(conn_id, host="127.0.0.1", port=self._server.getsockname()[1], extra=extra)
        self._case, self._conn_id = case, conn_id

    def start(self) -> None:
        """Begin to pass on."""
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, pattern: bytes, when: When) -> None:
        """Stand still for good at the next request that holds `pattern`.

        `before`: the server never sees that request. `after`: the server has answered it, and the client never hears.
        """
        self.reached, self._cut = threading.Event(), threading.Event()
        self._when, self._pattern = when, pattern

    def disarm(self) -> None:
        """Pass everything on again; whoever stood still is cut off."""
        self._pattern = None
        self._cut.set()
        self._end(self._open)
        self._open = []
        self._stopped = set()

    def close(self) -> None:
        """End all connections, as a server's death does; nobody can open a new one."""
        self._closed.set()
        self._end([self._server])
        self.disarm()

    @staticmethod
    def _end(sockets: list[socket.socket]) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:  # it is down: so are we
                client.close()
                continue
            self._open += [client, server]
            for work in (self._requests, self._answers):
                threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        seen = b""
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(1 << 16):
                pattern = self._pattern
                if pattern is not None and not self.reached.is_set():
                    seen = seen[-len(pattern) + 1 :] + data
                    if pattern in seen:
                        self._stopped.add(server.fileno())
                        if self._when == "before":
                            self._stand_still()
                            return
                server.sendall(data)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if server.fileno() in self._stopped:
                    self._stand_still()
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def _stand_still(self) -> None:
        cut = self._cut
        self.reached.set()
        cut.wait()


def put_behind_wires(case: Case, *conn_ids: str) -> None:
    """Let a case reach these servers by wires from here on: its clean-up closes them."""
    for conn_id in conn_ids:
        case.wires[conn_id] = Wire(case, conn_id)
        case.wires[conn_id].start()


class WireStop(Wire):
    """A wire for one stop. At the first request that holds `pattern` it stands still for good."""

    def __init__(self, case: Case, conn_id: str, pattern: bytes, when: When) -> None:
        super().__init__(case, conn_id)
        self.arm(pattern, when)

    def __enter__(self) -> WireStop:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cut()
        self._case.restore(self._conn_id, self._before)

    def cut(self) -> None:
        """End all connections, as a server's death does; nobody can open a new one."""
        self.close()


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
    wire.arm(what, when)
    try:
        yield wire.reached.is_set
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
