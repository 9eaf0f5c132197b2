"""Recipe and data of `make flagship`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from chromalab.studies.recipe import load_recipe
from tools.release.flagship import GPU_BATCH, photographs, recipe_for


def sample(folder: Path, name: str) -> None:
    """Write development data whose sample holds one file."""
    (folder / "more_photos").mkdir(parents=True)
    with tarfile.open(folder / "more_photos" / "sample.tar", "w") as archive:
        info = tarfile.TarInfo(f"{name}/one.webp")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))


def test_collected_photos_are_used_in_place(tmp_path: Path) -> None:
    collected = tmp_path / "more"
    collected.mkdir()
    data = photographs(tmp_path / "shared", collected, tmp_path / "unpacked")
    assert data == [str(tmp_path / "shared" / "photos"), str(collected), f"{collected / 'rathull+CTFs'}=0.5"]
    assert not (tmp_path / "unpacked").exists()


def test_the_sample_is_unpacked_once_without_collected_photos(tmp_path: Path) -> None:
    sample(tmp_path / "shared", "rathull+CTFs")
    for _ in range(2):
        data = photographs(tmp_path / "shared", tmp_path / "none", tmp_path / "unpacked")
        assert data[1] == str(tmp_path / "unpacked")
        assert (tmp_path / "unpacked" / "rathull+CTFs" / "one.webp").read_bytes() == b"abc"


def test_the_recipe_is_the_shipped_one() -> None:
    shipped = load_recipe(Path("flagship"))
    recipe = recipe_for(["A"], "cpu", None, None)
    assert recipe.training == shipped.training
    assert recipe.data == ["A"]
    assert shipped.training.images >= 3_000_000
    assert shipped.training.optimizer.ema_decay > 0
    assert shipped.training.degradations.active


def test_a_gpu_gets_larger_batches_and_a_budget_of_minutes() -> None:
    shipped = load_recipe(Path("flagship")).training
    training = recipe_for(["A"], "cuda", 10, None).training
    assert training.minutes == 10
    assert [stage.batch_size for stage in training.stages] == [GPU_BATCH * each.batch_size for each in shipped.stages]
    assert [stage.share for stage in training.stages] == [stage.share for stage in shipped.stages]
    assert training.optimizer.learning_rate == pytest.approx(2 * shipped.optimizer.learning_rate)
