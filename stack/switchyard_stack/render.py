"""Configuration: every file of `<state>/conf`, rendered from templates with this state's ports and secrets."""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import shlex
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from switchyard_stack.jars import pack
from switchyard_stack.layout import Layout
from switchyard_stack.own_connections import lay_over, read_own
from switchyard_stack.passwords import write_private
from switchyard_stack.prerequisites import POSTGRES_USER, Programs

_CONNECTIONS = "connections.json"
_FILES: Mapping[str, str] = {  # template → path under <state>
    "core-site.xml": "conf/hadoop/core-site.xml",
    "hdfs-site.xml": "conf/hadoop/hdfs-site.xml",
    "log4j.properties": "conf/hadoop/log4j.properties",
    "mapred-site.xml": "conf/local-jobs/mapred-site.xml",
    "log4j2.properties": "conf/hive/log4j2.properties",
    "hive-site.xml": "conf/hive/hive-site.xml",
    "metastore-site.xml": "conf/metastore/metastore-site.xml",
    "redis.conf": "conf/redis.conf",
    "secantusd.toml": "conf/secantusd.toml",
    "pg_hba.conf": "conf/pg_hba.conf",
    "postgresql.conf": "conf/postgresql.conf",
    "hosts": "conf/hosts",
    "jvm-namenode.args": "conf/jvm/namenode.args",
    "jvm-datanode.args": "conf/jvm/datanode.args",
    "jvm-metastore.args": "conf/jvm/metastore.args",
    "jvm-hiveserver2.args": "conf/jvm/hiveserver2.args",
    "jvm-sqoop.args": "conf/jvm/sqoop.args",
    _CONNECTIONS: "airflow/connections.json",
    "airflow-passwords.json": "airflow/passwords.json",
}
_SQOOP = ("sqoop.sh", "bin/sqoop")  # names the archive of its classes
_READ_BY_SQOOP = ("core-site.xml", "hdfs-site.xml", "mapred-site.xml", "log4j.properties")
_SUPERVISOR = ("supervisord.conf", "conf/supervisord.conf")  # last: it names the others' digests
_READ_BY: Mapping[str, tuple[str, ...]] = {  # server → the files that it reads at its start
    "postgres": ("postgresql.conf", "pg_hba.conf"),
    "redis": ("redis.conf",),
    "mongo": ("secantusd.toml",),
    "namenode": ("jvm-namenode.args", "core-site.xml", "hdfs-site.xml"),
    "datanode": ("jvm-datanode.args", "core-site.xml", "hdfs-site.xml"),
    "metastore": ("jvm-metastore.args", "core-site.xml", "metastore-site.xml"),
    "hiveserver2": ("jvm-hiveserver2.args", "core-site.xml", "hive-site.xml"),
}
_WORLD_READABLE = {"pg_hba.conf", "postgresql.conf"}  # read by the postgres user; no secret inside


