"""A proxy between a case and one of its servers, which stands still at a given request, or dies.

`Wire` is one for a whole case; `WireStop` is one for a single stop.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from harness.cases import Case

When = Literal["before", "after"]


class _Stop:
    """Where a wire stands still: at the first request that holds `pattern`, until it is cut."""

    def __init__(self, pattern: bytes, when: When) -> None:
        self.pattern = pattern
        self.when = when
        self.reached = threading.Event()
        self.cut = threading.Event()
        self.is_late = False

    def stand_still(self) -> None:
        self.reached.set()
        self.cut.wait()


class _Pair:
    """A client's connection to the wire, and the wire's to the server. They end together."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.stop: _Stop | None = None

    def end(self) -> None:
        _end(self.client)
        _end(self.server)


def _end(one: socket.socket) -> None:
    """Shut down, too: a thread that waits for a socket does not hear that it was closed."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


class Wire:
    """A TCP proxy that a case reaches a connection's server through, from here on. It passes everything on until `arm`.

    A server behind one port from the beginning is the same server to what remembers addresses (the cache's gate does).
    """

    def __init__(self, case: Case, conn_id: str) -> None:
        connection = case.connections.get(conn_id)
        self.target = (connection.host, connection.port)
        self._stop: _Stop | None = None
        self._kept: list[bytes] | None = None
        self._open: set[_Pair] = set()
        self._lock = threading.Lock()
        self._closed = False
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

    def arm(self, pattern: bytes, when: When) -> threading.Event:
        """Stand still for good at the next request that holds `pattern`; the event says that it came.

        `before`: the server never sees that request. `after`: the server has answered it, and the client never hears.
        """
        self._stop = _Stop(pattern, when)
        return self._stop.reached

    def let_go(self) -> None:
        """Pass on the request that stands still before its server, and all that follow: it was late and no more."""
        stop = self._stop
        assert stop is not None and stop.when == "before", "no request stands still before its server"
        self._stop = None
        stop.is_late = True
        stop.cut.set()

    def listen(self) -> None:
        """Keep what clients send from here on, for `count`."""
        self._kept = []

    def count(self, method: bytes) -> int:
        """How often a method was called since `listen`, by its name on the wire."""
        assert self._kept is not None, "nobody listened"
        return b"".join(self._kept).count(method)

    def disarm(self) -> None:
        """Pass everything on again; all who are connected are cut off."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop.cut.set()
        with self._lock:
            pairs = list(self._open)
        for pair in pairs:
            pair.end()

    def close(self) -> None:
        """End all connections, as a server's death does; nobody can open a new one."""
        self._closed = True
        _end(self._server)
        self.disarm()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:  # it is down: so are we
                client.close()
                continue
            pair = _Pair(client, server)
            with self._lock:
                self._open.add(pair)
            if self._closed:
                pair.end()
            for work in (self._requests, self._answers):
                threading.Thread(target=self._pass, args=(work, pair), daemon=True).start()

    def _pass(self, work: Callable[[_Pair], None], pair: _Pair) -> None:
        """One direction of a pair; when one ends, both do."""
        try:
            with contextlib.suppress(OSError):
                work(pair)
        finally:
            pair.end()
            with self._lock:
                self._open.discard(pair)

    def _requests(self, pair: _Pair) -> None:
        seen = b""
        while data := pair.client.recv(1 << 16):
            stop = self._stop
            if stop is not None and not stop.reached.is_set():
                seen = seen[-len(stop.pattern) + 1 :] + data
                if stop.pattern in seen:
                    pair.stop = stop
                    if stop.when == "before":
                        stop.stand_still()
                        if not stop.is_late:
                            return
                        pair.stop = None
            if self._kept is not None:
                self._kept.append(data)
            pair.server.sendall(data)

    def _answers(self, pair: _Pair) -> None:
        while data := pair.server.recv(1 << 16):
            if pair.stop is not None:
                pair.stop.stand_still()
                return
            pair.client.sendall(data)


def put_behind_wires(case: Case, *conn_ids: str) -> None:
    """Let a case reach these servers by wires from here on: its clean-up closes them."""
    for conn_id in conn_ids:
        case.wires[conn_id] = Wire(case, conn_id)
        case.wires[conn_id].start()


class WireStop(Wire):
    """A wire for one stop. At the first request that holds `pattern` it stands still for good."""

    def __init__(self, case: Case, conn_id: str, pattern: bytes, when: When) -> None:
        super().__init__(case, conn_id)
        self.reached = self.arm(pattern, when)

    def __enter__(self) -> WireStop:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cut()
        self._case.restore(self._conn_id, self._before)

    def cut(self) -> None:
        """End all connections, as a server's death does; nobody can open a new one."""
        self.close()
