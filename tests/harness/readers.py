"""Readers that run beside a load, and remember every different thing they saw."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any

from harness.servers import Servers
from harness.two_versions import ROWS, TwoVersions
from switchyard.serve.mongo.read import read_retrying


class Reader:
    """Calls `read` in a loop, in a thread; a failed read is kept, too, and fails the test."""

    def __init__(self, name: str, read: Callable[[], tuple[Hashable, int]], pause: float = 0) -> None:
        self.name, self._read, self._pause = name, read, pause
        self.seen: Counter[Hashable] = Counter()
        self.order: list[Hashable] = []
        self.retries = 0
        self.failure: Exception | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        if kind is None and self.failure is not None:
            raise AssertionError(f"{self.name} failed after {self.seen.total()} reads") from self.failure

    def wait_for(self, value: Hashable, seconds: float = 120) -> None:
        """Until it has seen the value. A test that shows two versions waits for each, so that a slow machine proves as
        much as a quick one."""
        end = time.monotonic() + seconds
        while value not in self.seen and self.failure is None:
            assert time.monotonic() < end, f"{self.name}: saw {dict(self.seen)}, and not {value!r} within {seconds} s"
            time.sleep(0.01)

    def _loop(self) -> None:
        while not self._end.is_set():
            try:
                found, retries = self._read()
            except Exception as error:
                self.failure = error
                return
            self.seen[found] += 1
            self.retries += retries
            if self.order[-1:] != [found]:
                self.order.append(found)
            self._end.wait(self._pause)


def hive_reader(
    servers: Servers, statement: str, summary: Callable[[list[Any]], Hashable] = tuple, pause: float = 0
) -> Reader:
    """Reads by one HiveQL statement over and over."""
    return Reader(statement[:40], lambda: (summary(servers.hive(statement)), 0), pause)


def mongo_reader(servers: Servers, collection: str, summary: Callable[[list[Any]], Hashable]) -> Reader:
    """Reads a whole collection over and over, in small batches, as `switchyard.serve.read` tells applications to."""

    def read() -> tuple[Hashable, int]:
        whole = read_retrying(lambda: list(servers.mongo[collection].find({}, batch_size=7)), attempts=200)
        return summary(whole.value), whole.retries

    return Reader(f"MongoDB {collection}", read)


def cache_reader(two: TwoVersions) -> Reader:
    """Point reads through the cache: each key's value is one that one of the two versions has."""
    cache = two.case.cache()
    allowed = {
        key: {str(next((d for d in documents if d["_id"] == key), None)) for documents in two.documents.values()}
        for key in range(ROWS + 2)
    }

    def read() -> tuple[Any, int]:
        found = {key: str(cache.get(key)) for key in allowed}
        strange = {key: value for key, value in found.items() if value not in allowed[key]}
        changed = found[3]
        if strange:
            return str(strange), 0
        return ("b" if "changed" in changed else "a"), 0

    return Reader("cache", read)
