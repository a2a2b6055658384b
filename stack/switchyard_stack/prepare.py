"""What must be there before a server starts, or right after: clusters, databases, users, schemas. All repeatable."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from switchyard_stack.artifacts import metastore_schema
from switchyard_stack.errors import StackError
from switchyard_stack.jars import pack
from switchyard_stack.passwords import write_private
from switchyard_stack.ports import LOOPBACK
from switchyard_stack.prerequisites import POSTGRES_USER
from switchyard_stack.render import Site, airflow_settings, classpath
from switchyard_stack.supervision import server_environment

if TYPE_CHECKING:
    import psycopg

DATABASES: Mapping[str, str] = {  # database → the role that owns it
    "powergrid": "powergrid",
    "simbench": "simbench",
    "ledger": "ledger",
    "metastore": "hive",
    "airflow": "airflow",
}
_SOURCES = ("powergrid", "simbench")
_MONGO_TRIES = 3
_ORPHANS_SECONDS = 30


def run_setup(site: Site, command: Sequence[str], log: str, *, extra: Mapping[str, str] | None = None) -> None:
    """Run a one-time command under our mark, its output in a log; raises StackError with the log's end."""
    path = site.layout.logs / f"{log}.log"
    environment = {**server_environment(site, "setup"), **(extra or {})}
    with path.open("w") as sink:
        result = subprocess.run(
            list(command), env=environment, cwd=site.layout.data, stdout=sink, stderr=subprocess.STDOUT
        )
    if result.returncode:
        tail = "\n".join(path.read_text(errors="replace").splitlines()[-8:])
        raise StackError(
            f"{log} ended with {result.returncode}:\n{tail}", cure=f"read {path}, then `switchyard stack up` again"
        )


def prepare_postgres(site: Site) -> None:
    """Initdb beside its final place, then rename: a killed initdb leaves no half cluster."""
    data = site.layout.data / "postgres"
    new = site.layout.data / "postgres.new"
    if data.exists():
        _wait_for_orphans(data)
        return
    shutil.rmtree(new, ignore_errors=True)
    password = site.layout.data / "postgres.password"
    write_private(password, site.secrets["postgres"])
    if site.as_root:
        owner = _postgres_owner()
        new.mkdir(mode=0o700)
        os.chown(new, owner.pw_uid, owner.pw_gid)
        os.chown(password, owner.pw_uid, owner.pw_gid)
    initdb = [str(site.programs.postgres_bin / "initdb"), "-D", str(new), "-U", "postgres", f"--pwfile={password}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    try:
        run_setup(site, site.as_postgres(initdb), "initdb")
    finally:
        password.unlink()
    new.rename(data)


def _wait_for_orphans(data: Path) -> None:
    """After a kill -9 of the postmaster its children end by themselves; until then no new one can start.

    A lock file that is left when nobody works here any more is taken away: its pid may be another process's by now,
    or one that ended and whose parent has not asked how, and PostgreSQL takes either for a postmaster.
    """
    lock = data / "postmaster.pid"
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while workers := [process.pid for process in psutil.process_iter() if _works_in(process, data)]:
        if _read_pid(lock) in workers or time.monotonic() > deadline:
            return
        time.sleep(0.2)
    lock.unlink(missing_ok=True)


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.cwd() == str(directory)
    except psutil.Error:
        return False


def _read_pid(lock: Path) -> int | None:
    """The pid that a PostgreSQL lock file begins with."""
    try:
        return int(lock.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _postgres_owner() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(POSTGRES_USER)
    except KeyError:
        raise StackError(
            f"no user {POSTGRES_USER!r}, and PostgreSQL refuses to run as root",
            cure="stack/install-prerequisites.sh makes one",
        ) from None


def connect_as_superuser(site: Site, database: str = "postgres") -> psycopg.Connection:
    """A connection that commits each statement."""
    import psycopg

    url = f"host={LOOPBACK} port={site.ports['postgres']} user=postgres dbname={database} connect_timeout=5"
    return psycopg.connect(url, password=site.secrets["postgres"], autocommit=True)


def create_databases(site: Site) -> None:
    """Roles and databases that are missing. Passwords travel as SCRAM verifiers, so that no log can show one."""
    from psycopg import sql

    with connect_as_superuser(site) as connection:
        roles = {row[0] for row in connection.execute("select rolname from pg_roles")}
        databases = {row[0] for row in connection.execute("select datname from pg_database")}
        for database, role in DATABASES.items():
            if role not in roles:
                secret = site.secrets[role].encode()
                verifier = connection.pgconn.encrypt_password(secret, role.encode(), b"scram-sha-256").decode()
                connection.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(role), verifier))
            if database not in databases:
                names = sql.Identifier(database), sql.Identifier(role)
                connection.execute(sql.SQL("create database {} owner {}").format(*names))
        for role in _SOURCES:  # to see when the oldest open transaction of anybody began
            connection.execute(sql.SQL("grant pg_read_all_stats to {}").format(sql.Identifier(role)))


