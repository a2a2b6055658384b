"""The `sqoop` engine: Sqoop 1.4.7 as a child process, in LocalJobRunner or on YARN as its configuration says."""

from __future__ import annotations

import logging
import os
import re
import shlex
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from switchyard.connections import Connection
from switchyard.connections.postgres import read_extras
from switchyard.connections.session_limits import explain_lost
from switchyard.connections.sqlstates import find_words
from switchyard.connections.variables import read_variable
from switchyard.errors import AGAIN, ConnectionUnusable, ServerUnavailable, StepFailed, SwitchyardError
from switchyard.extract.engine import ExtractRequest
from switchyard.extract.jdbc import escape_marks, write_url
from switchyard.extract.postgres import explain_state
from switchyard.process import run_child

log = logging.getLogger(__name__)

_TAIL_LINES = 30
_ZONE = "UTC"
"""pgjdbc sets DateStyle and TimeZone itself, the latter to the JVM's, and leaves the rest to the login (seen)."""
_APPLICATION = "switchyard"
_READ_ONLY = {"readOnly": "true", "readOnlyMode": "always"}
_POLL_MILLISECONDS = 100
"""How often Sqoop asks whether its job has ended. By default a second: a quarter of a small import."""
_LONGEST_ARGUMENT = 100_000
_ERROR = re.compile(r"(ERROR|Exception|Caused by|No space left|could only be written|OutOfMemoryError|Server SQLState)")
_FROM_POSTGRES = re.compile(r"PSQLException: (.*)")
_STATE = re.compile(r"Server SQLState: ([0-9A-Z]{5})\b")
_LOGGING = """\
handlers = java.util.logging.ConsoleHandler
.level = INFO
org.postgresql.util.ServerErrorMessage.level = FINEST
"""
"""For java.util.logging: at this level pgjdbc adds the SQLSTATE to the text of its exceptions, and logs no more."""
_NO_MEMORY = re.compile(r"OutOfMemoryError|Ran out of memory retrieving query results|GC overhead limit")
_HDFS_FULL = re.compile(r"could only be written to|No space left|QuotaExceededException|quota\b.* is exceeded")
_HDFS_FORBIDS = re.compile(r"AccessControlException|Permission denied: user=")
_NO_HDFS = re.compile(
    r"Call From .* failed|End of File Exception between|SafeModeException|NoRouteToHost|All datanodes .* are bad"
)


class SqoopEngine:
    """Runs `sqoop import`. The command is `$SWITCHYARD_SQOOP`, by default `sqoop` on the PATH."""

    def extract(self, request: ExtractRequest) -> None:
        """Run one import; the password goes through a file that only we can read, and which is gone afterwards."""
        password_file = _write_password(request.scratch, request.source.password)
        tail: deque[str] = deque(maxlen=_TAIL_LINES)

        def on_line(line: str) -> None:
            log.info("sqoop: %s", line)
            if _ERROR.search(line):
                tail.append(line)

        environment = {
            **os.environ,
            "TZ": _ZONE,
            "JAVA_TOOL_OPTIONS": _jvm_options(request.scratch, os.environ.get("JAVA_TOOL_OPTIONS", "")),
            **({"HADOOP_USER_NAME": request.hdfs.login} if request.hdfs.login else {}),
        }
        began = time.monotonic()
        try:
            code = run_child(build_command(request, password_file), on_line, environment, request.scratch)
        except FileNotFoundError as error:
            raise StepFailed(
                f"the command {sqoop_command()[0]!r} does not exist",
                where="engine sqoop",
                cure="install Sqoop 1.4.7 and put it on the PATH, or name it in SWITCHYARD_SQOOP",
            ) from error
        finally:
            password_file.unlink(missing_ok=True)
        if code != 0:
            raise _failure(request, code, list(tail), time.monotonic() - began)


def sqoop_command() -> list[str]:
    """The command to start Sqoop with; raises StepFailed for one that no shell could read."""
    command = read_variable("SWITCHYARD_SQOOP", "sqoop")
    try:
        return shlex.split(command)
    except ValueError as error:
        raise StepFailed(
            f"the command {command!r} cannot be divided into words: {error}",
            where="environment variable SWITCHYARD_SQOOP",
            cure="close its quotes, or name Sqoop's program alone",
        ) from error


def build_command(request: ExtractRequest, password_file: Path) -> list[str]:
    """The whole argv. It holds names and SQL, never a secret."""
    source = request.source
    command = [
        *sqoop_command(),
        "import",
        *("-D", f"mapreduce.job.name={request.name}"),
        *("-D", f"mapreduce.map.env.TZ={_ZONE}"),
        *("-D", f"mapreduce.client.progressmonitor.pollinterval={_POLL_MILLISECONDS}"),
        *("--connect", write_url(source, _parameters(request))),
        *("--username", source.login),
        *("--password-file", password_file.as_uri()),
        *_query(request),
        *("--target-dir", request.target),
        *("--num-mappers", str(request.mappers)),
        *("--fetch-size", str(request.fetch_rows)),
        *("--bindir", str(request.scratch / "classes")),
        *("--outdir", str(request.scratch / "sources")),
        "--as-textfile",
    ]
    if request.mappers > 1 and request.split_by is not None and request.statement.boundary is not None:
        # commons-cli takes the quotes off an argument that is all in quotes; brackets keep them.
        command += ["--split-by", f"({request.split_by})", "--boundary-query", request.statement.boundary]
    return command


