"""What the images promise: they run as no root on a read-only file system, and hold what they need and nothing else."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.built_images import TARGETS, Image, build_images
from harness.checkout import CHECKOUT

EVERY = pytest.mark.parametrize("target", TARGETS)
MOST_MEGABYTES = {"airflow": 1500, "step": 1200}

RUNS = [
    ("airflow", ["airflow", "version"], r"^3\.3\.2$"),
    ("airflow", ["switchyard", "--version"], r"^0\.1\.0$"),
    ("airflow", ["switchyard", "flows"], r"telemetry"),
    ("airflow", ["bash", "-c", "exec airflow config get-value core dags_folder"], r"^/opt/switchyard/dags$"),
    ("step", ["switchyard", "--version"], r"^0\.1\.0$"),
    ("step", ["switchyard", "step", "--help"], r"Run one step; logs go to standard error"),
    ("step", ["sqoop", "version"], r"Sqoop 1\.4\.7"),
    ("ingestion", ["switchyard", "sync-metadata", "--help"], r"Re-ingest the schemas"),
    ("hadoop", ["hdfs", "version"], r"Hadoop 3\.4\.3"),
    ("hadoop", ["hdfs", "namenode", "-h"], r"Usage: hdfs namenode"),
    ("hadoop", ["hdfs", "datanode", "-h"], r"Usage: hdfs datanode"),
    ("hadoop", ["yarn", "resourcemanager", "-h"], r"Usage: yarn resourcemanager"),
    ("hadoop", ["hive", "--skiphadoopversion", "--skiphbasecp", "--service", "version"], r"Hive 4\.0\.1"),
    ("hadoop", ["hive", "--service", "hiveserver2", "--help"], r"usage: hiveserver2"),
    ("hadoop", ["hive", "--service", "metastore", "--help"], r"usage: hivemetastore"),
    ("hadoop", ["schematool", "-help"], r"usage: schemaTool"),
]


@pytest.mark.parametrize(("target", "command", "prints"), RUNS, ids=[f"{run[0]}: {' '.join(run[1])}" for run in RUNS])
def test_command_runs(images: dict[str, Image], target: str, command: list[str], prints: str) -> None:
    done = images[target].run(*command)
    assert re.search(prints, done.stdout, re.MULTILINE), done.stdout


@EVERY
def test_user_is_not_root_and_can_write_nowhere_but_in_tmp(images: dict[str, Image], target: str) -> None:
    image = images[target]
    assert int(image.user) > 0
    writes = (
        "id -u; touch /tmp/here && echo tmp; for d in / /opt /opt/* /etc; do touch $d/x 2>/dev/null && echo $d; done"
    )
    assert image.run("sh", "-c", writes).stdout.split() == [image.user, "tmp"]


@EVERY
def test_no_file_gives_rights_away(images: dict[str, Image], target: str) -> None:
    """Nothing outside Debian's own directories is writable by the image's user or by all."""
    image = images[target]
    ours = [path for path in (image.root / "opt").rglob("*") if not path.is_symlink()]
    assert [path for path in ours if path.stat().st_mode & 0o6002] == []
    assert {path.stat().st_uid for path in ours} == {0}


LEFT_OUT = {
    "airflow": {"pyarrow", "duckdb"},
    "step": {"airflow", "datahub"},
    "ingestion": {"airflow", "datahub", "pyarrow", "duckdb", "numpy"},
}
IMPORT_ALL = """
import importlib, json, pkgutil, sys, switchyard
missing = {}
for module in pkgutil.walk_packages(switchyard.__path__, "switchyard."):
    if any(part in module.name for part in (".ingestion.", ".migrations.", "__main__")):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missing[module.name] = error.name
print("\\n" + json.dumps(missing))
"""


@pytest.mark.parametrize("target", LEFT_OUT)
def test_only_the_parts_that_an_image_leaves_out_are_missing(images: dict[str, Image], target: str) -> None:
    """Every module of the package is imported: a library that only another image's lock names would show."""
    done = images[target].run("/opt/switchyard/venv/bin/python", "-W", "ignore", "-c", IMPORT_ALL)
    missing = json.loads(done.stdout.splitlines()[-1])
    assert {name.partition(".")[0] for name in missing.values()} == LEFT_OUT[target], missing


