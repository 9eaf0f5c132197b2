"""A photo takes the colors of references where both are alike, and keeps the network's elsewhere."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

import chromalab
from chromalab.colorization.batch import Batch, run_batch, settings_sha256
from chromalab.colorization.colorizer import colorize_levels
from chromalab.colorization.disclosure import disclose
from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint, color_ab
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.reference import (
    MOST_REFERENCES,
    Reference,
    load_reference,
    load_references,
    reference_of,
    transfer,
)
from chromalab.colorization.small import small_colors
from chromalab.core.errors import UsageError
from chromalab.core.files import sha256_file
from chromalab.data import sample_path
from chromalab.photo.reading import read_photo
from chromalab.photo.scan import open_scan
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.photo.odd_files import save


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_colorizer())


@pytest.fixture(scope="module")
def brown(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a network that predicts the same chroma everywhere."""
    return Engine(find_colorizer(str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))))


def rgb_of(name: str) -> np.ndarray:
    return np.asarray(read_photo(sample_path(name), shortest_side_px=300).rgb / np.float32(255))


def levels_of(name: str) -> np.ndarray:
    return open_scan(sample_path(name)).small_levels(300)


def difference(engine: Engine, name: str, *references: Reference, truth: np.ndarray | None = None) -> float:
    """Return the mean CIEDE2000 between the colorized sample photo and the truth."""
    rgb, _ = colorize_levels(engine, levels_of(name), Options(), references=references)
    truth = rgb_of(name) if truth is None else truth
    return float(deltaE_ciede2000(rgb2lab(rgb), rgb2lab(truth)).mean())


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "china"])
def test_colored_version_of_the_photo_gives_its_colors(engine: Engine, name: str) -> None:
    assert difference(engine, name, reference_of(engine, rgb_of(name))) < 2.5 < difference(engine, name) / 2


@pytest.mark.slow
def test_colors_that_no_network_would_predict_are_taken(engine: Engine) -> None:
    lab = rgb2lab(rgb_of("chelsea"))
    lab[..., 1:] = -lab[..., 1:]  # a blue cat
    blue = lab2rgb(lab).astype(np.float32)
    truth = rgb2lab(blue)
    truth[..., 0] = rgb2lab(rgb_of("chelsea"))[..., 0]  # out-of-gamut colors lost some lightness
    assert difference(engine, "chelsea", reference_of(engine, blue), truth=lab2rgb(truth)) < 3


def test_colors_keep_their_edges(brown: Engine) -> None:
    """Equally bright areas of different color, which no guided filter could separate, stay separate."""
    noise = np.random.default_rng(0).normal(0, 0.08, (300, 400))
    lab = np.zeros((300, 400, 3))
    lab[..., 0] = 55 + 100 * np.kron(noise[::10, ::10], np.ones((10, 10)))
    lab[..., 1], lab[:, :200, 2], lab[:, 200:, 2] = 0, 40, -40
    rgb = lab2rgb(lab).astype(np.float32)
    reference = reference_of(brown, rgb)
    small = small_colors(brown, reference.levels, Options(), (300, 400), references=[reference])
    b = (small.coefficients.slope * small.levels + small.coefficients.offset)[1]
    assert b[:, :194].min() > 25
    assert b[:, 206:].max() < -25


@pytest.mark.slow
def test_crops_and_mirrored_versions_give_their_colors(engine: Engine) -> None:
    rgb = rgb_of("chelsea")
    plain = difference(engine, "chelsea")
    assert difference(engine, "chelsea", reference_of(engine, rgb[:, ::-1])) < 2.5
    assert difference(engine, "chelsea", reference_of(engine, rgb[30:280, 30:400])) < plain / 2
    assert difference(engine, "chelsea", reference_of(engine, np.clip(rgb**0.7, 0, 1))) < plain / 2


@pytest.mark.slow
@pytest.mark.parametrize("other", ["astronaut", "coffee", "rocket", "flower"])
def test_unrelated_references_do_little_harm(engine: Engine, other: str) -> None:
    reference = reference_of(engine, rgb_of(other))
    assert difference(engine, "chelsea", reference) < difference(engine, "chelsea") + 0.5


