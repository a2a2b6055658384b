"""The stack without servers: ports, secrets, configuration, the environment that clients get."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("switchyard_stack")

from supervisor.options import ServerOptions

from switchyard_stack import artifacts, environment, prerequisites, supervision
from switchyard_stack.errors import MissingPrograms, StackError
from switchyard_stack.layout import CHECKOUT, Layout
from switchyard_stack.passwords import remembered_secrets
from switchyard_stack.ports import PREFERRED, choose_ports, remembered_ports
from switchyard_stack.prerequisites import Programs
from switchyard_stack.render import Site, airflow_settings, render_all, sqoop_archive
from switchyard_stack.services import SERVICES, with_needs


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A decided stack, with classpaths that Maven did not write."""
    layout = Layout(tmp_path / "st")
    layout.make_directories()
    for module in artifacts.MODULES:
        (layout.classpaths / f"{module}.classpath").write_text(f"/jars/{module}-a.jar:/jars/{module}-b.jar")
    programs = Programs(Path("/jdk"), Path("/usr/bin/mvn"), Path("/pg/bin"), Path("/usr/bin/redis-server"), Path("/sp"))
    return Site(layout, choose_ports({}, lambda port: True), remembered_secrets(layout.secrets_file), programs)


# --- the machine's own name


@pytest.mark.parametrize("resolves", [True, False])
def test_every_jvm_knows_the_machines_own_name(site: Site, monkeypatch: pytest.MonkeyPatch, resolves: bool) -> None:
    """Hadoop asks for the address of its own host, and ends without one; usual is a name that only `hostname` knows."""
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost" if resolves else "nobody-knows.invalid")
    render_all(site)
    assert (site.layout.conf / "hosts").read_text().split() == ["127.0.0.1", "localhost", socket.gethostname()]
    arguments = sorted((site.layout.conf / "jvm").glob("*.args"))
    assert len(arguments) == 5
    hosts_file = f"-Djdk.net.hosts.file={site.layout.conf}/hosts"
    for path in arguments:
        assert (hosts_file in path.read_text().splitlines()) == (not resolves), path.name


# --- ports


def test_preferred_ports_are_distinct_and_taken_when_free() -> None:
    assert len(set(PREFERRED.values())) == len(PREFERRED)
    assert choose_ports({}, lambda port: True) == dict(PREFERRED)


@given(st.sets(st.sampled_from([port + step for port in PREFERRED.values() for step in (0, 100, 200, 300)])))
def test_taken_ports_are_stepped_over_and_none_is_given_twice(taken: set[int]) -> None:
    chosen = choose_ports({}, lambda port: port not in taken)
    assert chosen.keys() == PREFERRED.keys()
    assert len(set(chosen.values())) == len(chosen)
    assert not taken & set(chosen.values())


def test_a_remembered_port_stays_even_when_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text(json.dumps({"postgres": 31234, "gone-service": 1}))
    ports = remembered_ports(path, registry=tmp_path / "stacks")
    assert ports["postgres"] == 31234
    assert "gone-service" not in ports
    assert remembered_ports(path, registry=tmp_path / "stacks") == ports


@given(st.sets(st.sampled_from([port + step for port in PREFERRED.values() for step in (0, 100, 200, 300)])))
def test_a_port_that_another_stack_has_chosen_is_taken_only_if_there_is_no_other(reserved: set[int]) -> None:
    chosen = choose_ports({}, lambda port: True, reserved)
    assert not reserved & set(chosen.values())
    assert choose_ports({}, lambda port: port in chosen.values(), chosen.values()) == chosen


CHOOSE = """
import pathlib, sys
from switchyard_stack.ports import remembered_ports
ports = pathlib.Path(sys.argv[1])
ports.parent.mkdir()
print("ready", flush=True)
sys.stdin.readline()
remembered_ports(ports, registry=pathlib.Path(sys.argv[2]))
"""


def test_stacks_that_choose_at_the_same_moment_share_no_port(tmp_path: Path) -> None:
    """Nobody listens on what another one has chosen: it is the list that keeps them apart."""
    files = [tmp_path / f"state-{number}" / "ports.json" for number in range(4)]
    command = [sys.executable, "-c", CHOOSE]
    pipe = subprocess.PIPE
    choosers = [
        subprocess.Popen([*command, str(file), str(tmp_path / "stacks")], stdin=pipe, stdout=pipe, text=True)
        for file in files
    ]
    for chooser in choosers:
        assert chooser.stdout is not None
        assert chooser.stdout.readline() == "ready\n"
    for chooser in choosers:
        assert chooser.stdin is not None
        chooser.stdin.write("go\n")
        chooser.stdin.flush()
    assert [chooser.wait(60) for chooser in choosers] == [0] * len(files)
    for chooser in choosers:
        chooser.communicate()
    chosen = [port for file in files for port in json.loads(file.read_text()).values()]
    assert len(set(chosen)) == len(PREFERRED) * len(files)
    assert (tmp_path / "stacks").stat().st_mode & 0o777 == 0o600


