"""What is generated is as generated: docs/types.md, docs/DAGs.md and the JSON Schemas."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.checkout import CHECKOUT
from switchyard.cli.app import build_app
from switchyard.cli.docs import generated_files, types_page
from switchyard.types.rules import REFUSALS, RULES

DOCS = CHECKOUT / "docs"


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return generated_files(CHECKOUT / "dags")


def test_the_generated_docs_are_fresh(generated: dict[str, str]) -> None:
    stale = [name for name, text in generated.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    assert not stale, "make docs writes them"


def test_check_says_what_is_stale_and_writes_nothing(generated: dict[str, str], tmp_path: Path) -> None:
    for name, text in generated.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "types.md").write_text("old")
    arguments = ["docs", "--check", "--into", str(tmp_path), "--dags", str(CHECKOUT / "dags")]
    result = CliRunner().invoke(build_app(arguments), arguments)
    assert result.exit_code == 1
    assert "types.md: stale" in result.output
    assert "DAGs.md: as generated" in result.output
    assert (tmp_path / "types.md").read_text() == "old"


def test_every_rule_and_refusal_is_told() -> None:
    page = types_page()
    assert [rule.postgres for rule in RULES if f"| `{rule.postgres}` |" not in page] == []
    assert [refusal.postgres for refusal in REFUSALS if f"| {refusal.postgres} |" not in page] == []


def test_every_shipped_dag_is_told(generated: dict[str, str]) -> None:
    flows = [path.stem for path in (CHECKOUT / "dags" / "flows").glob("*.yaml") if path.stem != "defaults"]
    wanted = ["metadata_sync", *(f"ingest__{flow}" for flow in flows)]
    assert [dag_id for dag_id in wanted if f"| `{dag_id}` |" not in generated["DAGs.md"]] == []
