"""HDFS over its own protocol (hdfs-native: no JVM). Directories of a load are written once and read whole."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from switchyard.connections import Connection
from switchyard.errors import AGAIN, ConnectionUnusable, ServerUnavailable, SwitchyardError

if TYPE_CHECKING:
    from hdfs_native import Client, FileReader
    from pydantic import JsonValue

_CHUNK = 4 << 20
_NOT_ALLOWED = re.compile(r"AccessControlException|AuthorizationException|[Pp]ermission denied")
_SERVER_SAYS = re.compile(r'RPCError\("(?:[\w$]+\.)*(?P<kind>[\w$]+)", "(?P<words>.*?)(?:\\n|"\))', re.S)
"""An exception of the NameNode's, as the client writes it: class, then words with Java's stack after an escaped \\n."""
MANIFEST = "_manifest.json"
GIVE_UP_SOON = {
    "dfs.client.failover.max.attempts": "5",
    "dfs.client.failover.sleep.base.millis": "100",
    "dfs.client.failover.sleep.max.millis": "1000",
}
"""The client's settings. By its defaults it asks a NameNode that is down for three minutes (seen), by these for 3 s; a
retry of the task asks again."""


@dataclass(frozen=True)
class HdfsFile:
    """One file: absolute path and length in bytes."""

    path: str
    bytes: int


class Hdfs:
    """The file system of one NameNode.

    All methods raise ServerUnavailable when it cannot be reached or written, ConnectionUnusable when it is not allowed.
    """

    def __init__(self, connection: Connection) -> None:
        from hdfs_native import Client

        self.connection = connection
        self.url = f"hdfs://{connection.host}:{connection.port or 8020}"
        if connection.login:
            os.environ["HADOOP_USER_NAME"] = connection.login
        self._client: Client = Client(self.url, GIVE_UP_SOON)

    def list_files(self, directory: str) -> list[HdfsFile]:
        """Data files below a directory, sorted; names that start with `_` or `.` are not data (Hadoop's rule)."""
        with self._explained(f"list {directory}"):
            statuses = [s for s in self._client.list_status(directory, recursive=True) if not s.isdir]
        return sorted(
            (HdfsFile(s.path, s.length) for s in statuses if _is_data(s.path)),
            key=lambda file: file.path,
        )

    def size_of(self, directory: str) -> int | None:
        """Bytes of the data files below a directory; None when there is no such directory."""
        try:
            statuses = list(self._client.list_status(directory, recursive=True))
        except FileNotFoundError:
            return None
        except (RuntimeError, OSError) as error:
            raise self._explain(f"list {directory}", error) from error
        return sum(s.length for s in statuses if not s.isdir and _is_data(s.path))

    def list_directories(self, directory: str) -> list[str]:
        """Paths of the directories right below; empty when there is no such directory."""
        try:
            return sorted(s.path for s in self._client.list_status(directory) if s.isdir)
        except FileNotFoundError:
            return []
        except (RuntimeError, OSError) as error:
            raise self._explain(f"list {directory}", error) from error

    def exists(self, path: str) -> bool:
        """True if a file or directory exists."""
        try:
            self._client.get_file_info(path)
        except FileNotFoundError:
            return False
        except (RuntimeError, OSError) as error:
            raise self._explain(f"look at {path}", error) from error
        return True

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents."""
        with self._explained(f"make {path}"):
            self._client.mkdirs(path, create_parent=True)

    def delete(self, path: str) -> None:
        """Delete a file or a whole directory; nothing happens if it does not exist."""
        with self._explained(f"delete {path}"):
            self._client.delete(path, recursive=True)

    def read_chunks(self, path: str) -> Iterator[bytes]:
        """Stream a file in chunks of a few MiB."""
        with self._explained(f"read {path}"), self._client.read(path) as reader:
            while chunk := reader.read(_CHUNK):
                yield chunk

    def open(self, path: str) -> FileReader:
        """A file to read and seek in, for a Parquet footer."""
        with self._explained(f"read {path}"):
            return self._client.read(path)

    def download(self, directory: str, local: Path) -> list[Path]:
        """Copy a directory's data files below `local`, empty ones left out; returns the copies, in order."""
        local.mkdir(parents=True, exist_ok=True)
        copies = []
        for number, file in enumerate(file for file in self.list_files(directory) if file.bytes):
            copies.append(self.download_file(file.path, local / f"{number:05d}_{Path(file.path).name}"))
        return copies

    def download_file(self, path: str, local: Path) -> Path:
        """Copy one file to `local`; returns it. Memory stays at one chunk."""
        with local.open("wb") as target:
            for chunk in self.read_chunks(path):
                target.write(chunk)
        return local

    def upload(self, local: Path, path: str) -> None:
        """Copy a local file to a new path, whole or not at all: to a temporary name, then renamed."""
        with local.open("rb") as source:
            self._write(path, iter(lambda: source.read(_CHUNK), b""))

    def write_manifest(self, directory: str, manifest: Mapping[str, JsonValue]) -> None:
        """Write `_manifest.json` into a directory, last of all."""
        self._write(f"{directory}/{MANIFEST}", [json.dumps(dict(manifest), indent=1).encode()])

    def read_manifest(self, directory: str) -> Mapping[str, JsonValue] | None:
        """The content of a directory's `_manifest.json`; None without one."""
        path = f"{directory}/{MANIFEST}"
        if not self.exists(path):
            return None
        manifest: dict[str, JsonValue] = json.loads(b"".join(self.read_chunks(path)))
        return manifest

    def _write(self, path: str, chunks: Iterable[bytes]) -> None:
        """To a temporary name, then renamed: a killed writer leaves no file that looks whole."""
        from hdfs_native import WriteOptions

        temporary = f"{path}.tmp"
        with self._explained(f"write {path}"):
            writer = self._client.create(temporary, WriteOptions(overwrite=True, create_parent=True))
            for chunk in chunks:
                writer.write(chunk)
            writer.close()
            self._client.rename(temporary, path, overwrite=True)

    def _explained(self, doing: str) -> _Explained:
        return _Explained(self, doing)

    def _explain(self, doing: str, error: Exception) -> SwitchyardError:
        """What an error of the client means: its classes are Python's, the server's own class is in its words."""
        address = self.connection.address
        where = f"connection {self.connection.conn_id}"
        words = _words(error)
        if isinstance(error, PermissionError) or _NOT_ALLOWED.search(str(error)):
            login = self.connection.login
            user = f"user {login}" if login else "the user of this process"
            what = f"HDFS at {address} does not let {user} {doing}: {words}"
            return ConnectionUnusable(
                what, where=where, cure=f"give the user that right (hdfs dfs -chown, -setfacl); then {AGAIN}"
            )
        if "SafeModeException" in str(error):
            what = f"HDFS at {address} is in safe mode, and could not {doing}: {words}"
            return ServerUnavailable(
                what, where=where, cure=f"wait until it has left safe mode (hdfs dfsadmin -safemode wait); then {AGAIN}"
            )
        if isinstance(error, FileNotFoundError):
            what = f"HDFS at {address} could not {doing}: it is gone: {words}"
            return ServerUnavailable(
                what, where=where, cure=f"find who deletes files below lake.root, and stop it; then {AGAIN}"
            )
        if isinstance(error, OSError):
            what = f"the NameNode at {address} does not answer, so HDFS could not {doing}: {words}"
            return ServerUnavailable(
                what, where=where, cure=f"start it, or correct the connection's host and port; then {AGAIN}"
            )
        what = f"HDFS at {address} could not {doing}: {words}"
        if "QuotaExceededException" in str(error):
            return ServerUnavailable(
                what,
                where=where,
                cure=f"delete old files, or raise the quota (hdfs dfsadmin -setQuota, -setSpaceQuota); then {AGAIN}",
            )
        return ServerUnavailable(
            what, where=where, cure=f"check that its DataNodes run and have space (hdfs dfsadmin -report); then {AGAIN}"
        )


def _words(error: Exception) -> str:
    """The first line of what the server said, without Java's stack: the client puts both into one escaped line."""
    text = str(error).strip()
    match = _SERVER_SAYS.search(text)
    words = f"{match['kind']}: {match['words']}".replace('\\"', '"') if match else text
    return next(iter(words.splitlines()), type(error).__name__)


def _is_data(path: str) -> bool:
    return not Path(path).name.startswith(("_", "."))


class _Explained:
    """Turns the client's RuntimeError and OSError into one error that names the connection."""

    def __init__(self, hdfs: Hdfs, doing: str) -> None:
        self._hdfs, self._doing = hdfs, doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (RuntimeError, OSError)):
            raise self._hdfs._explain(self._doing, error) from error
