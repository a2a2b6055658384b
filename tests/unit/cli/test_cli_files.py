"""The command line: quick to start, tells everything at once, takes commands of other distributions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT

BAD = "sorce: {connection: x}\nlake: {table: t}\n"


def switchyard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "switchyard", *arguments],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "120", **environment},
        timeout=60,
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    directory = tmp_path / "flows"
    directory.mkdir()
    (directory / "telemetry.yaml").write_text((CHECKOUT / "dags/flows/telemetry.yaml").read_text())
    (directory / "defaults.yaml").write_text((CHECKOUT / "dags/flows/defaults.yaml").read_text() + "ower: x\n")
    (directory / "one.yaml").write_text(BAD)
    (directory / "two.yml").write_text(BAD)
    return directory


def test_flows_lists_what_is_shipped() -> None:
    done = switchyard("flows")
    assert done.returncode == 0, done.stderr
    for word in ("telemetry", "public.telemetry", "telemetry_db.telemetry", "@hourly", "15m", "grid_readings"):
        assert word in done.stdout


def test_flows_as_json() -> None:
    report = json.loads(switchyard("flows", "--format", "json").stdout)
    assert report["broken"] == []
    assert {"flow": "telemetry", "lake": "telemetry_db.telemetry"}.items() <= report["flows"][-1].items()


def test_the_shipped_flows_lint_clean() -> None:
    done = switchyard("lint")
    assert (done.returncode, done.stdout) == (0, "4 flow files: no problems\n")


def test_lint_tells_all_errors_of_all_files_once(broken: Path) -> None:
    done = switchyard("lint", "--flows", str(broken))
    assert done.returncode == 1
    assert done.stdout.count("unknown key `ower`") == 1
    assert f"{broken}/one.yaml:1: unknown key `sorce`" in done.stdout
    assert "did you mean `source`?" in done.stdout
    assert f"{broken}/two.yml:1: a flow file ends in .yaml" in done.stdout
    assert done.stderr == ""


def test_lint_as_json_has_file_and_line(broken: Path) -> None:
    done = switchyard("lint", "--format", "json", SWITCHYARD_FLOWS=str(broken))
    assert done.returncode == 1
    problems = json.loads(done.stdout)["problems"]
    assert ("one.yaml", 1, "unknown key `sorce`") in {(Path(p["file"]).name, p["line"], p["what"]) for p in problems}


def test_errors_on_purpose_have_no_traceback(tmp_path: Path) -> None:
    done = switchyard("lint", "--flows", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"error: {tmp_path}/nowhere: cannot list the directory of flow files: No such file or directory\n  → "
    )
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_exit_2_with_the_near_command() -> None:
    done = switchyard("lnt")
    assert done.returncode == 2
    assert "Did you mean 'lint'" in done.stderr


def test_schema_check_finds_a_stale_file(tmp_path: Path) -> None:
    assert switchyard("schema", "--check").returncode == 0
    assert switchyard("schema", "--check", "--into", str(tmp_path)).returncode == 1
    assert list(tmp_path.iterdir()) == []
    assert switchyard("schema", "--into", str(tmp_path)).returncode == 0
    assert switchyard("schema", "--check", "--into", str(tmp_path)).returncode == 0


def test_version() -> None:
    import switchyard as package

    assert switchyard("--version").stdout.strip() == package.__version__


def test_help_imports_no_command() -> None:
    """What makes a start slow is not imported for `--help`: under 0.2 s on a quiet machine."""
    code = (
        "import sys; sys.argv = ['switchyard', '--help']\n"
        "import switchyard.cli\n"
        "try: switchyard.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'yaml', 'rich', 'sqlalchemy', 'pyarrow', 'airflow', 'pymongo'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert "lint" in done.stdout


def test_other_distributions_add_commands(tmp_path: Path) -> None:
    (tmp_path / "extra_command.py").write_text(
        "import typer\napp = typer.Typer()\n"
        "@app.command()\ndef hello(name: str) -> None:\n    'Greet.'\n    print('hello', name)\n"
        "@app.command()\ndef fail() -> None:\n"
        "    from switchyard.errors import StepFailed\n    raise StepFailed('it broke', where='here', cure='mend it')\n"
    )
    info = tmp_path / "extra_command-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-command\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[switchyard.commands]\nextra = extra_command:app\n")
    path = os.pathsep.join([str(tmp_path), str(CHECKOUT / "include")])
    assert "extra-command" in switchyard("--help", PYTHONPATH=path).stdout
    done = switchyard("extra", "hello", "you", PYTHONPATH=path)
    assert done.stdout == "hello you\n", done.stderr
    failed = switchyard("extra", "fail", PYTHONPATH=path)
    assert (failed.returncode, failed.stderr) == (1, "error: here: it broke\n  → mend it\n")


def test_a_pool_has_at_least_the_slots_that_one_of_its_flows_takes(tmp_path: Path) -> None:
    for name, connection, slots in (("a", "x", 1), ("b", "x", 9), ("c", "y", 2)):
        lake, source = f"{{database: d, table: {name}}}", f"{{connection: {connection}, table: s.t}}"
        (tmp_path / f"{name}.yaml").write_text(f"source: {source}\nlake: {lake}\nruns: {{pool_slots: {slots}}}\n")
    pools = json.loads(switchyard("pools", "--flows", str(tmp_path), "--slots", "3").stdout)
    assert {name: pool["slots"] for name, pool in pools.items()} == {"connection__x": 9, "connection__y": 3}