@dataclass(frozen=True)
class Site:
    """One stack, decided: where it lives, its ports, its secrets, the programs found."""

    layout: Layout
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    programs: Programs

    @property
    def as_root(self) -> bool:
        """True when PostgreSQL needs another user."""
        return os.geteuid() == 0

    def as_postgres(self, command: list[str]) -> list[str]:
        """The command as the user that PostgreSQL may run as; it may enter directories that user could not."""
        if not self.as_root:
            return command
        caps = (
            []
            if is_open_to_all(self.layout.data)
            else ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        )
        user = [f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups"]
        return [str(self.programs.setpriv), *user, *caps, *command]


def is_open_to_all(path: Path) -> bool:
    """True when any user may pass through every directory down to this one."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def classpath(site: Site, module: str) -> str:
    """The jars of one Maven module, joined by colons."""
    return (site.layout.classpaths / f"{module}.classpath").read_text().strip()


def render(site: Site, template: str, **extra: object) -> str:
    """Render one template."""
    return _environment().get_template(template + ".j2").render(_variables(site), **extra)


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(  # noqa: S701  (configuration files, not HTML; values are ours)
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shell"] = lambda command: " ".join(shlex.quote(str(word)) for word in command)
    environment.filters["ini"] = lambda value: str(value).replace("%", "%%")
    return environment


def _variables(site: Site) -> dict[str, object]:
    layout = site.layout
    postgres = [str(site.programs.postgres_bin / "postgres"), "-D", str(layout.data / "postgres")]
    postgres += ["-c", f"config_file={layout.conf / 'postgresql.conf'}"]
    return {
        "layout": layout, "state": layout.state, "checkout": layout.checkout, "scripts": layout.scripts,
        "port": site.ports, "secret": site.secrets, "java": site.programs.java_home / "bin/java",
        "java_home": site.programs.java_home, "redis_server": site.programs.redis_server,
        "postgres_command": site.as_postgres(postgres), "os_user": pwd.getpwuid(os.geteuid()).pw_name,
        "ingestion_python": os.environ.get("SWITCHYARD_INGESTION_PYTHON") or layout.state / "ingestion/bin/python",
        "as_root": site.as_root, "classpath": lambda module: classpath(site, module),
        "own_name": socket.gethostname(), "own_name_resolves": _resolves(socket.gethostname()),
    }  # fmt: skip


@functools.cache
def _resolves(name: str) -> bool:
    """Whether the machine knows an address of this name: Hadoop asks for that of its own, and ends without."""
    try:
        socket.getaddrinfo(name, None, socket.AF_INET)
    except OSError:
        return False
    return True


def airflow_settings(site: Site) -> dict[str, str]:
    """Airflow's configuration as environment variables: the one template that says it."""
    lines = [line for line in render(site, "airflow.env").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _supervisor_environment(site: Site) -> str:
    """Airflow's settings as supervisord's `environment=` wants them; the values hold no single quote."""
    return "".join(f",{name}='{value}'" for name, value in airflow_settings(site).items())


def _digests(site: Site) -> dict[str, str]:
    """A digest of each server's configuration: supervisord sees by it that a server must start anew."""
    texts = {name: "".join(render(site, template) for template in templates) for name, templates in _READ_BY.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}


def sqoop_archive(site: Site) -> Path:
    """Where the JVM keeps the classes of a Sqoop with this Java and these arguments and configuration."""
    texts = [str(site.programs.java_home.resolve()), render(site, "jvm-sqoop.args")]
    texts += [render(site, name) for name in _READ_BY_SQOOP]
    return site.layout.run / f"sqoop-{hashlib.sha256(''.join(texts).encode()).hexdigest()[:16]}.jsa"


def _render_sqoop(site: Site) -> None:
    """Write Sqoop's command, and its configuration as a jar: an archive of classes wants a class path of jars only."""
    pack(site.layout.run / "sqoop.jar", {name: render(site, name) for name in _READ_BY_SQOOP})
    template, target = _SQOOP
    write_private(site.layout.state / target, render(site, template, archive=sqoop_archive(site)))
    (site.layout.state / target).chmod(0o700)


def render_all(site: Site) -> None:
    """Write every configuration file; creates what Hadoop expects beside it."""
    layout = site.layout
    for template, target in _FILES.items():
        path = layout.state / target
        path.parent.mkdir(parents=True, exist_ok=True)
        text = render(site, template)
        if template == _CONNECTIONS:
            text = lay_over(text, read_own(layout.own_connections))
        write_private(path, text)
        if template in _WORLD_READABLE:
            path.chmod(0o644)
    layout.conf.chmod(0o711)
    for name in ("hdfs", "datanode"):  # hadoop-hdfs has no web pages; its server wants the directories
        (layout.conf / "hadoop" / "webapps" / name).mkdir(parents=True, exist_ok=True)
    for name in ("redis", "mongo", "namenode", "datanode", "metastore", "hiveserver2", "airflow"):
        (layout.run / name).mkdir(exist_ok=True)
    _render_sqoop(site)
    template, target = _SUPERVISOR
    text = render(site, template, airflow_environment=_supervisor_environment(site), digest=_digests(site))
    write_private(layout.state / target, text)
