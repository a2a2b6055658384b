"""`metadata_sync`: re-ingest the schemas of every server that flows touch, with DataHub's sources.

Each source runs in a process of the ingestion environment (`$SWITCHYARD_INGESTION_PYTHON`), because DataHub's SQL
sources and Airflow want different versions of the same libraries. The recipe goes in by standard input, passwords
included, the report comes back by standard output. In the local catalog a source owns one file, replaced whole.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from switchyard import records
from switchyard.catalog.files import Record
from switchyard.catalog.recipes import Recipe
from switchyard.catalog.target import Server, Target
from switchyard.catalog.walk import Catalog
from switchyard.connections.variables import read_variable
from switchyard.errors import AGAIN, RecordUnreadable, ServerUnavailable, StepFailed, SwitchyardError
from switchyard.process import die_with_parent

log = logging.getLogger(__name__)

PYTHON_VARIABLE = "SWITCHYARD_INGESTION_PYTHON"
_SCRIPT = Path(__file__).parent / "ingestion" / "run.py"
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")
_BOILERPLATE = "Pipeline Error: Ingestion pipeline raised an unexpected exception!: "
_SETTINGS = {"DATAHUB_TELEMETRY_ENABLED": "false", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class SourceReport:
    """Counts of one source. `missing` are datasets of flows that it should have brought and did not."""

    source: str
    seconds: float
    events: int
    warnings: tuple[str, ...]
    missing: tuple[str, ...]

    def json(self) -> str:
        """One line for the log."""
        return json.dumps({**self.__dict__, "seconds": round(self.seconds, 2)})


class _RecipeRequest(TypedDict):
    """Asks the ingestion process to run a pipeline of DataHub's, which is a mapping of a form of its own."""

    recipe: dict[str, Any]


class _FieldsRequest(TypedDict):
    """Asks the ingestion process which fields a DataHub server has for these datasets."""

    server: Server
    expected: list[str]


@dataclass(frozen=True)
class _Answer(records.Record):
    """What the ingestion process answers, as `ingestion/run.py` prints it.

    `events`, `warnings` and `failures` are a pipeline's, `fields` are field paths by dataset, `error` is what ended the
    process before it could say more.
    """

    ok: bool
    events: int = 0
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    error: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def without(self, secrets: tuple[str, ...]) -> _Answer:
        """The same answer with every secret in its messages masked."""
        warnings = tuple(_hide(warning, secrets) for warning in self.warnings)
        failures = tuple(_hide(failure, secrets) for failure in self.failures)
        return replace(self, warnings=warnings, failures=failures, error=_hide(self.error, secrets))


def ingest(recipe: Recipe, target: Target, *, timeout_seconds: float = 1800) -> SourceReport:
    """Ingest one server into the catalog.

    Raises:
        ServerUnavailable: the source failed; the catalog keeps what it had.
        StepFailed: the ingestion environment is missing or broken.
    """
    started = time.monotonic()
    partial = _partial(recipe, target)
    try:
        answer = _run_child({"recipe": _pipeline(recipe, target, partial)}, recipe.secrets, timeout_seconds)
        if not answer.ok:
            raise _failed(recipe, target, answer)
        if partial is not None and target.directory is not None:
            partial.replace(target.directory / f"ingested-{recipe.key.name}.json")
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    catalog = read_catalog(target, recipe.expected)
    missing = tuple(urn for urn in recipe.expected if catalog.fields(urn) is None)
    counts = SourceReport(recipe.key.name, time.monotonic() - started, answer.events, answer.warnings, missing)
    log.info("ingested %s", counts.json())
    return counts


def read_catalog(target: Target, datasets: Iterable[str]) -> Catalog:
    """Read the local catalog whole; of a server only the schemas of these datasets (its own UI shows its edges).

    Raises ServerUnavailable when the server does not answer.
    """
    if target.directory is not None:
        return Catalog.load(target.directory)
    assert target.server is not None  # noqa: S101 - a catalog is a directory or a server
    answer = _run_child({"server": target.server, "expected": list(datasets)}, _token(target), 300)
    if not answer.ok:
        raise ServerUnavailable(
            f"DataHub does not answer: {answer.error}",
            where=f"connection {target.connection}",
            cure=f"flows are not affected; check that DataHub runs, and the connection's URL and token; then {AGAIN}",
        )
    return Catalog(_schema_record(urn, paths) for urn, paths in answer.fields.items())