def prepare_metastore(site: Site) -> None:
    """Create the metastore's tables, in one transaction; DataNucleus' own creation lacks the ACID tables."""
    with connect_as_superuser(site, "metastore") as connection:
        row = connection.execute("""select to_regclass('public."VERSION"')""").fetchone()
        if row and row[0]:
            return
        script = metastore_schema(site.layout).read_text()
        statements = "\n".join(line for line in script.splitlines() if not line.startswith("\\"))
        with connection.transaction():
            connection.execute("set local role hive")
            connection.execute(statements.encode())


def prepare_namenode(site: Site) -> None:
    """Format HDFS once; a format that was killed is begun again."""
    formatted = site.layout.data / "namenode" / "formatted"
    if formatted.exists():
        return
    for name in ("namenode", "datanode"):
        shutil.rmtree(site.layout.data / name, ignore_errors=True)
        (site.layout.data / name).mkdir(mode=0o700)
    java = site.programs.java_home / "bin/java"
    arguments = site.layout.conf / "jvm/namenode.args"
    namenode = "org.apache.hadoop.hdfs.server.namenode.NameNode"
    run_setup(site, [str(java), f"@{arguments}", namenode, "-format", "-nonInteractive"], "namenode-format")
    formatted.touch()


def prepare_hiveserver2(site: Site) -> None:
    """Pack the class by which Hive finds the jar that every task must have, alone; it comes first in the class path.

    In local mode each task copies that jar out of HDFS, and never reads it: 83 MB of hive-exec, which are half the time
    of a small query.
    """
    jar = next(jar for jar in classpath(site, "hive").split(":") if "/hive-exec-" in jar)
    with zipfile.ZipFile(jar) as hive:
        names = [name for name in hive.namelist() if name.startswith("org/apache/hadoop/hive/ql/exec/tez/DagUtils")]
        pack(site.layout.run / "hive-task.jar", {name: hive.read(name) for name in names})


def prepare_mongo(site: Site) -> None:
    """Create the user by a first start without authentication: the server has no other way."""
    ready = site.layout.data / "mongo.user"
    for _ in range(_MONGO_TRIES):
        if ready.exists():
            return
        shutil.rmtree(site.layout.data / "mongo", ignore_errors=True)
        (site.layout.data / "mongo").mkdir(mode=0o700)
        if _start_once(site, [str(site.layout.scripts / "secantusd-py"), "--config"]):
            ready.touch()
    if not ready.exists():
        log = site.layout.logs / "mongo-setup.log"
        raise StackError("SecantusDB did not end after its first start", cure=f"read {log}")


def _start_once(site: Site, command: list[str]) -> bool:
    """Start SecantusDB, make the user, stop it. False when it had to be killed, and its data cannot be trusted.

    A SIGTERM that reaches SecantusDB 0.7.0b3 just as it begins to wait stops it for ever (seen: one first start in some
    tens).
    """
    with (site.layout.logs / "mongo-setup.log").open("w") as sink:
        server = subprocess.Popen(
            [*command, str(site.layout.conf / "secantusd.toml")],
            env=server_environment(site, "setup"),
            cwd=site.layout.run,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            _create_mongo_user(site)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    return server.returncode >= 0


def _create_mongo_user(site: Site) -> None:
    import pymongo
    from pymongo.errors import PyMongoError

    deadline = time.monotonic() + 30
    while True:
        client: pymongo.MongoClient[dict[str, object]]
        try:
            with pymongo.MongoClient(LOOPBACK, site.ports["mongo"], serverSelectionTimeoutMS=1000) as client:
                client.admin.command("createUser", "switchyard", pwd=site.secrets["mongo"], roles=["root"])
            return
        except PyMongoError as error:
            if time.monotonic() > deadline:
                log = site.layout.logs / "mongo-setup.log"
                raise StackError(f"the MongoDB user could not be created: {error}", cure=f"read {log}") from error


def migrate_airflow(site: Site) -> None:
    """Airflow's tables: `airflow dags test` needs them too. Once per Airflow version."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        stamp = site.layout.airflow_home / f"migrated-{version('apache-airflow-core')}"
    except PackageNotFoundError:
        return
    if stamp.exists():
        return
    airflow = str(site.layout.scripts / "airflow")
    run_setup(site, [airflow, "db", "migrate"], "airflow-migrate", extra=airflow_settings(site))
    stamp.touch()


def import_pools(site: Site) -> None:
    """One Airflow pool per source connection of the flow files; only when they changed."""
    flows = site.layout.checkout / "dags" / "flows"
    command = [str(site.layout.scripts / "switchyard"), "pools", "--flows", str(flows)]
    pools = subprocess.run(command, capture_output=True, check=True).stdout
    path = site.layout.airflow_home / "pools.json"
    imported = site.layout.airflow_home / "pools.imported"
    if imported.exists() and imported.read_bytes() == pools:
        return
    path.write_bytes(pools)
    airflow = str(site.layout.scripts / "airflow")
    run_setup(site, [airflow, "pools", "import", str(path)], "airflow-pools", extra=airflow_settings(site))
    imported.write_bytes(pools)