def test_the_ports_of_a_state_that_is_gone_are_free_again(tmp_path: Path) -> None:
    first, second, registry = tmp_path / "1.json", tmp_path / "2.json", tmp_path / "stacks"
    ports = remembered_ports(first, registry=registry)
    first.unlink()
    assert remembered_ports(second, registry=registry) == ports
    assert registry.read_text().splitlines() == [str(second)]


def test_a_damaged_state_of_another_one_keeps_nobody_from_choosing(tmp_path: Path) -> None:
    damaged, registry = tmp_path / "1.json", tmp_path / "stacks"
    damaged.write_text('{"postgres": ')
    registry.write_text(f"{damaged}\n")
    assert remembered_ports(tmp_path / "2.json", registry=registry)
    assert registry.read_text().splitlines() == [str(damaged), str(tmp_path / "2.json")]


def test_a_list_of_stacks_that_is_not_a_file_of_ours_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "stacks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackError, match="the list of this user's stacks cannot be used"):
        remembered_ports(tmp_path / "ports.json", registry=tmp_path / "stacks")
    assert not (tmp_path / "elsewhere").exists()


def test_no_free_port_is_an_error_that_says_which() -> None:
    with pytest.raises(StackError, match="no free port for postgres"):
        choose_ports({}, lambda port: False)


# --- secrets


