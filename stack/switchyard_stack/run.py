"""`up` and `down`: start what is missing in the order of needs, in parallel, until every server is really healthy."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from switchyard_stack.errors import NotHealthy, PortTaken, StackError
from switchyard_stack.layout import Layout
from switchyard_stack.passwords import remembered_secrets
from switchyard_stack.ports import is_free, remembered_ports
from switchyard_stack.prerequisites import find_programs
from switchyard_stack.processes import end_processes, find_listener, find_ours
from switchyard_stack.render import Site
from switchyard_stack.services import Service, with_needs
from switchyard_stack.supervision import Supervisor

Tell = Callable[[str, str], None]  # (service, phrase)
_TAIL_LINES = 15
_TAIL_WIDTH = 240


def open_site(layout: Layout) -> Site:
    """The stack of this state directory: ports and secrets are chosen at first use."""
    import os

    programs = find_programs(as_root=os.geteuid() == 0)
    layout.make_directories()
    ports = remembered_ports(layout.ports_file, bound=(layout.data / "postgres").exists())
    return Site(layout, ports, remembered_secrets(layout.secrets_file), programs)


@contextlib.contextmanager
def only_one(layout: Layout, tell: Tell, *, patience: float = 300) -> Iterator[None]:
    """One `up`, `down`, `stop` or `reset` at a time per state; the lock dies with its process."""
    layout.run.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (layout.run / "stack.lock").open("a") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise StackError(
                    f"another stack command is at work on {layout.state}", cure="wait for it, then try again"
                )
            if deadline - time.monotonic() > patience - 0.3:
                tell("stack", "waiting for another stack command on this state")
            time.sleep(0.3)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass
class Starter:
    """Starts services of one site."""

    site: Site
    tell: Tell
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.site)

    def start_all(self, services: Mapping[str, Service]) -> None:
        """Start all, needs first, in parallel where possible. Raises the first failure after what was begun ended."""
        order = TopologicalSorter({name: set(service.needs) & set(services) for name, service in services.items()})
        order.prepare()
        running: dict[Future[None], str] = {}
        failures: list[BaseException] = []
        with ThreadPoolExecutor(max_workers=len(services) or 1) as pool:
            while order.is_active():
                for name in order.get_ready() if not failures else ():
                    running[pool.submit(self.start, services[name])] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if error := future.exception():
                        failures.append(error)
                    else:
                        order.done(name)
        if failures:
            raise failures[0]

    def start(self, service: Service) -> None:
        """Start one service and wait for its health; only looks when it runs already."""
        started = time.monotonic()
        if service.is_step:
            service.prepare(self.site)
            self.tell(service.name, f"done ({time.monotonic() - started:.1f} s)")
            return
        fresh = not self.supervisor.state(service.name).running
        if fresh:
            self._make_room(service)
            self.tell(service.name, "starting")
            service.prepare(self.site)
            self.supervisor.start(service.name)
        phrase = self._await_health(service)
        service.finish(self.site)
        self.tell(
            service.name,
            f"[green]healthy[/]: {phrase}" + (f" ({time.monotonic() - started:.1f} s)" if fresh else ", was running"),
        )

    def _make_room(self, service: Service) -> None:
        """End what a killed server left behind; refuse a port that a stranger holds."""
        leftovers = [ours.process for ours in find_ours(self.site.layout.state) if ours.service == service.name]
        if leftovers:
            self.tell(service.name, f"ending {len(leftovers)} orphaned process(es)")
            end_processes(leftovers)
        for name in service.ports:
            port = self.site.ports[name]
            if not is_free(port):
                holder = find_listener(port) or "a process that we cannot see"
                raise PortTaken(
                    f"{service.title}: port {port} ({name}) is held by {holder}",
                    cure="stop it, or, if this stack holds no data yet, `switchyard stack reset` chooses other ports",
                )

    def _await_health(self, service: Service) -> str:
        deadline = time.monotonic() + service.patience
        last = "no answer yet"
        while time.monotonic() < deadline:
            try:
                return service.check(self.site)
            except Exception as error:
                last = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            state = self.supervisor.state(service.name)
            if not state.running:
                raise self._failure(service, f"it ended: {state.text}")
            time.sleep(0.2)
        raise self._failure(service, f"not healthy after {service.patience:.0f} s: {last}")

    def _failure(self, service: Service, what: str) -> NotHealthy:
        log = self.site.layout.logs / f"{service.name}.log"
        return NotHealthy(
            f"{service.title}: {what}\n{tail(log)}",
            cure=f"`switchyard stack logs {service.name}` shows more; `switchyard stack up` tries again",
        )


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The end of a log."""
    if not path.exists():
        return "(no log)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64_000))
        text = file.read().decode(errors="replace").splitlines()
    return "\n".join(line[:_TAIL_WIDTH] for line in text[-lines:])


def stop_all(site: Site, tell: Tell, names: set[str] | None = None) -> None:
    """Stop in the reverse order of needs, in parallel; without names everything, supervisord included."""
    from switchyard_stack.services import SERVICES

    supervisor = Supervisor(site)
    running = {name for name, state in supervisor.states().items() if state.running and name in (names or SERVICES)}
    needed_by: dict[str, set[str]] = {name: set() for name in running}
    for name in running:
        for need in with_needs({name}).keys() & running - {name}:
            needed_by[need].add(name)
    order = TopologicalSorter(needed_by)
    order.prepare()
    with ThreadPoolExecutor(max_workers=len(running) or 1) as pool:
        while order.is_active():
            ready = order.get_ready()
            for name, _ in zip(ready, pool.map(supervisor.stop, ready), strict=True):
                tell(name, "stopped")
                order.done(name)
    if names is None:
        supervisor.shutdown()
        end_processes([ours.process for ours in find_ours(site.layout.state)])