def test_airflow_starts_no_step_that_it_cannot_name(images: dict[str, Image]) -> None:
    """The light steps of both legs run in Airflow's image: their modules need no Arrow."""
    names = "from switchyard.legs.steps import bound_steps; print(*bound_steps('ingest'), *bound_steps('serve'))"
    done = images["airflow"].run("/opt/switchyard/venv/bin/python", "-W", "ignore", "-c", names)
    assert done.returncode == 0, done.stdout
    assert {"preflight", "plan", "prove", "tidy"} <= set(done.stdout.split())


def test_airflow_has_no_java(images: dict[str, Image]) -> None:
    assert list(images["airflow"].root.rglob("*.jar")) == []
    assert not (images["airflow"].root / "opt/jdk").exists()


@pytest.mark.parametrize("file", sorted((CHECKOUT / "dags").glob("*.py")), ids=lambda path: path.name)
def test_airflow_reads_every_dag_file(images: dict[str, Image], file: Path) -> None:
    done = images["airflow"].run("python", "-W", "error::ImportWarning", f"/opt/switchyard/dags/{file.name}")
    assert done.returncode == 0, done.stdout


def test_ingestion_imports_every_source(images: dict[str, Image]) -> None:
    sources = (CHECKOUT / "include/switchyard/catalog/ingestion").glob("*.py")
    where = "/opt/switchyard/package/switchyard/catalog/ingestion"
    imports = ", ".join(sorted(path.stem for path in sources if path.stem != "__init__"))
    plugins = "from datahub.ingestion.source.source_registry import source_registry as r; "
    plugins += "[r.get(name) for name in ('postgres', 'hive-metastore', 'mongodb')]; print('all')"
    python = images["ingestion"].environment["SWITCHYARD_INGESTION_PYTHON"]
    done = images["ingestion"].run(python, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {where!r}); "
                                   f"import {imports}; {plugins}")  # fmt: skip
    assert done.stdout.splitlines()[-1] == "all", done.stdout


