"""Scratch directories: private, gone at the end, and gone after a kill -9 as soon as the next one is opened."""

import signal
import subprocess
import sys
from pathlib import Path

from switchyard.legs.scratch import open_scratch

HOLD = """
import sys, time
from pathlib import Path
from switchyard.legs.scratch import open_scratch
with open_scratch(Path(sys.argv[1])) as path:
    (path / "password").write_text("secret")
    print(path, flush=True)
    time.sleep(600)
"""


def test_it_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with open_scratch(tmp_path / "new") as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "below").mkdir()
        with open_scratch(tmp_path / "new") as other:
            assert other != path
            assert (path / "below").is_dir(), "one in use is not swept"
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_owner_left_is_swept(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    held = Path(child.stdout.readline().strip())
    with open_scratch(tmp_path):
        assert (held / "password").exists(), "its owner lives"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert held.exists()
    with open_scratch(tmp_path):
        assert not held.exists()


def test_other_directories_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "switchyard-mine").mkdir()
    (tmp_path / "switchyard-scratch-file").write_text("x")
    (tmp_path / "switchyard-scratch-link").symlink_to(tmp_path / "mine")
    with open_scratch(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {
        "mine",
        "switchyard-mine",
        "switchyard-scratch-file",
        "switchyard-scratch-link",
    }
