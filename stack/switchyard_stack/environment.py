"""What an independent client needs to know, as shell exports: `eval "$(switchyard stack env)"`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from switchyard_stack.ports import LOOPBACK
from switchyard_stack.render import Site, airflow_settings


def client_environment(site: Site) -> dict[str, str]:
    """URLs of the servers, Airflow's settings and paths. They hold passwords: never write them to a log."""
    port = site.ports
    secret = site.secrets
    layout = site.layout
    postgres = f"{LOOPBACK}:{port['postgres']}"
    mongo = f"mongodb://switchyard:{secret['mongo']}@{LOOPBACK}:{port['mongo']}"
    urls = {
        "POSTGRES_URL": f"postgresql://powergrid:{secret['powergrid']}@{postgres}/powergrid",
        "SIMBENCH_URL": f"postgresql://simbench:{secret['simbench']}@{postgres}/simbench",
        "LEDGER_URL": f"postgresql://ledger:{secret['ledger']}@{postgres}/ledger",
        "POSTGRES_ADMIN_URL": f"postgresql://postgres:{secret['postgres']}@{postgres}/postgres",
        "HDFS_URL": f"hdfs://{LOOPBACK}:{port['namenode']}",
        "WEBHDFS_URL": f"http://{LOOPBACK}:{port['namenode_http']}",
        "HIVE_URL": f"hive2://{LOOPBACK}:{port['hiveserver2']}/default?auth=NOSASL",
        "METASTORE_URL": f"thrift://{LOOPBACK}:{port['metastore']}",
        "MONGO_URL": f"{mongo}/powergrid?authSource=admin",
        "REDIS_URL": f"redis://default:{secret['redis']}@{LOOPBACK}:{port['redis']}/0",
        "AIRFLOW_URL": f"http://{LOOPBACK}:{port['airflow']}",
    }
    paths = {"SWITCHYARD_STATE": str(layout.state), "JAVA_HOME": str(site.programs.java_home)}
    return {**urls, **paths, **airflow_settings(site)}


def prepend_path(site: Site, current: str) -> str:
    """PATH with our commands first, each once."""
    ours = [str(site.layout.bin), str(site.layout.scripts)]
    return ":".join([*ours, *(part for part in current.split(":") if part and part not in ours)])


def shell_exports(values: Mapping[str, str]) -> str:
    """`export NAME='value'` lines that any POSIX shell reads back exactly."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def shell_environment(site: Site) -> dict[str, str]:
    """What a person's shell gets: all of `client_environment` but what is for the servers, and our PATH."""
    values = {**client_environment(site), "PATH": prepend_path(site, os.environ.get("PATH", ""))}
    return {name: value for name, value in values.items() if name not in ("SPT_NOENV", "TZ")}


def exports(site: Site) -> str:
    """All of `switchyard stack env`."""
    return shell_exports(shell_environment(site))
