"""Films as predictions and targets: metrics of their frames, CDC, and color flicker."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from chromalab.color.lab import encode_srgb, lab_to_linear
from chromalab.core.errors import UsageError
from chromalab.evaluation.films import are_films, compared_films
from chromalab.evaluation.folders import EvaluationSettings
from chromalab.evaluation.scores import write_photo_scores
from tests.colorization.video.rgb_films import write_rgb_film

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COUNT, HEIGHT, WIDTH = 7, 48, 64
SETTINGS = EvaluationSettings(metrics=("mae", "cdc", "warp_error"), bounds=True, threads=1, device="cpu")


def frame(a: float) -> NDArray[np.uint8]:
    """Return a textured image with one chroma."""
    noise = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    lab = np.stack([55 + 8 * smooth / smooth.std(), np.full_like(smooth, a), np.full_like(smooth, 10)], axis=-1)
    rgb: NDArray[np.uint8] = np.rint(np.clip(encode_srgb(np.clip(lab_to_linear(lab), 0, 1)), 0, 1) * 255).astype(
        np.uint8
    )
    return rgb


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return films with steady colors, with a* that alternates between 7 and 13, and with the true, steady colors."""
    folder = tmp_path_factory.mktemp("films")
    chroma = {"steady": [4.0] * COUNT, "flickering": [7.0, 13.0] * COUNT, "target": [10.0] * COUNT}
    return {
        name: write_rgb_film(folder / f"{name}.mkv", [frame(a) for a in values[:COUNT]])
        for name, values in chroma.items()
    }


def test_flicker_stands_beside_the_metrics_of_frames(films: dict[str, Path], tmp_path: Path) -> None:
    methods = {name: films[name] for name in ("steady", "flickering")}
    with compared_films(methods, target=films["target"], settings=SETTINGS) as comparison:
        record = comparison.record
        assert comparison.files["steady"]["000000"].is_file()
        write_photo_scores(tmp_path / "frames.csv", comparison.scores, name_methods=True)
    found = {method.name: method.metrics for method in record.methods}
    assert found["flickering"]["warp_error"].mean == pytest.approx(6, abs=0.4)
    assert found["flickering"]["warp_error"].n == COUNT - 1
    assert found["steady"]["warp_error"].mean == pytest.approx(0, abs=0.02)
    assert found["steady"]["warp_error"].truth == found["truth"]["warp_error"].mean
    assert found["grey"]["warp_error"].mean == 0
    cdc = {name: found[name]["cdc"].mean or 0.0 for name in methods}
    assert cdc["flickering"] > cdc["steady"]
    assert [facts.name for facts in record.metrics] == ["mae", "cdc", "warp_error"]
    assert record.target == str(films["target"])
    assert [method.folder for method in record.methods if not method.is_bound] == [
        str(path) for path in methods.values()
    ]
    assert not comparison.files["steady"]["000000"].exists()
    rows = list(csv.DictReader((tmp_path / "frames.csv").read_text().splitlines()))
    flickering = [row for row in rows if row["method"] == "flickering"]
    times = [index / 10 for index in range(COUNT)]
    assert [float(row["time_s"]) for row in flickering] == pytest.approx(times, abs=1e-3)
    assert flickering[0]["warp_error"] == ""
    assert float(flickering[1]["warp_error"]) == pytest.approx(6, abs=0.4)


def test_every_nth_frame_is_scored_and_all_frames_count_for_flicker(films: dict[str, Path]) -> None:
    with compared_films({"f": films["flickering"]}, target=films["target"], settings=SETTINGS, every=2) as comparison:
        assert comparison.scores["f"].photos == ("000000", "000002", "000004", "000006")
        method = next(method for method in comparison.record.methods if method.name == "f")
        assert method.metrics["mae"].n == 4
        assert method.metrics["warp_error"].n == COUNT - 1
        assert any("--every 2" in note for note in comparison.record.notes)


def test_the_warp_error_alone_needs_no_other_metric(films: dict[str, Path]) -> None:
    settings = EvaluationSettings(metrics=("warp_error",), bounds=False, threads=1, device="cpu")
    with compared_films({"f": films["flickering"]}, grey=films["target"], settings=settings) as comparison:
        (method,) = comparison.record.methods
        assert method.metrics["warp_error"].mean == pytest.approx(6, abs=0.4)
        assert method.metrics["warp_error"].truth is None


def test_films_may_be_called_like_bounds_that_are_not_scored(films: dict[str, Path]) -> None:
    settings = EvaluationSettings(metrics=("mae", "warp_error"), bounds=False, threads=1, device="cpu")
    methods = {"grey": films["flickering"], "truth": films["flickering"]}
    for target, grey in ((films["target"], None), (None, films["target"])):
        with compared_films(methods, target=target, grey=grey, settings=settings) as comparison:
            for method in comparison.record.methods:
                assert method.metrics["warp_error"].mean == pytest.approx(6, abs=0.4), method.name
                flicker = comparison.scores[method.name].columns["warp_error"]
                assert np.nanmean(flicker) == pytest.approx(6, abs=0.4), method.name


def test_films_and_folders_do_not_mix(films: dict[str, Path], tmp_path: Path) -> None:
    assert are_films([films["steady"], films["target"]])
    assert not are_films([tmp_path, tmp_path])
    with pytest.raises(UsageError, match=r"is a film and .* is not"):
        are_films([films["steady"], tmp_path])


def test_a_missing_film_is_a_usage_error(films: dict[str, Path], tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"missing\.mp4"),
        compared_films({"f": tmp_path / "missing.mp4"}, target=films["target"], settings=SETTINGS),
    ):
        pass
