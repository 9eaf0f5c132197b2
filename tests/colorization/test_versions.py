"""Plausible versions of photos, and maps of the network's uncertainty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.versions import planned_versions, uncertainty_map, write_versions
from chromalab.core.errors import UsageError
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.photo.odd_files import picture, save

BATCH = Batch(Job(Options()))


@pytest.mark.slow
def test_versions_differ_and_are_not_repeated(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    plan = make_plan([str(photos)], f"{out}/")
    run_batch(engine, plan, BATCH)
    assert write_versions(engine, plan, BATCH, 2, 0) == (9, 0)
    folder = out / "sub 1"
    first, second, best = (
        np.asarray(Image.open(folder / f"a'b <i>{which}.png"), dtype=int) for which in (".v1", ".v2", "")
    )
    assert np.abs(first - second).mean() > 1
    assert np.abs(first - best).mean() > 1
    with Image.open(folder / "a'b <i>.uncertainty.png") as image:
        assert image.size == (150, 101)
    assert write_versions(engine, plan, BATCH, 2, 7) == (0, 9)
    assert run_batch(engine, plan, BATCH).count("resumed") == 3


def test_uncertainty_map_varies(engine: Engine, photos: Path) -> None:
    picture_ = uncertainty_map(engine, photos / "sub 0" / "a'b <i>.png", BATCH)
    assert picture_.shape == (100, 150, 3)
    assert picture_.std() > 0


def planned(folder: Path, out: str, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    plan = make_plan([str(folder / name) for name in names], out)
    return [file.name for _, files in planned_versions(plan, 1) for file in files]


def test_photos_with_one_stem_have_maps_of_their_own(tmp_path: Path) -> None:
    assert planned(tmp_path, f"{tmp_path}/out/", "a.jpg", "a.png", "b.png") == [
        "a.v1.jpg",
        "a.jpg.uncertainty.png",
        "a.v1.png",
        "a.png.uncertainty.png",
        "b.v1.png",
        "b.uncertainty.png",
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.jpg", "a.v1.jpg"), "out/a.v1.jpg would be written as a version of .*a.jpg, but it is the output of"),
        (("a.jpg", "A.V1.jpg"), "is the output of .*A.V1.jpg"),
        (("a.uncertainty.png", "a.jpg"), "is the output of .*a.uncertainty.png"),
        (("a.jpg", "a.png", "a.jpg.png"), "a.jpg.uncertainty.png .* is a version of .*a.jpg:"),
    ],
)
def test_versions_never_replace_outputs(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        planned(tmp_path, f"{tmp_path}/out/", *names)


def test_versions_never_replace_photos(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match=r"it is the photo .*x\.v1\.jpg"):
        planned(tmp_path, f"{tmp_path}/link/x.jpg", "x.v1.jpg")


def test_uncertainty_map_of_a_large_photo_is_upright(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = save(tmp_path / "a.png", picture(100, 150), exif=exif)
    whole = uncertainty_map(engine, source, BATCH)
    monkeypatch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 0)
    large = uncertainty_map(engine, source, BATCH)
    assert large.shape == whole.shape == (150, 100, 3)
    assert np.abs(large.astype(int) - whole).mean() < 2


def test_versions_need_a_distribution(tmp_path: Path) -> None:
    brown = Engine(find_colorizer(str(constant_ab(tmp_path / "brown.onnx", 12, 20))))
    save(tmp_path / "a.png", picture())
    plan = make_plan([str(tmp_path / "a.png")], f"{tmp_path}/out/")
    with pytest.raises(UsageError, match="no distribution"):
        write_versions(brown, plan, BATCH, 1, 0)
    with pytest.raises(UsageError, match="choose a model with bins"):
        run_batch(brown, plan, Batch(Job(Options(sample=1))))
