"""No error prints over ten lines, whatever it is made of; the whole of it can be asked for."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import MOST_LINES, FlowFileError, Problem, SwitchyardError

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from("\n\r\u2028 a"), max_size=60)
FINDINGS = st.lists(TEXT, max_size=60)


@given(what=TEXT, where=TEXT, cure=TEXT, findings=FINDINGS)
def test_an_error_has_at_most_ten_lines(what: str, where: str, cure: str, findings: list[str]) -> None:
    error = SwitchyardError(what, where=where, cure=cure, findings=findings, more="switchyard preflight telemetry")
    assert len(str(error).splitlines()) <= MOST_LINES
    assert all(" ".join(finding.split()) in error.whole() for finding in findings)


@given(problems=st.lists(st.builds(Problem, st.just(Path("flows/a.yaml")), st.just(1), TEXT, TEXT), min_size=1))
def test_a_flow_file_with_many_problems_has_at_most_ten_lines(problems: list[Problem]) -> None:
    error = FlowFileError("a", Path("flows/a.yaml"), problems)
    assert len(str(error).splitlines()) <= MOST_LINES
    assert all(problem.what in error.whole() for problem in problems)


def test_it_says_how_many_are_left_out_and_what_shows_them() -> None:
    findings = [f"column c{number} cannot be carried" for number in range(30)]
    error = SwitchyardError("refused:", where="flow a", cure="mend", findings=findings, more="switchyard preflight a")
    assert str(error).splitlines() == [
        "flow a: refused:",
        *(f"  - column c{number} cannot be carried" for number in range(7)),
        "  - and 23 more: switchyard preflight a",
        "  → mend",
    ]
    assert error.whole().count("cannot be carried") == 30


def test_eight_findings_are_all_shown() -> None:
    error = SwitchyardError("refused:", where="flow a", cure="mend", findings=[f"f{n}" for n in range(8)], more="x")
    assert str(error) == error.whole()


def test_a_flow_file_names_the_command_that_shows_the_rest() -> None:
    problems = [Problem(Path("flows/a.yaml"), line, f"unknown key `k{line}`", "leave it out") for line in range(9)]
    text = str(FlowFileError("a", Path("flows/a.yaml"), problems)).splitlines()
    assert text[-1] == "and 5 more: switchyard lint --flows flows"
    assert len(text) == 9