def _jvm_options(scratch: Path, inherited: str) -> str:
    """Options by which an error's SQLSTATE is printed in any language of the server, and pgjdbc's own words in English.

    `lc_messages` would do for the words, but only a superuser may set it. Options of the command line win over these.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    settings = scratch / "logging.properties"
    settings.write_text(_LOGGING, encoding="utf-8")
    return f'{inherited} -Duser.language=en "-Djava.util.logging.config.file={settings}"'.strip()


def _parameters(request: ExtractRequest) -> dict[str, str]:
    """Of the URL: what the connection's extras ask for; in `options` ours come last, so that they win."""
    extras = read_extras(request.source).jdbc
    options = " ".join(text for text in (extras.get("options"), request.options) if text)
    return {"ApplicationName": _APPLICATION, **extras, **_READ_ONLY, **({"options": options} if options else {})}


def _query(request: ExtractRequest) -> list[str]:
    """`--query`, by a file when Linux would not take it as one argument (MAX_ARG_STRLEN, 128 KiB).

    Sqoop prepares it, so that pgjdbc looks for parameters; the boundary query it does not.
    """
    query = escape_marks(request.statement.query)
    if len(query.encode()) < _LONGEST_ARGUMENT:
        return ["--query", query]
    if "\n" in query:  # a line of the file is an option
        length = len(query.encode())
        raise StepFailed(
            f"the statement has {length:,} bytes in several lines, and Sqoop takes so long a one only in one line",
            where=f"Sqoop job {request.name}",
            cure="write source.query and source.where in one line (YAML: >-), or read a view of the query",
        )
    request.scratch.mkdir(parents=True, exist_ok=True)
    path = request.scratch / "query.options"
    path.write_text(f"--query\n{query}\n", encoding="utf-8")
    return ["--options-file", str(path)]


def _write_password(scratch: Path, password: str) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "password"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    return path


def _failure(request: ExtractRequest, code: int, tail: Sequence[str], lived: float = 0) -> SwitchyardError:
    whole = "\n".join(tail)
    last_lines = tail[-6:]
    text = "\n  ".join(last_lines) or "Sqoop gave no reason"
    source, hdfs = request.source, request.hdfs
    if _NO_MEMORY.search(whole):
        return _no_memory(request)
    answer = _answer_of_postgres(tail)
    if answer is not None:
        words, sqlstate = answer
        if sqlstate or find_words(words):
            explained = explain_lost(sqlstate, words, source, lived)
            return explain_state(explained.state, explained.words, source, explained.code)
    if (fault := _fault_of_hdfs(hdfs, whole, text)) is not None:
        return fault
    signal = -code
    how = f"was killed by signal {signal}" if code < 0 else f"ended with exit code {code}"
    cure = f"nothing was published; {AGAIN}; if it fails again, read Sqoop's whole output in the log of the task"
    return StepFailed(f"Sqoop {how}:\n  {text}", where=f"Sqoop job {request.name}", cure=cure)


def _fault_of_hdfs(hdfs: Connection, whole: str, text: str) -> SwitchyardError | None:
    """What HDFS refused, if it did: `whole` is what Sqoop printed of errors, `text` the end of it, for people."""
    if _HDFS_FORBIDS.search(whole):
        user = f"user {hdfs.login}" if hdfs.login else "the user of this process"
        return ConnectionUnusable(
            f"HDFS at {hdfs.address} does not let {user} write the load's files:\n  {text}",
            where=f"connection {hdfs.conn_id}",
            cure=f"nothing was published; give the user that right (hdfs dfs -chown, -setfacl); then {AGAIN}",
        )
    if _HDFS_FULL.search(whole):
        return StepFailed(
            f"HDFS at {hdfs.address} has no room for the load's files:\n  {text}",
            where=f"connection {hdfs.conn_id}",
            cure="free space on the DataNodes (or start them, or raise the directory's quota); then "
            f"{AGAIN}; nothing was published",
        )
    if _NO_HDFS.search(whole):
        return ServerUnavailable(
            f"Sqoop could not write to HDFS at {hdfs.address}:\n  {text}",
            where=f"connection {hdfs.conn_id}",
            cure="nothing was published; check that NameNode and DataNode run and are out of safe mode; then " + AGAIN,
        )
    return None


def _answer_of_postgres(lines: Sequence[str]) -> tuple[str, str] | None:
    """The words and SQLSTATE of PostgreSQL's first answer; without one, pgjdbc's own first words and an empty text."""
    answers: list[str] = []
    for line in lines:
        if answer := _FROM_POSTGRES.search(line):
            answers.append(answer[1])
        elif answers and (state := _STATE.search(line)):
            return answers[-1], state[1]
    return (answers[0], "") if answers else None


def _no_memory(request: ExtractRequest) -> SwitchyardError:
    return StepFailed(
        f"Sqoop's heap was too small: it held {request.fetch_rows} rows at once",
        where=f"Sqoop job {request.name}",
        cure="nothing was published; give Sqoop's JVM more memory (-Xmx in HADOOP_CLIENT_OPTS, on YARN "
        "mapreduce.map.java.opts), or leave the widest rows out with source.where",
    )
