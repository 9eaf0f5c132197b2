"""Packing and unpacking of studies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.load import SCORE_KEYS, SCORES, LoadedStudy, load_study
from chromalab.studies.records import FAILED_FILE, RECORDS, CheckpointRecord, FailedRun
from chromalab.studies.study import study_status
from tests.studies.synthetic import Plan, make_study, without_runs, write_metrics, write_study
from tools import read_csv
from tools.pages.studies import packed_curves
from tools.release.pack import CURVES, Row, pack, unpack, write_csv, write_packed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLAN = Plan(objectives=("l1", "l2"), color_spaces=("lab", "rgb"), n_seeds=2, n_photos=4)
RUN, SHARE = "l1-lab-s0", 0.25


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a study with a missing run, a diverged one, a missing value, a checkpoint, validation scores and a log."""
    study = without_runs(make_study(PLAN), "l2-lab-s1", "l2-rgb-s1")
    photos = study.record.data.test_photos
    folder = write_study(study, tmp_path / "study")
    run = folder / "runs" / RUN
    write_metrics(run / "metrics.csv", photos, {**study.runs[RUN].photos, "ssim": np.full(4, np.nan)})
    CheckpointRecord(share=SHARE, step=5, pictures=80).save(run / "looks" / "000080" / "record.json")
    write_metrics(run / "looks" / "000080" / "metrics.csv", photos, {"mae": np.array([0.1, np.nan, 0.2, 1 / 3])})
    write_metrics(run / "validation.csv", ["other.jpg"], {"psnr": np.array([20.5])})
    (run / "train.csv").write_text("step,pictures,loss,l1\n1,16,0.5,0.5\n51,816,0.25,\n", encoding="utf-8")
    FailedRun(run_id="l2-rgb-s1", reason="l2 is not finite").save(folder / "runs" / "l2-rgb-s1" / FAILED_FILE)
    (folder / "skipped.csv").write_text("photo,reason\na.jpg,too small\n", encoding="utf-8")
    return folder


def assert_same(found: LoadedStudy, expected: LoadedStudy) -> None:
    """Compare everything of two studies."""
    assert (found.record, list(found.runs), found.missing) == (expected.record, list(expected.runs), expected.missing)
    assert (list(found.bounds), found.failed) == (list(expected.bounds), expected.failed)
    pairs = [(found.runs[name], expected.runs[name]) for name in expected.runs]
    bounds = [(found.bounds[name], expected.bounds[name]) for name in expected.bounds]
    assert all(one.record == other.record for one, other in pairs)
    assert all(one.record == other.record for one, other in bounds)
    photos = [(one.photos, other.photos) for one, other in pairs] + [
        (one.photos, other.photos) for one, other in bounds
    ]
    for one_photos, other_photos in photos:
        assert set(one_photos) == set(other_photos)
        for metric, values in other_photos.items():
            np.testing.assert_array_equal(one_photos[metric], values)


@pytest.mark.parametrize("share", [None, SHARE])
def test_a_packed_study_loads_as_its_folder(folder: Path, tmp_path: Path, share: float | None) -> None:
    pack(folder, tmp_path / "packed")
    assert_same(load_study(tmp_path / "packed", share=share), load_study(folder, share=share))


def test_a_packed_study_keeps_why_trainings_diverged(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    assert load_study(tmp_path / "packed").failed == {"l2-rgb-s1": "l2 is not finite"}
    unpack(tmp_path / "packed", tmp_path / "again")
    assert load_study(tmp_path / "again").failed == {"l2-rgb-s1": "l2 is not finite"}


def test_unpacking_restores_the_folder(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    unpack(tmp_path / "packed", tmp_path / "again")
    files = {path.relative_to(folder): path for path in folder.rglob("*.*")}
    assert {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")} == set(files)
    for name, path in files.items():
        assert (tmp_path / "again" / name).read_text(encoding="utf-8").splitlines() == path.read_text().splitlines()


def test_an_interrupted_unpacking_leaves_no_study(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(folder, tmp_path / "packed")

    def interrupted(path: Path, rows: Sequence[Row]) -> None:
        if path.name == "metrics.csv":
            raise KeyboardInterrupt
        write_csv(path, rows)

    with monkeypatch.context() as patch:
        patch.setattr("tools.release.pack.write_csv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            unpack(tmp_path / "packed", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    (tmp_path / "again").mkdir()
    unpack(tmp_path / "packed", tmp_path / "again")
    assert_same(load_study(tmp_path / "again"), load_study(folder))
    assert not [path for path in tmp_path.iterdir() if "again" in path.name and path.name != "again"]


def test_packed_runs_count_in_the_status(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    assert study_status(tmp_path / "packed") == study_status(folder)
    assert sum(run.state == "finished" for run in study_status(folder)) == 6


def test_packed_studies_and_study_folders_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    pack(folder, packed)
    with pytest.raises(UsageError, match="is packed already; unpack it with --unpack"):
        pack(packed, tmp_path / "other")
    with pytest.raises(UsageError, match="is a study folder with runs"):
        pack(folder, folder)
    (packed / SCORES).unlink()
    with pytest.raises(ConfigError, match=r"does not exist; restore it beside records\.json"):
        load_study(packed)


def test_unpacking_leaves_other_studies_alone(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    with pytest.raises(UsageError, match="is not empty; unpack into a new folder"):
        unpack(tmp_path / "packed", folder)


def test_an_interrupted_packing_leaves_no_records_without_scores(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.release.pack.write_packed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, tmp_path / "packed")
    assert not (tmp_path / "packed" / RECORDS).exists()


def test_packing_is_reproducible(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(folder, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [CURVES, RECORDS, SCORES, "study.json"]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_missing_values_and_missing_columns_are_distinguished(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    rows = [row for row in read_csv(tmp_path / "packed" / SCORES) if (row["run"], row["share"]) == (RUN, str(SHARE))]
    assert [row["mae"] for row in rows] == ["0.1", "nan", "0.2", repr(1 / 3)]
    assert [row["psnr"] for row in rows] == [""] * 4


def test_curves_are_those_of_the_log(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "packed")
    (curves,) = packed_curves(tmp_path / "packed" / CURVES)
    assert (curves.name.objective, curves.terms) == ("l1", ["l1"])
    np.testing.assert_array_equal(curves.columns["l1"], [0.5, np.nan])


@pytest.mark.parametrize("missing", ["l1-rgb-s1", "grey"])
def test_records_without_scores_are_named(folder: Path, tmp_path: Path, missing: str) -> None:
    packed = tmp_path / "packed"
    pack(folder, packed)
    write_packed(packed / SCORES, SCORE_KEYS, [row for row in read_csv(packed / SCORES) if row["run"] != missing])
    with pytest.raises(ConfigError, match=rf"scores\.csv\.gz has no scores of {missing}, which records\.json names"):
        load_study(packed)


def test_damaged_packed_records_are_refused(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    pack(folder, packed)
    with pytest.raises(UsageError, match=r"0\.75 of its training"):
        load_study(packed, share=0.75)
    records = json.loads((packed / RECORDS).read_text(encoding="utf-8"))
    records["runs"][0]["data_sha256"] = "other"
    (packed / RECORDS).write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(ConfigError, match="other photos than the study; restore the packed files"):
        load_study(packed)
    (packed / SCORES).write_bytes(b"run,share")
    with pytest.raises(ConfigError, match="cannot be read as a table"):
        load_study(packed)
