"""No error prints over ten lines, whatever it is made of; the whole of it can be asked for."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from switchyard.errors import LONGEST_LINE, MOST_LINES, FlowFileError, Problem, SwitchyardError, cut_value

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


LONG = st.builds(lambda text, times: text * times, TEXT, st.integers(0, 3_000))


@given(what=LONG, where=LONG, findings=st.lists(LONG, max_size=12))
def test_no_value_of_a_table_makes_an_error_that_nobody_can_read(what: str, where: str, findings: list[str]) -> None:
    """A key may have 50,000 characters, and each of five examples, too."""
    error = SwitchyardError(what, where=where, cure="mend", findings=findings, more="switchyard preflight a")
    for text in (str(error), error.whole(), error.what):
        assert max(map(len, text.split("\n")), default=0) <= 2 * LONGEST_LINE + 10  # a place and what happened there
    again = SwitchyardError(error.what, where=error.where, cure="mend")
    assert again.what == error.what, "what travels from a step to its task is cut once"


def test_a_value_is_shown_by_its_beginning_and_its_length() -> None:
    assert cut_value("x" * 200) == "x" * 200
    assert cut_value("x" * 50_000) == "x" * 200 + "… (50,000 characters)"
