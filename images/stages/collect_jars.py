"""Collects the jars of Maven's classpath files.

Usage: collect_jars.py CLASSPATHS INTO MODULE… Every jar is copied once, into INTO/lib; INTO/classpath/MODULE lists
those of a module in their order, joined by colons.
"""

import shutil
import sys
import zipfile
from pathlib import Path


def collect_jars(classpaths: Path, into: Path, modules: list[str]) -> None:
    """Copy the jars; raises SystemExit when two different ones have one name."""
    library = into / "lib"
    lists = into / "classpath"
    library.mkdir(parents=True, exist_ok=True)
    lists.mkdir(exist_ok=True)
    origins: dict[str, Path] = {}
    for module in modules:
        jars = [Path(jar) for jar in (classpaths / f"{module}.classpath").read_text().strip().split(":")]
        for jar in jars:
            if origins.setdefault(jar.name, jar) != jar:
                sys.exit(f"two artifacts have one file name: {jar} and {origins[jar.name]}")
            if not (library / jar.name).exists():
                shutil.copyfile(jar, library / jar.name)
        (lists / module).write_text(":".join(str(library / jar.name) for jar in jars) + "\n")


def pack_task_jar(into: Path) -> None:
    """Pack the class by which Hive finds the jar that each task copies, alone.

    For Tez in HiveServer2's own JVM, as `switchyard stack` does.
    """
    hive_exec = next((into / "lib").glob("hive-exec-*.jar"))
    with zipfile.ZipFile(hive_exec) as hive, zipfile.ZipFile(into / "hive-task.jar", "w") as packed:
        for name in hive.namelist():
            if name.startswith("org/apache/hadoop/hive/ql/exec/tez/DagUtils"):
                packed.writestr(zipfile.ZipInfo(name), hive.read(name))


if __name__ == "__main__":
    collect_jars(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    if "hive" in sys.argv[3:]:
        pack_task_jar(Path(sys.argv[2]))
