"""The table of SQLSTATEs, walked: every code and every message that people meet leads to its own cause and cure."""

import re

import pytest

from switchyard.connections.sqlstates import OTHER, SQLSTATES, SqlState, explain, find_words

OF_DRIVERS = [row for row in SQLSTATES if not row.code]
TLS = [
    # what libpq or pgjdbc say before there is a session, and a word of the cure
    ("server does not support SSL, but SSL was required", "ssl = on"),
    ("The server does not support SSL.", "ssl = on"),
    ("SSL error: certificate verify failed", "sslrootcert"),
    ('server certificate for "a.example" does not match host name "b.example"', "the host"),
    ('server certificate for "a.example" (and 2 other names) does not match host name "b.example"', "the host"),
    ("Unable to find valid certification path to requested target", "sslrootcert"),
    ("PKIX path building failed", "sslrootcert"),
    ("The hostname vm could not be verified by hostnameverifier PgjdbcHostnameVerifier.", "the host"),
    ('root certificate file "/root/.postgresql/root.crt" does not exist', "sslrootcert"),
    ("NotAfter: Thu Nov 26 22:00:00 UTC 2026", "renew"),
    ("FATAL:  connection requires a valid client certificate", "sslcert"),
    ("SSL error: tlsv13 alert certificate required", "sslcert"),
    ("Received fatal alert: handshake failure: sslv3 alert handshake failure", "sslcert"),
    ('FATAL:  certificate authentication failed for user "x"', "sslcert"),
]
MET = [
    # code, what PostgreSQL, libpq or pgjdbc say, a word of the cure, whether running again may help
    ("08P01", "FATAL: unsupported startup parameter: extra_float_digits", "ignore_startup_parameters", False),
    ("08P01", "FATAL:  unsupported startup parameter in options: extra_float_digits", "pooler", False),
    ("08P01", "transaction blocks not allowed in statement pooling mode", "pool_mode = session", False),
    ("08001", "Connection to 127.0.0.1:5 refused. Check that the hostname and port are correct", "host and port", True),
    ("08006", "An I/O error occurred while sending to the backend.", "PostgreSQL's log", True),
    ("08006", "This connection has been closed.", "PostgreSQL's log", True),
    ("08006", "consuming input failed: server closed the connection unexpectedly", "25P03", True),
    ("08006", "consuming input failed: could not receive data from server: Connection reset by peer", "log", True),
    ("08006", "sending query failed: could not send data to server: Broken pipe", "log", True),
    ("08006", "SSL connection has been closed unexpectedly", "log", True),
    ("08006", "the connection is lost", "log", True),
    (
        "25P03",
        "consuming input failed: terminating connection due to idle-in-transaction timeout\nserver closed the "
        "connection unexpectedly",
        "idle_in_transaction",
        False,
    ),
    ("08001", 'could not translate host name "nowhere" to address: Name or service not known', "host and port", True),
    ("08001", "failed to resolve host 'nowhere': [Errno -2] Name or service not known", "host and port", True),
    ("08001", "connection timeout expired", "host and port", True),
    ("22012", "ERROR: division by zero", "source.where", False),
    ("22P02", 'ERROR: invalid input syntax for type integer: "x"', "source.query", False),
    ("22003", "ERROR: integer out of range", "mend the rows", False),
    ("21000", "ERROR: more than one row returned by a subquery used as an expression", "source.query", False),
    ("25P03", "FATAL: terminating connection due to idle-in-transaction timeout", "idle_in_transaction", False),
    ("25P04", "FATAL: terminating connection due to transaction timeout", "transaction_timeout", False),
    ("25006", "ERROR: cannot execute INSERT in a read-only transaction", "source.query", False),
    ("28P01", 'FATAL: password authentication failed for user "x"', "password", False),
    ("28000", 'FATAL: no pg_hba.conf entry for host "1.2.3.4", user "x", database "y", no encryption', "pg_hba", False),
    ("28000", 'FATAL: role "x" does not exist', "login", False),
    ("3D000", 'FATAL: database "y" does not exist', "schema", False),
    ("3F000", 'ERROR: schema "s" does not exist', "source.table", False),
    ("40001", "ERROR: canceling statement due to conflict with recovery", "hot_standby_feedback", True),
    ("40P01", "ERROR: deadlock detected", "repeat your command", True),
    ("42501", "ERROR: permission denied for table t", "grant", False),
    ("42601", 'ERROR: syntax error at or near "form"', "source.where", False),
    ("42703", 'ERROR: column "nope" does not exist', "source.columns", False),
    ("42883", "ERROR: function nope(integer) does not exist", "source.where", False),
    ("42P01", 'ERROR: relation "public.nope" does not exist', "source.table", False),
    ("53100", 'ERROR: could not extend file "base/1/2": No space left on device', "disk|space", False),
    ("42702", 'ERROR: column reference "id" is ambiguous', "source.query", False),
    ("53200", "ERROR: out of memory", "memory", False),
    ("53400", "ERROR: temporary file size exceeds temp_file_limit (1kB)", "raise the limit", False),
    ("58030", 'ERROR: could not read block 3 in file "base/1/2": Input/output error', "disk", False),
    ("53300", "FATAL: sorry, too many clients already", "max_connections", True),
    ("53300", 'FATAL: too many connections for role "x"', "CONNECTION LIMIT", True),
    (
        "53300",
        "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "max_conn",
        True,
    ),
    ("54011", "ERROR: target lists can have at most 1664 entries", "fewer columns", False),
    ("55P03", "ERROR: canceling statement due to lock timeout", "lock_timeout", True),
    ("55000", 'ERROR: materialized view "m" has not been populated', "REFRESH", False),
    ("57014", "ERROR: canceling statement due to statement timeout", "statement_timeout", False),
    ("57014", "ERROR: canceling statement due to user request", "cancelled", False),
    ("57P01", "FATAL: terminating connection due to administrator command", "restarted", True),
    ("57P03", "FATAL: the database system is starting up", "wait", True),
    ("57P05", "FATAL: terminating connection due to idle-session timeout", "idle_session_timeout", False),
    ("XX001", "ERROR: invalid page in block 3 of relation base/1/2", "backup", False),
]