def test_secrets_are_made_once_private_and_distinct(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = remembered_secrets(path)
    assert remembered_secrets(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first)


# --- layout


@pytest.mark.parametrize("path", ["/tmp/a b", "/tmp/ünï", "/tmp/" + "x" * 90, "/tmp/100%", "/tmp/it's"])
def test_a_state_path_that_a_server_cannot_carry_is_refused(path: str) -> None:
    with pytest.raises(StackError) as refused:
        Layout(Path(path)).checked()
    assert "SWITCHYARD_STATE" in refused.value.cure


def test_the_default_state_is_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHYARD_STATE", raising=False)
    assert Layout.from_environment().state == CHECKOUT / ".switchyard"


@pytest.mark.parametrize(
    ("owner", "refused"),
    [
        (None, False),  # of an earlier release
        ("other", True),
        ("gone", False),  # it was moved or deleted
        ("own", False),
    ],
)
def test_the_state_of_another_checkout_is_refused_with_both_named(
    owner: str | None, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    state = tmp_path / "state"
    state.mkdir()
    if owner is not None:
        path = CHECKOUT if owner == "own" else tmp_path / owner
        (state / "checkout").write_text(f"{path}\n")
    monkeypatch.setenv("SWITCHYARD_STATE", str(state))
    script = subprocess.run([CHECKOUT / "stack/own-state.sh"], capture_output=True, text=True)
    if refused:
        with pytest.raises(StackError) as error:
            Layout.from_environment()
        assert str(CHECKOUT) in error.value.what
        assert f"checkout {tmp_path / 'other'}" in error.value.what
        assert script.returncode == 1
        assert error.value.what in script.stderr
        assert error.value.cure in script.stderr
    else:
        assert Layout.from_environment().state == state
        assert script.stdout == f"{state}\n", script.stderr


def test_a_state_within_its_checkout_is_its_own_whatever_it_says(tmp_path: Path) -> None:
    """A checkout that was copied with its state has the old one's name in it."""
    (tmp_path / "old").mkdir()
    state = tmp_path / "new/.switchyard"
    state.mkdir(parents=True)
    (state / "checkout").write_text(f"{tmp_path / 'old'}\n")
    layout = Layout(state, tmp_path / "new")
    layout.require_own()
    layout.make_directories()
    assert (state / "checkout").read_text() == f"{tmp_path / 'new'}\n"


def test_make_acts_on_no_other_checkouts_stack(tmp_path: Path) -> None:
    """Also where the state is of a release that wrote no name into it: it lies in its checkout."""
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/bootstrap.sh").touch(mode=0o755)
    (tmp_path / ".switchyard").mkdir()
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "STATE"))}
    environment = {**outside, "SWITCHYARD_STATE": str(tmp_path / ".switchyard")}
    for target in ("down", "clean", "up"):
        dry_run = ["make", "--dry-run", target]
        result = subprocess.run(dry_run, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
        assert result.returncode == 2
        assert result.stdout == ""
        assert f"belongs to the checkout {tmp_path}, and this is {CHECKOUT}" in result.stderr


# --- configuration


def test_every_configuration_file_is_rendered_private_and_well_formed(site: Site) -> None:
    render_all(site)
    files = [path for path in site.layout.conf.rglob("*") if path.is_file()]
    assert {"core-site.xml", "hive-site.xml", "metastore-site.xml", "supervisord.conf", "redis.conf"} <= {
        path.name for path in files
    }
    for path in files:
        text = path.read_text()
        assert "{{" not in text and "{%" not in text, path
        if path.suffix == ".xml":
            ET.fromstring(text)
        if any(secret in text for secret in site.secrets.values()):
            assert path.stat().st_mode & 0o077 == 0, f"{path} holds a secret and others can read it"


def test_sqoops_archive_of_classes_fits_its_configuration(site: Site) -> None:
    render_all(site)
    jar, archive = site.layout.run / "sqoop.jar", sqoop_archive(site)
    with zipfile.ZipFile(jar) as packed:
        assert str(site.ports["namenode"]) in packed.read("core-site.xml").decode()
    assert str(archive) in (site.layout.bin / "sqoop").read_text()
    before = jar.stat().st_mtime_ns
    render_all(site)
    assert jar.stat().st_mtime_ns == before, "the archive knows the jar by its time"
    moved = replace(site, ports={**site.ports, "namenode": 1})
    assert sqoop_archive(moved) != archive


def test_no_secret_is_in_a_command_line(site: Site) -> None:
    render_all(site)
    lines = site.layout.supervisor_conf.read_text().splitlines()
    commands = [line for line in lines if line.startswith("command=")]
    assert len(commands) == len([service for service in SERVICES.values() if not service.is_step])
    assert not [line for line in commands for secret in site.secrets.values() if secret in line]


def test_supervisord_reads_what_was_rendered(site: Site) -> None:
    render_all(site)
    options = ServerOptions()
    options.realize(["-c", str(site.layout.supervisor_conf)])
    programs = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert programs.keys() == {name for name, service in SERVICES.items() if not service.is_step}
    assert not any(program.autostart or program.autorestart for program in programs.values())
    seen = programs["airflow-scheduler"].environment
    assert airflow_settings(site).items() <= seen.items()
    assert "AIRFLOW__CORE__FERNET_KEY" not in programs["hiveserver2"].environment


def test_a_changed_port_changes_the_digest_of_the_servers_that_read_it(site: Site) -> None:
    render_all(site)
    before = site.layout.supervisor_conf.read_text()
    changed = Site(site.layout, {**site.ports, "metastore": 31999}, site.secrets, site.programs)
    render_all(changed)
    after = site.layout.supervisor_conf.read_text()
    moved = [a for a, b in zip(after.splitlines(), before.splitlines(), strict=True) if a != b]
    assert [line.split('"')[1] for line in moved] == ["metastore", "hiveserver2"]


def test_somebodys_own_connections_survive_and_win(site: Site) -> None:
    own = {"my_pg": {"conn_type": "postgres", "host": "db.example"}, "powergrid_redis": "redis://elsewhere"}
    site.layout.own_connections.write_text(json.dumps(own))
    for _ in range(2):
        render_all(site)
        rendered = json.loads((site.layout.airflow_home / "connections.json").read_text())
        assert {name: rendered[name] for name in own} == own
        assert rendered["powergrid_postgres"]["host"] == "127.0.0.1"


@pytest.mark.parametrize("content", ["{", "[]", '{"my_pg": 5}', "null"])
def test_a_file_without_connections_is_refused_before_anything_starts(site: Site, content: str) -> None:
    site.layout.own_connections.write_text(content)
    with pytest.raises(StackError, match="own-connections") as caught:
        render_all(site)
    assert "conn_type" in caught.value.cure


def test_every_address_in_the_configuration_is_loopback(site: Site) -> None:
    render_all(site)
    for path in site.layout.conf.rglob("*"):
        if path.is_file():
            assert "0.0.0.0" not in path.read_text(), path


def test_the_connections_file_is_what_the_legs_ask_for(site: Site) -> None:
    render_all(site)
    path = site.layout.airflow_home / "connections.json"
    connections = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert {
        "powergrid_postgres",
        "simbench_postgres",
        "switchyard_ledger",
        "lake_hdfs",
        "lake_hive",
        "lake_metastore",
    } <= (connections.keys())
    assert {"powergrid_mongo", "simbench_mongo", "powergrid_redis", "simbench_redis", "datahub"} <= connections.keys()
    assert connections["lake_hdfs"]["extra"]["webhdfs_port"] == site.ports["namenode_http"]


# --- the clients' environment


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,8}X", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_shell_exports_are_read_back_exactly(values: dict[str, str]) -> None:
    words = shlex.split(environment.shell_exports(values))
    read = dict(word.split("=", 1) for word in words if word != "export")
    assert read == values