def _schema_record(urn: str, paths: Iterable[str]) -> Record:
    fields = [{"fieldPath": path} for path in paths]
    return {"entityUrn": urn, "aspectName": "schemaMetadata", "aspect": {"json": {"fields": fields}}}


def _partial(recipe: Recipe, target: Target) -> Path | None:
    """Return the file to write first: a failed ingestion truncates its file, so it must not be the catalog's own."""
    if target.directory is None:
        return None
    target.directory.mkdir(parents=True, exist_ok=True)
    return target.directory / f".ingested-{recipe.key.name}-{os.getpid()}.partial"


def _pipeline(recipe: Recipe, target: Target, partial: Path | None) -> dict[str, Any]:
    pipeline: dict[str, Any] = {
        "source": {"type": recipe.type, "config": dict(recipe.config)},
        "transformers": [{"type": name, "config": {}} for name in recipe.transformers],
    }
    if partial is not None:
        return {**pipeline, "sink": {"type": "file", "config": {"filename": str(partial)}}}
    pipeline["source"]["config"]["stateful_ingestion"] = {"enabled": True, "remove_stale_metadata": True}
    sink = {"type": "datahub-rest", "config": target.server}
    return {**pipeline, "pipeline_name": f"switchyard__{recipe.key.name}", "sink": sink}


def _run_child(request: _RecipeRequest | _FieldsRequest, secrets: tuple[str, ...], timeout_seconds: float) -> _Answer:
    """Run the script with a request on its standard input; returns the last line of its standard output."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _SETTINGS
    try:
        child = subprocess.run(
            [_python(), str(_SCRIPT)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env=environment,
            timeout=timeout_seconds,
            check=False,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailed(
            f"reading schemas into the catalog took longer than {timeout_seconds:.0f} s and was stopped",
            where="DAG metadata_sync",
            cure="flows are not affected; look at the server that the task is named after, which does not answer; then "
            + AGAIN,
        ) from error
    messages = _hide(child.stderr, secrets)
    log.debug("messages of the ingestion process: %s", messages)
    try:
        answer = _Answer.from_text(child.stdout.strip().splitlines()[-1], str(_SCRIPT))
    except (IndexError, RecordUnreadable) as error:
        raise StepFailed(
            f"the process that reads schemas ended with exit code {child.returncode} and no report: {messages[-2000:]}",
            where=PYTHON_VARIABLE,
            cure="install requirements/ingestion.txt into the environment of that Python: uv pip sync "
            "--require-hashes requirements/ingestion.txt",
        ) from error
    return answer.without(secrets)


def _python() -> str:
    python = read_variable(PYTHON_VARIABLE)
    if not Path(python).is_file():
        raise StepFailed(
            f"the environment that reads schemas has no Python at {python!r}",
            where=PYTHON_VARIABLE,
            cure=f"set {PYTHON_VARIABLE} to the Python of an environment made from requirements/ingestion.txt",
        )
    return python


def _failed(recipe: Recipe, target: Target, answer: _Answer) -> SwitchyardError:
    messages = [message.removeprefix(_BOILERPLATE) for message in answer.failures or (answer.error,)]
    return ServerUnavailable(
        f"the schemas of {recipe.key.kind} were not read into the catalog: {'; '.join(messages)[:1500]}",
        where=f"connection {recipe.key.connection}",
        cure="flows are not affected; check that the server runs and the connection's host, port, login and password"
        f"{f', and those of the catalog, connection {target.connection}' if target.server else ''}; then {AGAIN}",
    )


def _token(target: Target) -> tuple[str, ...]:
    token = target.server["token"] if target.server else None
    return (token,) if token else ()


def _hide(text: str, secrets: Iterable[str]) -> str:
    """A text with every secret in it masked."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
