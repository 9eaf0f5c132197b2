"""`chromalab data prior`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chromalab.color.bins import PriorRecord, load_prior
from chromalab.photo.reading import read_photo
from tests.data.photo_folder import make_photos
from tests.e2e.conftest import Chromalab
from tests.photo.odd_files import picture, save


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))


def test_photos_of_a_folder(chromalab: Chromalab, tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "my photos", 4)
    out, drawing = tmp_path / "new" / "prior.json", tmp_path / "prior.png"
    done = chromalab("data", "prior", "--data", folder, "--out", out, "--size", "32", "--picture", drawing)
    assert done.code == 0, done.err
    record = PriorRecord.load(out)
    assert (record.n_photos, record.size_px, record.source) == (4, 32, "my photos")
    assert str(tmp_path) not in out.read_text()
    assert load_prior(out).sum() == pytest.approx(1)
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["photos"] == "4"
    assert lines["pixels"] == f"{record.n_pixels:,}"
    assert "%" in done.out
    assert "bits of 8.29" in lines["entropy"]
    assert read_photo(drawing).rgb.shape[2] == 3


def test_the_built_in_samples(chromalab: Chromalab, tmp_path: Path) -> None:
    done = chromalab("data", "prior", "--out", tmp_path / "prior.json", "--size", "32", "--json", "-")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    record = PriorRecord.load(tmp_path / "prior.json")
    assert record.source == "samples"
    assert summary["n_photos"] == record.n_photos == 8
    assert 0.2 < summary["near_grey_share"] < 0.8
    assert summary["top"][0]["share"] == pytest.approx(record.raw_probabilities.max())


@pytest.mark.slow
def test_the_summary_in_a_file(chromalab: Chromalab, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    done = chromalab("data", "prior", "--out", tmp_path / "prior.json", "--size", "16", "--json", facts)
    assert done.code == 0, done.err
    assert json.loads(facts.read_text())["bins_used"] > 20
    assert "entropy" in done.out


@pytest.mark.slow
def test_the_same_photos_give_the_same_file(chromalab: Chromalab, tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 3)
    for name in ("first.json", "second.json"):
        chromalab("data", "prior", "--data", folder, "--out", tmp_path / name)
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "prior.npy"], "expected a file name that ends in .json"),
        (["--out", "prior.json", "--picture", "prior.jpg"], "expected a file name that ends in .png"),
        (["--out", "folder.json"], "is a folder"),
        (["--out", "prior.json", "--data", "nowhere"], "nowhere"),
        (["--out", "prior.json", "--data", "empty"], "empty"),
        (["--out", "prior.json", "--size", "3"], "--size"),
        ([], "--out"),
    ],
)
def test_wrong_use_prints_one_line(
    chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "folder.json"):
        (tmp_path / name).mkdir()
    done = chromalab("data", "prior", *arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "prior.json").exists()


@pytest.mark.slow
def test_grey_photos_are_left_out(chromalab: Chromalab, tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "photos", 2)
    save(folder / "grey.png", np.repeat(picture()[..., :1], 3, axis=2))
    chromalab("data", "prior", "--data", folder, "--out", tmp_path / "prior.json")
    assert PriorRecord.load(tmp_path / "prior.json").n_photos == 2
