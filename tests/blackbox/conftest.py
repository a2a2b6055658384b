"""The stack that is up, and grounds of each file's own: a source database, a ledger, connections."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.outside.grounds import NEEDED, Grounds, Stores, open_grounds


@pytest.fixture(scope="session")
def stores() -> Stores:
    """Clients of the stack's servers. A stack that is down fails the run."""
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        pytest.fail(
            f"no stack: {', '.join(missing)} not set. `make test` starts one; "
            'or `switchyard stack up` and eval "$(switchyard stack env)"',
            pytrace=False,
        )
    return Stores(dict(os.environ))


@pytest.fixture(scope="module")
def grounds(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """What the tests of one file share."""
    with open_grounds(stores, tmp_path_factory.mktemp("blackbox")) as opened:
        yield opened
