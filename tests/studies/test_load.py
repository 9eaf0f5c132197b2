from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import load_study, read_metrics
from chromalab.studies.records import FAILED_FILE, FailedRun
from chromalab.studies.study import StudyFolder
from tests.studies.synthetic import FACTS, Plan, make_study, run_record, without_runs, write_metrics, write_study

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan(objectives=("l1", "l2"), color_spaces=("lab", "rgb"), n_seeds=2, n_photos=4)


def test_written_metrics_are_read_back(tmp_path: Path) -> None:
    study = make_study(PLAN)
    loaded = load_study(write_study(study, tmp_path))
    assert loaded.record == study.record
    assert list(loaded.runs) == list(study.runs)
    assert loaded.missing == []
    for name, run in study.runs.items():
        assert loaded.runs[name].record == run.record
        for metric, values in run.photos.items():
            np.testing.assert_array_equal(loaded.runs[name].photos[metric], values)
    assert np.isposinf(loaded.bounds["truth"].photos["psnr"]).all()


def test_missing_runs_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = write_study(without_runs(make_study(PLAN), "l2-lab-s1"), tmp_path)
    (folder / "runs" / "l2-lab-s1").mkdir()
    write_metrics(folder / "runs" / "l2-lab-s1" / "metrics.csv", ["photo000.jpg"], {"mae": np.zeros(1)})
    loaded = load_study(folder)
    assert loaded.missing == ["l2-lab-s1"]
    assert "l2-lab-s1" not in loaded.runs


def test_a_study_without_any_run_is_read(tmp_path: Path) -> None:
    make_study(PLAN).record.save(tmp_path / "study.json")
    loaded = load_study(tmp_path)
    assert (dict(loaded.runs), dict(loaded.bounds), len(loaded.missing)) == ({}, {}, 8)


def test_rows_are_put_in_the_order_of_the_study(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("photo,mae,psnr\nb.jpg,0.5,inf\na.jpg,0.25,\n", encoding="utf-8")
    values = read_metrics(table, ["a.jpg", "b.jpg", "c.jpg"])
    np.testing.assert_array_equal(values["mae"], [0.25, 0.5, np.nan])
    np.testing.assert_array_equal(values["psnr"], [np.nan, np.inf, np.nan])


def test_names_with_commas_and_quotes_survive(tmp_path: Path) -> None:
    names = ['a, "b".jpg', "ü\n.png"]
    write_metrics(tmp_path / "metrics.csv", names, {"mae": np.array([1.0, 2.0])})
    assert read_metrics(tmp_path / "metrics.csv", names)["mae"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("name,mae\na.jpg,1\n", "first line"),
        ("photo,mae,mae\na.jpg,1,2\n", "names each metric once"),
        ("photo,mae\na.jpg,1,2\n", "line 2: expected 2 cells, got 3"),
        ("photo,mae\nz.jpg,1\n", "'z.jpg' is not a test photo"),
        ("photo,mae\na.jpg,1\na.jpg,1\n", "line 3: the photo 'a.jpg' occurs twice"),
        ("photo,mae\na.jpg,high\n", "line 2: 'high' is not a number"),
    ],
)
def test_damaged_tables_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_metrics(table, ["a.jpg"])
    assert "metrics.csv" in str(caught.value)


def test_bytes_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"\xff\xfe\x00photo")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_metrics(tmp_path / "metrics.csv", [])
    with pytest.raises(ConfigError, match="does not exist"):
        read_metrics(tmp_path / "absent.csv", [])


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no study"):
        load_study(tmp_path)


def test_runs_of_other_photographs_or_another_name_are_refused(tmp_path: Path) -> None:
    folder = write_study(make_study(PLAN), tmp_path)
    record = folder / "runs" / "l1-lab-s0" / "record.json"
    run_record("l1", "lab", 0, 4, data_sha256="other").save(record)
    with pytest.raises(ConfigError, match="other photos"):
        load_study(folder)
    run_record("l2", "lab", 0, 4).save(record)
    with pytest.raises(ConfigError, match="record of l2-lab-s0"):
        load_study(folder)


def test_diverged_run_is_missing_with_its_reason(tmp_path: Path) -> None:
    study = make_study(Plan(n_seeds=1))
    folder = write_study(without_runs(study, "l1-lab-s0", "l2-lab-s0"), tmp_path)
    FailedRun(run_id="l1-lab-s0", reason="l1 is not finite").save(folder / "runs" / "l1-lab-s0" / FAILED_FILE)
    loaded = load_study(folder)
    assert (set(loaded.missing), loaded.failed) == ({"l1-lab-s0", "l2-lab-s0"}, {"l1-lab-s0": "l1 is not finite"})
    assert analyze(loaded, FACTS).failed_runs == loaded.failed


def test_a_study_is_not_resumed_with_other_networks_in_its_losses(tmp_path: Path) -> None:
    record = make_study(PLAN).record
    folder = StudyFolder(write_study(make_study(PLAN), tmp_path))
    folder.open(record)
    first, *others = record.objectives
    changed = record.model_copy(update={"objectives": [*others, first.model_copy(update={"trunks": ["vgg16"]})]})
    with pytest.raises(UsageError, match=rf"the losses of {first.id} used other networks \(none\) than .* \(vgg16\)"):
        folder.open(changed)
