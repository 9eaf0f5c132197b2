from __future__ import annotations

import math
from pathlib import Path

import pytest

from chromalab.core.errors import ConfigError
from chromalab.core.records import Record


class Inner(Record):
    learning_rate: float = 1.0


class Outer(Record):
    name: str
    inner: Inner = Inner()
    values: list[float] = []


def test_a_record_with_infinities_can_be_saved_and_loaded(tmp_path: Path) -> None:
    record = Outer(name="a", values=[1 / 3, math.inf])
    record.save(tmp_path / "record.json")
    assert Outer.load(tmp_path / "record.json") == record


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nam": "a"}, "nam"),
        ({"name": "a", "inner": {"learning_rat": 1}}, "unknown key 'inner.learning_rat'; did you mean 'learning_rate'"),
        ({"name": "a", "color": 1}, "unknown key 'color'"),
        ({"name": "a", "inner": {"learning_rate": "fast"}}, "inner.learning_rate: .*valid number"),
        (["a list"], "does not hold keys with values"),
    ],
)
def test_invalid_keys_are_named(data: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Outer.parse(data, origin="study.yaml")


def test_json_of_other_programs_is_read(tmp_path: Path) -> None:
    text = '{\n\t"name": "a",\n\t"inner": {"learning_rate": 1e-05}\n}'
    (tmp_path / "tabs.JSON").write_text(text, encoding="utf-8-sig")
    assert Outer.load(tmp_path / "tabs.JSON").inner.learning_rate == 1e-5


def test_missing_and_broken_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        Outer.load(tmp_path / "none.json")
    for ending, kind in (("yaml", "YAML"), ("json", "JSON")):
        (tmp_path / f"broken.{ending}").write_text("{ : [")
        with pytest.raises(ConfigError, match=f"not valid {kind}"):
            Outer.load(tmp_path / f"broken.{ending}")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        Outer.load(tmp_path / "binary.json")
