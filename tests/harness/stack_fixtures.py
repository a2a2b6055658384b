"""Fixtures of every suite that needs the stack. Import them into a conftest.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from harness.cases import Case, open_cases
from harness.servers import NEEDED, Servers


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The stack's servers. A stack that is down fails the run: these tests are the product's proof."""
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        pytest.fail(
            f"no stack: {', '.join(missing)} not set. `make test` starts one; "
            'or `switchyard stack up` and eval "$(switchyard stack env)"',
            pytrace=False,
        )
    found = Servers(dict(os.environ))
    try:
        found.postgres("select 1")
        found.hive("select 1")
        found.redis.ping()
        found.mongo_client.admin.command("ping")
        found.webhdfs("LISTSTATUS", "/")
    except Exception as error:
        pytest.fail(f"the stack is not well ({error}): switchyard stack status; switchyard stack up", pytrace=False)
    return found


@pytest.fixture
def new_case(servers: Servers, tmp_path: object) -> Iterator[Callable[..., Case]]:
    """Makes flows for one test."""
    with open_cases(servers, tmp_path) as make:
        yield make