def test_sqoop_generates_and_compiles_a_class_and_imports(
    images: dict[str, Image], source: str, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir(mode=0o777)
    work.chmod(0o777)
    query = "select 1 as id, 'Node1' as name where $CONDITIONS"
    done = images["step"].run(
        *("sqoop", "import", "--connect", source, "--username", "postgres", "--query", query),
        *("--num-mappers", "1", "--as-textfile", "--target-dir", "file:///tmp/mounted/work/rows"),
        *("--bindir", "/tmp/mounted/work/classes", "--outdir", "/tmp/mounted/work/sources"),
        mounts=(work,),
    )
    assert (work / "rows/part-m-00000").read_text() == "1,Node1\n", done.stdout
    assert list((work / "classes").glob("*.class"))
    assert done.returncode == 0


def test_namenode_formats_its_directory(images: dict[str, Image], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    where = "-Ddfs.namenode.name.dir=file:///tmp/mounted/data/name"
    done = images["hadoop"].run("hdfs", "namenode", where, "-format", "-nonInteractive", mounts=(data,))
    assert done.returncode == 0, done.stdout
    assert (data / "name/current/VERSION").exists()


def test_beeline_fails_where_no_server_is(images: dict[str, Image]) -> None:
    """A probe by it has to be able to fail."""
    done = images["hadoop"].run("beeline", "-u", "jdbc:hive2://127.0.0.1:1/default;auth=noSasl", "-e", "select 1")
    assert done.returncode != 0
    assert "Could not open client transport" in done.stdout


def test_hadoop_refuses_what_it_does_not_have(images: dict[str, Image]) -> None:
    done = images["hadoop"].run("hdfs", "cacheadmin")
    assert (done.returncode, done.stdout) == (2, "hdfs: no such command: 'cacheadmin'\n")


TOOLS = re.compile(
    r"(^|/)(gcc|cc|c\+\+|g\+\+|clang|ld|as|make|cmake|cargo|rustc|go|javac|mvn|gradle|git|uv)(-[\d.]+)?$"
    r"|\.(c|h|cpp|hpp|pyx)\Z(?<!/include/)"
)
CACHES = re.compile(
    r"^(var/lib/apt/lists/.+_Packages.*|var/cache/apt/.+\.(bin|deb)|cache/.+|root/\.(cache|m2)/.*|build/.*|run/secrets/.+"
    r"|.*/\.?(uv|pip)/cache/.*|.*\.(deb|whl))$"
)
SECRETS = re.compile(r"(^|/)(\.netrc|pip\.conf|uv\.toml|settings\.xml|\.pypirc|id_rsa|.*\.(key|p12|jks|keytab))$")


@EVERY
def test_no_layer_has_a_compiler_a_cache_or_a_secret(images: dict[str, Image], target: str) -> None:
    """By the archive's layers, so that what a later layer deletes is seen too."""
    programs = [name for name in layer_files(images[target].archive) if "/bin/" in f"/{name}"]
    assert [name for name in programs if TOOLS.search(name)] == []
    names = list(layer_files(images[target].archive))
    assert [name for name in names if CACHES.search(name)] == []
    assert [name for name in names if SECRETS.search(name)] == []


@EVERY
def test_no_certificate_of_this_machine_stays(images: dict[str, Image], target: str) -> None:
    """The certificates that a build trusts by its secret are Debian's, or in no file of the image."""
    own = [path.read_text() for path in Path("/usr/local/share/ca-certificates").rglob("*.crt")]
    bodies = [base64.b64decode("".join(text.split("-----")[2].split())) for text in own if "BEGIN CERT" in text]
    lines = [text.splitlines()[5].encode() for text in own]
    for path in (images[target].root).rglob("*"):
        if path.suffix in {".pem", ".crt", ".p12", ".jks"} or path.name in {"cacerts", "ca-certificates.crt"}:
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            assert not any(part in content for part in [*bodies, *lines]), path


def layer_files(archive: Path) -> Iterator[str]:
    """The names of the files of every layer of an OCI archive."""
    with tarfile.open(archive) as whole:
        index = json.load(whole.extractfile("index.json"))
        manifest = json.load(whole.extractfile(blob(index["manifests"][0]["digest"])))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=whole.extractfile(blob(layer["digest"]))) as files:
                yield from (member.name.removeprefix("./") for member in files if not member.isdir())


def blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


@EVERY
def test_layers_are_few(images: dict[str, Image], target: str) -> None:
    with tarfile.open(images[target].archive) as whole:
        index = json.load(whole.extractfile("index.json"))
        manifest = json.load(whole.extractfile(blob(index["manifests"][0]["digest"])))
    assert len(manifest["layers"]) <= 9


@EVERY
def test_labels(images: dict[str, Image], target: str) -> None:
    image = images[target]
    version = subprocess.run([sys.executable, "-m", "switchyard", "--version"], capture_output=True, text=True).stdout
    assert image.name == f"switchyard/{target}:{image.labels['org.opencontainers.image.version']}"
    assert image.labels["org.opencontainers.image.version"] == version.split()[-1]
    assert image.labels["org.opencontainers.image.title"] == f"switchyard/{target}"
    assert re.fullmatch(r"[0-9a-f]{40}", image.labels["org.opencontainers.image.revision"])


@pytest.mark.parametrize("target", MOST_MEGABYTES)
def test_size(images: dict[str, Image], target: str) -> None:
    assert images[target].megabytes <= MOST_MEGABYTES[target]


LOCKS = {"airflow": ["airflow"], "step": ["steps"], "ingestion": ["core", "ingestion"]}


@pytest.mark.parametrize("target", LOCKS)
def test_list_of_contents_names_every_package_of_the_lock(images: dict[str, Image], target: str) -> None:
    listed = {component.get("purl", "").partition("?")[0] for component in components(images[target])}
    assert any(purl.startswith("pkg:deb/debian/base-files@12") for purl in listed)
    installed = set()
    for lock in LOCKS[target]:
        text = (CHECKOUT / f"requirements/{lock}.txt").read_text()
        installed |= set(re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE))  # without those for other Pythons
    assert {f"pkg:pypi/{name}@{version}" for name, version in installed} - listed == set()


def test_list_of_contents_names_the_jars(images: dict[str, Image]) -> None:
    for target, jar in (
        ("step", "sqoop"),
        ("hadoop", "hadoop-hdfs"),
        ("hadoop", "hive-exec"),
        ("hadoop", "postgresql"),
    ):
        names = {component["name"] for component in components(images[target])}
        assert jar in names


def components(image: Image) -> list[dict[str, str]]:
    contents = json.loads(image.contents.read_text())
    assert contents["bomFormat"] == "CycloneDX"
    return contents["components"]


def test_unchanged_inputs_build_nothing(images: dict[str, Image]) -> None:
    for target in TARGETS:
        assert images[target].megabytes > 0
    started = time.monotonic()
    printed = build_images()
    assert time.monotonic() - started < 20
    assert printed.count(" unchanged ") == len(TARGETS)