def scene(horizon: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return gray levels and chroma of a smooth blue sky above rough green land."""
    random = np.random.default_rng(seed)
    levels = np.full((120, 180), 190, dtype=np.float32) + np.linspace(-10, 10, 180, dtype=np.float32)
    levels[horizon:] = 80 + 25 * random.normal(size=(120 - horizon, 180))
    chroma = np.zeros((2, 120, 180), dtype=np.float32)
    chroma[:, :horizon], chroma[:, horizon:] = np.reshape([-5, -25], (2, 1, 1)), np.reshape([-12, 14], (2, 1, 1))
    return np.clip(levels, 0, 255), chroma


def reference_scene(engine: Engine, horizon: int) -> Reference:
    levels, chroma = scene(horizon, seed=1)
    lab = np.stack([rgb2lab(np.repeat(levels[..., None], 3, axis=2) / 255)[..., 0], *chroma], axis=-1)
    return reference_of(engine, lab2rgb(lab).astype(np.float32))


def test_similar_places_take_similar_colors(brown: Engine) -> None:
    """Sky becomes blue and land green, at another horizon and although the network predicts brown for both."""
    levels, chroma = scene(50, seed=2)
    predicted = np.full_like(chroma, 20)
    colors, confidence = transfer([reference_scene(brown, 70)], levels, predicted)
    assert confidence.min() > 0.5
    assert np.abs(colors - chroma)[:, 5:40, 10:-10].mean() < np.abs(predicted - chroma)[:, 5:40].mean() / 2
    assert np.abs(colors - chroma)[:, 70:-5, 10:-10].mean() < np.abs(predicted - chroma)[:, 70:].mean() / 2


def test_places_without_a_counterpart_keep_the_colors_of_the_network(brown: Engine) -> None:
    levels, chroma = scene(50, seed=2)
    predicted = np.full_like(chroma, 20)
    predicted[:, 70:110, 60:120] = 90  # what the network takes for something else
    colors, confidence = transfer([reference_scene(brown, 70)], levels, predicted)
    assert confidence[85:95, 80:100].max() < 0.1
    assert colors[:, 85:95, 80:100] == pytest.approx(90, abs=5)
    assert confidence[:40].min() > 0.3


@pytest.mark.slow
def test_the_more_similar_of_two_references_dominates(engine: Engine) -> None:
    same, other = (reference_of(engine, rgb_of(name)) for name in ("chelsea", "coffee"))
    alone = difference(engine, "chelsea", same)
    assert difference(engine, "chelsea", other, same) < alone + 0.5
    assert difference(engine, "chelsea", same, other) < alone + 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (9, 7)])
def test_photos_of_odd_shapes(brown: Engine, shape: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    rgb, _ = colorize_levels(brown, levels, Options(), references=[reference_of(brown, rgb_of("chelsea"))])
    assert rgb.shape == (*shape, 3)
    tiny = reference_of(brown, np.tile(np.array([0.9, 0.2, 0.1], dtype=np.float32), (*shape, 1)))
    assert colorize_levels(brown, levels_of("chelsea"), Options(), references=[tiny])[0].any()


@pytest.mark.slow
def test_hints_apply_over_references(engine: Engine) -> None:
    levels = levels_of("chelsea")
    reference = reference_of(engine, rgb_of("chelsea"))
    hint = Hint(x=50, y=50, color="#0000ff", unit="percent")
    small = small_colors(engine, levels, Options(hints=[hint]), levels.shape, references=[reference])
    height, width = levels.shape
    assert small.chroma[:, height // 2, width // 2] == pytest.approx(color_ab("#0000ff"), abs=1)
    plain = small_colors(engine, levels, Options(), levels.shape, references=[reference])
    assert np.abs(small.chroma - plain.chroma)[:, :5, :5].max() < 1


@pytest.mark.slow
def test_python_call_takes_paths(tmp_path: Path) -> None:
    photo = sample_path("chelsea")
    plain, with_reference = (chromalab.colorize(photo, references=given) for given in ([], [str(photo)]))
    truth = rgb2lab(read_photo(photo).rgb)
    errors = [deltaE_ciede2000(rgb2lab(rgb), truth).mean() for rgb in (plain, with_reference)]
    assert errors[1] < errors[0] / 2
    written = chromalab.colorize(photo, out=tmp_path / "x.png", references=[photo])
    assert np.abs(read_photo(Path(written.output)).rgb.astype(int) - with_reference).max() <= 1
    array = chromalab.colorize(read_photo(photo).rgb, references=[photo])
    assert deltaE_ciede2000(rgb2lab(array), truth).mean() < errors[0] / 2


def test_files_that_are_no_references(brown: Engine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the reference .*none\.jpg"):
        load_reference(brown, tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(UsageError, match=r"text\.jpg: its content is not"):
        load_reference(brown, tmp_path / "text.jpg")
    with pytest.raises(UsageError, match="cannot read the reference"):
        load_reference(brown, tmp_path)
    gray = save(tmp_path / "gray.png", np.tile(np.arange(100, dtype=np.uint8), (50, 1)))
    with pytest.raises(UsageError, match=r"gray\.png has no colors to take: give a photo in color"):
        load_reference(brown, gray)
    with pytest.raises(UsageError, match="9 references are more than the limit of 8"):
        load_references(brown, [gray] * (MOST_REFERENCES + 1))


def test_records_name_references_without_their_folder(brown: Engine, tmp_path: Path) -> None:
    path = save(tmp_path / "folder" / "still.png", np.rint(rgb_of("coffee") * 255).astype(np.uint8))
    reference = load_reference(brown, path)
    parameters = disclose(brown, Options(), "algorithmicallyEnhanced", [reference]).parameters
    assert parameters == {"references": [{"file": "still.png", "sha256": sha256_file(path)}]}
    assert disclose(brown, Options(), "algorithmicallyEnhanced").parameters == {}


def test_hash_of_the_settings_depends_on_references(brown: Engine) -> None:
    coffee, china = (load_reference(brown, sample_path(name)) for name in ("coffee", "china"))
    jobs = [Job(Options(), references=given) for given in ((), (coffee,), (china,), (coffee, china))]
    assert len({settings_sha256(brown, Batch(job)) for job in jobs}) == 4
    copied = pickle.loads(pickle.dumps(jobs[1]))  # noqa: S301 - as an executor sends it to a node
    assert settings_sha256(brown, Batch(copied)) == settings_sha256(brown, Batch(jobs[1]))


def test_batch_with_a_reference_resumes(brown: Engine, tmp_path: Path) -> None:
    photo = save(tmp_path / "in" / "a.png", np.rint(rgb_of("chelsea") * 255).astype(np.uint8))
    plan = make_plan([str(photo.parent)], f"{tmp_path}/out/")
    batch = Batch(Job(Options(), references=(load_reference(brown, photo),)))
    assert run_batch(brown, plan, batch).count("done") == 1
    record = json.loads((tmp_path / "out" / "a.png.json").read_text())
    assert record["parameters"]["references"][0]["file"] == "a.png"
    assert run_batch(brown, plan, batch).count("resumed") == 1
    (line,) = run_batch(brown, plan, replace(batch, job=Job(Options()))).photos
    assert line.reason is not None
    assert "other settings" in line.reason
