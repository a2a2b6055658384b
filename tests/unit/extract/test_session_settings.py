"""Settings that a value's text or the meaning of our SQL depends on: each is held, or refused by its name."""

from dataclasses import replace

import pytest

from switchyard.errors import SourceRefused
from switchyard.extract.session import HELD, SAME, SourceSession, require_same, session_row, startup_options

GOOD = {
    "extra_float_digits": "1",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "transaction_read_only": "on",
    "row_security": "on",
    "gin_fuzzy_search_limit": "0",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
}
BAD = {
    "extra_float_digits": ["-5", "0"],
    "DateStyle": ["German, DMY", "Postgres, MDY", "SQL, DMY"],
    "IntervalStyle": ["iso_8601", "sql_standard", "postgres_verbose"],
    "TimeZone": ["Europe/Berlin", "EST"],
    "bytea_output": ["escape"],
    "client_encoding": ["LATIN1"],
    "standard_conforming_strings": ["off"],
    "quote_all_identifiers": ["on"],
    "transaction_read_only": ["off"],
    "row_security": ["off"],
    "gin_fuzzy_search_limit": ["100"],
    "zero_damaged_pages": ["on"],
    "ignore_checksum_failure": ["on"],
}
SESSION = SourceSession(
    database="sales",
    address="10.0.0.1",
    port=5432,
    started="2026-11-27 18:33:32.925245",
    standby=False,
    login="reader",
    schemas="pg_catalog, public",
    settings={**dict.fromkeys(SAME, "x"), **GOOD},
    options={},
)


def with_setting(name: str, value: str) -> SourceSession:
    return replace(SESSION, settings={**SESSION.settings, name: value})


def test_every_setting_of_ours_is_tried_here() -> None:
    assert {setting.name for setting in HELD} == set(GOOD) == set(BAD)
    require_same("Sqoop", SESSION, SESSION)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_setting_that_does_not_hold_is_refused_with_its_cure(name: str, value: str) -> None:
    with pytest.raises(SourceRefused, match=name) as caught:
        require_same("Sqoop", with_setting(name, value), SESSION)
    assert 'alter role "reader" set' in caught.value.cure
    assert value in caught.value.what


@pytest.mark.parametrize("schemas", ["own, pg_catalog, public", "public", ""])
def test_our_functions_are_postgresqls(schemas: str) -> None:
    with pytest.raises(SourceRefused, match="search_path"):
        require_same("Sqoop", replace(SESSION, schemas=schemas), None)


def test_a_temporary_schema_holds_no_functions() -> None:
    session = replace(SESSION, schemas="pg_temp_3, pg_catalog, public")
    assert session.differences(replace(SESSION, schemas="pg_temp_35, pg_catalog, public")) == []
    assert session.differences(SESSION) != []
    require_same("Sqoop", session, session)


@pytest.mark.parametrize("name", [name for name in SAME if name not in ("search_path", "DateStyle")])
def test_a_setting_that_is_the_logins_must_be_what_the_plan_saw(name: str) -> None:
    with pytest.raises(SourceRefused, match=f"{name} y, and the plan saw x"):
        require_same("Sqoop", with_setting(name, "y"), SESSION)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replace(SESSION, database="sales eu"), "database sales eu, and the plan saw sales"),
        (replace(SESSION, started="2026-11-27 19:00:00.000001"), "server .* started"),
        (replace(SESSION, standby=True), "a standby"),
        (replace(SESSION, login="other"), "user other"),
        (replace(SESSION, schemas="pg_catalog, other"), "schemas pg_catalog, other"),
        (with_setting("DateStyle", "ISO, DMY"), "DateStyle ISO, DMY"),
    ],
)
def test_another_database_server_or_user_is_refused_by_name(other: SourceSession, named: str) -> None:
    with pytest.raises(SourceRefused, match=named) as caught:
        require_same("Sqoop", other, SESSION)
    assert "nothing was published" in caught.value.cure


def test_one_server_may_have_several_addresses() -> None:
    require_same("Sqoop", replace(SESSION, address="::1"), SESSION)


def test_a_load_that_an_earlier_release_planned_has_nothing_to_compare_with() -> None:
    require_same("Sqoop", replace(SESSION, database="other"), None)
    with pytest.raises(SourceRefused):
        require_same("Sqoop", with_setting("bytea_output", "escape"), None)


def test_a_session_goes_through_the_ledger() -> None:
    assert SourceSession.from_json(SESSION.to_json()) == SESSION


def test_only_what_the_login_lacks_is_asked_for_at_startup() -> None:
    assert startup_options(SESSION) == ""
    wanted = replace(SESSION, options={"extra_float_digits": "1", "search_path": 'pg_catalog, "a b", c\\d'})
    assert startup_options(wanted) == '-c extra_float_digits=1 -c search_path=pg_catalog,\\ "a\\ b",\\ c\\\\d'
    assert "-c standard_conforming_strings=on" in startup_options(None)


def test_the_row_has_no_literal_that_a_setting_changes() -> None:
    assert "\\" not in session_row()