def test_a_shell_evaluates_the_exports(site: Site) -> None:
    values = {**environment.client_environment(site), "TRICKY": 'a\'b "c" $HOME `x` \\ \n é'}
    script = environment.shell_exports(values) + "env -0"
    out = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True).stdout
    seen = dict(entry.split("=", 1) for entry in out.split("\0") if entry)
    assert values.items() <= seen.items()


def test_the_environment_names_every_server(site: Site) -> None:
    names = environment.client_environment(site).keys()
    wanted = "POSTGRES_URL SIMBENCH_URL LEDGER_URL HDFS_URL WEBHDFS_URL HIVE_URL METASTORE_URL MONGO_URL REDIS_URL"
    assert {*wanted.split(), "AIRFLOW_URL", "AIRFLOW_HOME", "SWITCHYARD_STATE", "JAVA_HOME"} <= names


def test_path_gets_our_commands_first_and_only_once(site: Site) -> None:
    once = environment.prepend_path(site, "/usr/bin:/bin")
    assert once.split(":")[:2] == [str(site.layout.bin), str(site.layout.scripts)]
    assert environment.prepend_path(site, once) == once


# --- services


def test_needs_come_with_a_service() -> None:
    assert list(with_needs({"hiveserver2"})) == ["postgres", "namenode", "datanode", "metastore", "hiveserver2"]
    assert list(with_needs({"redis"})) == ["redis"]


# --- artifacts and programs


def test_a_changed_pom_or_a_missing_jar_means_fetch_again(site: Site, tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    jar.touch()
    for module in artifacts.MODULES:
        (site.layout.classpaths / f"{module}.classpath").write_text(str(jar))
    stamp = {"poms": artifacts.poms_digest(site.layout.maven_project), "repository": str(site.layout.maven_repository)}
    path = site.layout.classpaths / "fetched.json"
    path.write_text(json.dumps(stamp))
    assert artifacts.is_complete(site.layout)
    jar.unlink()
    assert not artifacts.is_complete(site.layout)
    jar.touch()
    path.write_text(json.dumps({**stamp, "poms": "older"}))
    assert not artifacts.is_complete(site.layout)


def test_maven_fails_on_a_wrong_checksum() -> None:
    assert "--strict-checksums" in (CHECKOUT / "stack/maven/.mvn/maven.config").read_text().split()


def test_versions_are_in_the_parent_pom_only() -> None:
    for pom in (CHECKOUT / "stack/maven").glob("*/pom.xml"):
        tree = ET.parse(pom)
        name = "{http://maven.apache.org/POM/4.0.0}version"
        versions = {element.text for element in tree.iter(name)} - {"1"}
        assert all(version and version.startswith("${") for version in versions), (pom, versions)


def test_all_missing_programs_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "find_java_home", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingPrograms) as missing:
        prerequisites.find_programs(as_root=True)
    assert {"JDK 17", "mvn", "redis-server", "setpriv"} <= {
        word for word in ("JDK 17", "mvn", "redis-server", "setpriv") if word in missing.value.what
    }
    assert "install-prerequisites.sh" in missing.value.cure


# --- what died


@pytest.mark.parametrize(
    ("statename", "stop", "exitstatus", "shown", "is_dead"),
    [
        ("RUNNING", 0, 0, "running", False),
        ("STARTING", 0, 0, "starting", False),
        ("STOPPED", 5, 0, "stopped", False),
        ("STOPPED", 0, 0, "stopped", False),
        ("EXITED", 5, 0, "dead, exit status 0", True),
        ("EXITED", 5, 3, "dead, exit status 3", True),
        ("EXITED", 5, -1, "dead, killed by a signal", True),
    ],
)
def test_a_server_that_ended_by_itself_is_dead(
    statename: str, stop: int, exitstatus: int, shown: str, is_dead: bool
) -> None:
    info = {"statename": statename, "stop": stop, "exitstatus": exitstatus, "pid": 0, "spawnerr": ""}
    state = supervision._state(info)
    assert (state.text, state.is_dead) == (shown, is_dead)


def test_no_server_restarts_by_itself(site: Site) -> None:
    """What a test or a crash killed stays dead until `up`, the scheduler too."""
    render_all(site)
    text = site.layout.supervisor_conf.read_text()
    assert text.count("autorestart=false") == text.count("[program:") > 10
