"""The verdicts and intervals of the film benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from tools.benchmarks.video import BEGINNING, FRAMEWISE, MIDDLE, STEADY, TRUTH, by_objective, verdict


def clip(before: float, after: float, *, loss: float = 0.0, part: str = MIDDLE) -> dict[str, Any]:
    """Return the measures of a clip with two warp errors and a change of CIEDE2000."""
    measures = {
        FRAMEWISE: {"warp_error": before, "cdc": 0.003, "chroma": 10.0, "delta_e_2000": 8.0},
        STEADY: {"warp_error": after, "cdc": 0.001, "chroma": 5.0, "delta_e_2000": 8.0 + loss},
    }
    return {"part": part, TRUTH: {"warp_error": 0.5, "cdc": 0.002}, "models": {"m": measures}}


@pytest.mark.parametrize(
    ("measures", "met"),
    [(clip(2, 0.9), True), (clip(2, 1.1), False), (clip(2, 0.5, loss=0.19), True), (clip(2, 0.5, loss=0.21), False)],
)
def test_the_target_needs_half_the_flicker_and_nearly_the_same_colors(measures: dict[str, Any], met: bool) -> None:
    assert verdict(measures, "m")["met"] is met


def test_means_are_over_the_middles_of_clips_with_intervals_around_them() -> None:
    clips = [clip(2, 1), clip(4, 1), clip(6, 1), clip(100, 100, part=BEGINNING)]
    found = by_objective(clips)["m"]
    mean, low, high = found["framewise_warp_error"]
    assert mean == pytest.approx(4)
    assert 2 <= low < mean < high <= 6
    assert found["framewise_cdc_distance"] == pytest.approx([0.001] * 3)
    assert found["steady_relative"] == pytest.approx([0.2] * 3)
    assert found["reduction"][0] == pytest.approx((1 / 2 + 3 / 4 + 5 / 6) / 3, abs=1e-4)
