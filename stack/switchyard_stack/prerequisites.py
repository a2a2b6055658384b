"""Programs that must be on the machine: a JDK, Maven, PostgreSQL, Redis, setpriv. Found, never installed, here."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from switchyard_stack.errors import MissingPrograms

JAVA_MAJORS = (17, 21)  # Debian 12 has the first, Debian 13 the second; Hadoop 3.4 and Hive 4.0 were run on both
POSTGRES_USER = "postgres"
_MAJORS = " or ".join(map(str, JAVA_MAJORS))


@dataclass(frozen=True)
class Programs:
    """Paths of the programs."""

    java_home: Path
    maven: Path
    postgres_bin: Path
    redis_server: Path
    setpriv: Path | None


def find_programs(*, as_root: bool) -> Programs:
    """Find everything, or raise MissingPrograms that names all that is missing at once."""
    java = find_java_home()
    postgres = find_postgres_bin()
    maven, redis, setpriv = (shutil.which(name) for name in ("mvn", "redis-server", "setpriv"))
    missing = [
        f"{what} (Debian: {package})"
        for path, what, package in (
            (java, f"a JDK {_MAJORS} with javac", f"openjdk-{JAVA_MAJORS[0]}-jdk-headless or later"),
            (maven, "Maven, mvn", "maven"),
            (postgres, "PostgreSQL's server, initdb", "postgresql"),
            (redis, "redis-server", "redis-server"),
            (setpriv or not as_root, "setpriv, as PostgreSQL refuses to run as root", "util-linux"),
        )
        if not path
    ]
    if missing or not (java and maven and postgres and redis):
        raise MissingPrograms(
            "missing on this machine: " + "; ".join(missing),
            cure="stack/install-prerequisites.sh installs them with apt-get",
        )
    return Programs(java, Path(maven), postgres, Path(redis), Path(setpriv) if setpriv else None)


def find_java_home() -> Path | None:
    """JAVA_HOME, the `javac` on the PATH, or one under /usr/lib/jvm: the first that is of JAVA_MAJORS."""
    on_path = shutil.which("javac")
    candidates = [
        Path(os.environ["JAVA_HOME"]) if os.environ.get("JAVA_HOME") else None,
        Path(on_path).resolve().parents[1] if on_path else None,
        *(home for major in JAVA_MAJORS for home in sorted(Path("/usr/lib/jvm").glob(f"*{major}*"))),
    ]
    return next((home for home in candidates if home and _is_wanted_jdk(home)), None)


def _is_wanted_jdk(home: Path) -> bool:
    release = home / "release"
    if not ((home / "bin/javac").exists() and (home / "bin/java").exists() and release.exists()):
        return False
    return any(f'JAVA_VERSION="{major}.' in release.read_text() for major in JAVA_MAJORS)


def find_postgres_bin() -> Path | None:
    """The directory of the newest `initdb`: Debian keeps it off the PATH."""
    directories = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if directories:
        return max(directories, key=lambda bin_dir: [int(n) for n in re.findall(r"\d+", bin_dir.parent.name)])
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None