@pytest.mark.parametrize(("words", "cure"), TLS)
def test_what_goes_wrong_before_a_session_is_told_from_a_dead_server(words: str, cure: str) -> None:
    row = explain(None, words)
    assert row in OF_DRIVERS
    assert cure in row.cure
    assert not row.passes


def test_every_row_without_a_code_is_met() -> None:
    assert {row for words, _ in TLS if (row := find_words(words))} == set(OF_DRIVERS)


@pytest.mark.parametrize(
    ("code", "words", "cure", "passes"), MET, ids=[f"{code} {words[7:40]}" for code, words, *_ in MET]
)
def test_a_code_and_its_words_have_one_cause_and_cure(code: str, words: str, cure: str, passes: bool) -> None:
    by_code = explain(code, "")
    assert explain(None, words) is by_code
    assert re.search(cure, by_code.cure)
    assert by_code.passes is passes


@pytest.mark.parametrize("row", SQLSTATES, ids=lambda row: row.code or row.cause)
def test_a_row_says_what_happened_and_what_to_do(row: SqlState) -> None:
    assert row.code or row.words
    assert row.code == "" or explain(row.code.ljust(5, "Z") if len(row.code) == 2 else row.code, "") is row
    assert row.cause and row.cure
    assert not row.cause.endswith(".")


def test_a_code_has_one_row() -> None:
    codes = [row.code for row in SQLSTATES if row.code]
    assert len(codes) == len(set(codes))


def test_every_pattern_of_words_is_met() -> None:
    met = {explain(code, "").code for code, *_ in MET}
    assert [row.code for row in SQLSTATES if row.code and row.words and row.code not in met] == []


def test_what_nobody_knows_is_no_lost_server() -> None:
    assert explain("ZZ999", "") is OTHER
    assert explain(None, "something in another language") is OTHER
    assert find_words("Call From here to there failed: no reason") is None
