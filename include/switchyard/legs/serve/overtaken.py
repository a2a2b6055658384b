"""A process that stood still while another run took its load over: it must not write, and says so when it may have.

Before each batch in place the ledger is asked whose the load is. MongoDB itself is not: a process can stand still
between the answer and its write (a stopped machine, a network that delivers late), and then puts documents of an old
version over newer ones. It learns that at its next look, and orders a whole snapshot, as a diff does that found other
documents.
"""

from __future__ import annotations

from switchyard.errors import LedgerStateError
from switchyard.flow.cures import run_again
from switchyard.ledger.loads import Load
from switchyard.ledger.store import Ledger
from switchyard.legs.serve.heal import order_snapshot


class Ownership:
    """Asked before each batch that a load writes in place, and once after the last one.

    Raises LedgerStateError when the load is another run's by now.
    """

    def __init__(self, ledger: Ledger, load: Load) -> None:
        self._ledger, self._load, self._has_written = ledger, load, False

    def __call__(self) -> None:
        """Ask the ledger; raises LedgerStateError."""
        now = self._ledger.get(self._load.load_id)
        if now.state == "publishing":
            self._has_written = True  # when this is asked again
            return
        if not self._has_written:
            raise LedgerStateError(
                f"load {now.load_id} is {now.state}: another run took it over",
                where=f"flow {now.flow}, leg serve",
                cure="do nothing: that run publishes it",
            )
        order_snapshot(self._ledger, now, f"load {now.load_id}")
        raise LedgerStateError(
            f"load {now.load_id} is {now.state}: another run took it over while this process stood still, and this one "
            "may have put documents of an old version over newer ones",
            where=f"flow {now.flow}, leg serve",
            cure=f"{run_again('serve', now.flow)}; the new run replaces the whole collection, and no value that is "
            "cached now is used any more",
        )
