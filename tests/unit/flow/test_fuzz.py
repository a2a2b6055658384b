"""Bad flow files, generated: each is a FlowFileError whose problems have a line, and never another exception.

SWITCHYARD_FUZZ says how many of each kind; `SWITCHYARD_FUZZ=2500` makes 10,000 in all.
"""

from __future__ import annotations

import copy
import os
import pickle
import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.flow_files import FLOWS, GOOD, HOSTILE, at, paths
from switchyard.errors import FlowFileError
from switchyard.flow.files.loader import Defaults, load_flow
from switchyard.flow.spec import Flow

INDICATORS = [b"\t", b"*a", b"&a ", b"[", b"{", b"]", b": ", b"- ", b"!!x ", b"'", b'"', b"\n---\n", b"#", b"%", b"@"]
INDICATORS += [b"\x00", b"<<: ", b"? ", b"|\n", b">-\n", b"...", b"\r"]

scaled = settings(
    max_examples=int(os.environ.get("SWITCHYARD_FUZZ", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows")


def load(directory: Path, name: str, content: bytes) -> Flow:
    path = directory / f"{name}.yaml"
    path.write_bytes(content)
    return load_flow(path, Defaults(FLOWS))


def assert_told(error: FlowFileError, content: bytes) -> None:
    """Every problem has its line and its words. Linear in the problems: some files have 60,000 of them."""
    assert error.problems
    others = {problem.path for problem in error.problems} - {error.path}
    lines = {path: len(path.read_bytes().splitlines()) for path in others}
    lines[error.path] = max(1, len(content.splitlines()))
    places = re.findall(r"([^/\s]+:\d+): ", error.whole())
    assert {f"{problem.path.name}:{problem.line}" for problem in error.problems} <= set(places)
    for problem in error.problems:
        assert 1 <= problem.line <= lines[problem.path]
        assert problem.what
        assert len(problem.what) < 400
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


goods = st.sampled_from(sorted(GOOD))
junk = st.one_of(
    st.none(),
    st.sampled_from(HOSTILE),
    st.sampled_from([10**400, -(10**400), 2**63, 1e308, -0.0, float("nan"), float("inf"), [[]], {"": ""}, [None]]),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
words = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)


@scaled
@given(name=goods, data=st.data())
def test_a_misspelt_or_unknown_key_is_named_with_its_line(directory: Path, name: str, data: st.DataObject) -> None:
    tree = yaml.safe_load(GOOD[name])
    key_paths = [path for path in paths(tree) if isinstance(path[-1], str) and path[:-1] != ("columns",)]
    path = data.draw(st.sampled_from(key_paths))
    parent, key = at(tree, path[:-1]), path[-1]
    fields = {field for model in (Flow, *_models()) for field in model.model_fields}
    wrong = data.draw(st.one_of(_typos(key), words).filter(lambda word: word not in fields))
    parent[wrong] = parent.pop(key) if data.draw(st.booleans()) else "x"
    content = yaml.safe_dump(tree, sort_keys=False).encode()
    with pytest.raises(FlowFileError) as caught:
        load(directory, name, content)
    assert_told(caught.value, content)
    problems = [p for p in caught.value.problems if re.search(rf"[`.]{re.escape(wrong)}`", p.what)]
    assert problems
    assert wrong in content.decode().splitlines()[problems[0].line - 1]


@scaled
@given(name=goods, data=st.data(), value=junk)
def test_a_wrong_value_is_refused_or_a_flow(directory: Path, name: str, data: st.DataObject, value: object) -> None:
    tree = yaml.safe_load(GOOD[name])
    path = data.draw(st.sampled_from(paths(tree)))
    at(tree, path[:-1])[path[-1]] = copy.deepcopy(value)
    content = yaml.safe_dump(tree, allow_unicode=data.draw(st.booleans())).encode()
    try:
        flow = load(directory, name, content)
    except FlowFileError as error:
        assert_told(error, content)
    else:
        assert flow.flow == name


@scaled
@given(name=goods, data=st.data())
def test_a_missing_part_is_refused_or_has_a_default(directory: Path, name: str, data: st.DataObject) -> None:
    tree = yaml.safe_load(GOOD[name])
    path = data.draw(st.sampled_from(paths(tree)))
    del at(tree, path[:-1])[path[-1]]
    content = yaml.safe_dump(tree).encode()
    required = {("source",), ("lake",), ("source", "connection"), ("source", "table"), ("lake", "table")}
    required |= {("lake", "database"), ("serve", "collection"), ("serve", "key")}
    try:
        load(directory, name, content)
    except FlowFileError as error:
        assert_told(error, content)
    else:
        assert path not in required


@scaled
@given(name=goods, data=st.data())
def test_junk_bytes_anywhere_raise_nothing_else(directory: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(GOOD[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 12))
        content[where : where + cut] = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from(INDICATORS)))
    try:
        load(directory, name, bytes(content))
    except FlowFileError as error:
        assert_told(error, bytes(content))


@pytest.mark.parametrize("opener", ["[", "- ", "{a: ", "? ", "a:\n ", "&a [", "[{", "!!x [", "'", "*"])
@pytest.mark.parametrize("times", [10, 1_000, 60_000])
def test_deep_nesting_does_not_end_the_process(directory: Path, opener: str, times: int) -> None:
    content = (opener * times).encode()
    with pytest.raises(FlowFileError) as caught:
        load(directory, "deep", content)
    assert_told(caught.value, content)


def test_an_alias_bomb_is_counted(directory: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 15)]
    with pytest.raises(FlowFileError, match="its YAML aliases repeat"):
        load(directory, "bomb", "\n".join(lines).encode())


def _models() -> list[Any]:
    from switchyard.flow import proof
    from switchyard.flow.choices import ColumnChoice
    from switchyard.flow.files.validate import SECTIONS

    parts = (proof.Check, proof.Between, proof.Regex, proof.AcceptedValues, proof.RowCount, proof.Freshness)
    return [*SECTIONS.values(), ColumnChoice, *parts]


def _typos(word: str) -> st.SearchStrategy[str]:
    def change(place: int, kind: str, letter: str) -> str:
        place %= len(word)
        match kind:
            case "drop":
                return word[:place] + word[place + 1 :] or letter
            case "swap":
                return word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
        return word[:place] + letter + word[place:]

    letters = st.sampled_from(string.ascii_lowercase)
    return st.builds(change, st.integers(0, 30), st.sampled_from(["drop", "swap", "add"]), letters)
