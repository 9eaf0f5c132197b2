"""Recipes and tables of the pilots."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import ConfigError
from chromalab.core.records import read_yaml
from chromalab.data.library import LibraryRecord
from chromalab.stats.intervals import t_interval
from chromalab.studies.recipe import Recipe, TrainingRecord, Validation, without_paths
from tools.pages.pilots import pilots_page
from tools.release.pilots import Pilots, pilots_table, recipes

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = LibraryRecord(
    folders=[], size_px=96, colourless_threshold=10, n_excluded=0, n_train=9, n_val=3, sha256="0" * 64
)


def finished_run(folder: Path, values: Mapping[str, float]) -> None:
    """Write a finished training whose CIEDE2000 by photo is `values`."""
    mean = sum(values.values()) / len(values)
    metrics = {"psnr": 20.0, "delta_e_2000": mean, "lpips_alex": mean / 50, "chroma": 8.0, "colorfulness": 20.0}
    record = TrainingRecord(
        recipe=without_paths(Recipe()),
        formula="l1",
        data=LIBRARY,
        parameters=1,
        encoder_start="random",
        finished=True,
        images=100,
        minutes=1.0,
        validations=[Validation(images=100, minutes=1.0, metrics=metrics)],
        truth={"chroma": 10.0},
    )
    folder.mkdir(parents=True)
    record.save(folder / "training.json")
    lines = ["photo,delta_e_2000,lpips_alex", *(f"{photo},{value},{value / 50}" for photo, value in values.items())]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_pilot_is_the_base_with_its_changes() -> None:
    pilots = Pilots(base=Recipe(), pilots={"base": {}, "wide": {"training.optimizer.learning_rate": 0.5, "seed": 3}})
    found = recipes(pilots, ["A", "B=0.5"])
    assert found["base"].data == found["wide"].data == ["A", "B=0.5"]
    assert found["wide"].training.optimizer.learning_rate == 0.5
    assert found["wide"].seed == 3
    assert found["base"].seed == 0


def test_a_misspelled_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pilot odd: unknown key 'training\.crop'"):
        recipes(Pilots(base=Recipe(), pilots={"odd": {"training.crop": 64}}), [])


def test_a_left_out_source_is_used_for_validation_only(tmp_path: Path) -> None:
    (tmp_path / "more" / "flowers").mkdir(parents=True)
    pilots = Pilots(base=Recipe(), pilots={"base": {}, "less": {"without": "flowers"}})
    data = [str(tmp_path / "other"), str(tmp_path / "more")]
    assert recipes(pilots, data)["less"].data == [*data, f"{tmp_path / 'more' / 'flowers'}=1e-9"]
    assert recipes(pilots, data)["base"].data == data


def test_the_table_has_paired_differences_of_finished_pilots(tmp_path: Path) -> None:
    base = {"a": 10.0, "b": 12.0, "c": 11.0}
    own = {"a": 9.0, "b": 11.5, "c": 10.1}
    finished_run(tmp_path / "base", base)
    finished_run(tmp_path / "better", own)
    pilots = Pilots(base=Recipe(), pilots={"base": {}, "better": {"seed": 1}, "not_run": {"seed": 2}})
    rows = list(csv.DictReader(io.StringIO(pilots_table(tmp_path, pilots))))
    assert [row["pilot"] for row in rows] == ["base", "better"]
    interval = t_interval([own[photo] - base[photo] for photo in base])
    assert float(rows[1]["delta_e_2000_difference"]) == pytest.approx(-0.8)
    assert float(rows[1]["delta_e_2000_low"]) == pytest.approx(interval.low, abs=1e-4)
    assert float(rows[1]["delta_e_2000_high"]) == pytest.approx(interval.high, abs=1e-4)
    assert rows[1]["changes"] == "seed: 1"
    assert rows[0]["chroma_ratio"] == "0.800"


def test_the_table_keeps_earlier_rows_and_compares_with_the_named_base(tmp_path: Path) -> None:
    finished_run(tmp_path / "again", {"a": 10.0, "b": 12.0, "c": 11.0})
    finished_run(tmp_path / "better", {"a": 9.0, "b": 11.5, "c": 10.1})
    pilots = Pilots(base=Recipe(), pilots={"base": {}, "again": {}, "better": {"seed": 1}})
    names = pilots_table(tmp_path, pilots, base_name="again").splitlines()[0].split(",")
    earlier = [dict.fromkeys(names, "1") | {"pilot": name} for name in ("better", "base")]
    text = pilots_table(tmp_path, pilots, base_name="again", earlier=earlier)
    base, again, better = csv.DictReader(io.StringIO(text))
    assert base == earlier[1]
    assert (again["pilot"], again["delta_e_2000_high"]) == ("again", "0.0000")
    assert float(better["delta_e_2000_difference"]) == pytest.approx(-0.8)


def test_the_committed_pilots_are_valid_and_on_their_page() -> None:
    pilots = Pilots.parse(read_yaml(ROOT / "results" / "flagship" / "pilots.yaml"), origin="pilots.yaml")
    plain = {name: changes for name, changes in pilots.pilots.items() if "without" not in changes}
    assert set(recipes(pilots.model_copy(update={"pilots": plain}), [])) == set(plain)
    with (ROOT / "results" / "flagship" / "pilots.csv").open(encoding="utf-8") as file:
        names = [row["pilot"] for row in csv.DictReader(file)]
    assert names
    assert set(names) <= set(pilots.pilots)
    page = pilots_page()
    assert all(f"| {name} |" in page for name in names)
