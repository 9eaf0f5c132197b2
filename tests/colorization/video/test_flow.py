from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="films need the extra [video]")

from chromalab.colorization.video.flow import FlowEstimator, warp
from tests.colorization.video.moving import panning, texture


def test_flow_of_a_panning_texture_is_its_motion() -> None:
    before, after = panning(1, 2, step=3)
    back, forth = FlowEstimator().between(before, after)
    inside = (slice(8, -8), slice(12, -12))
    assert np.median(back.flow[inside][..., 0]) == pytest.approx(3, abs=0.2)
    assert np.median(forth.flow[inside][..., 0]) == pytest.approx(-3, abs=0.2)
    assert np.median(np.abs(back.flow[inside][..., 1])) < 0.1
    assert back.trust[inside].mean() > 0.9 * 255


@pytest.mark.parametrize("size", [(2, 2), (8, 64), (64, 8), (12, 200), (31, 700), (9, 32)])
def test_flow_of_small_frames_is_found(size: tuple[int, int]) -> None:
    frame = texture(1, *size)
    for motion in FlowEstimator().between(frame, frame):
        assert motion.flow.shape == (*size, 2)
        assert np.abs(motion.flow).max() < 0.5
        assert motion.trust.mean() > 0.9 * 255


def test_warping_along_the_flow_brings_the_frame_before_to_the_frame_after() -> None:
    before, after = panning(2, 2, step=3)
    back, _ = FlowEstimator().between(before, after)
    moved = warp(before.astype(np.float32), back.flow.astype(np.float32))
    inside = (slice(8, -8), slice(12, -12))
    assert np.abs(moved - after)[inside].mean() < 1
    assert np.abs(before.astype(float) - after)[inside].mean() > 20


def test_a_patch_that_appears_is_not_trusted() -> None:
    before, after = panning(3, 2)
    after = after.copy()
    after[30:60, 60:100] = texture(4)[30:60, 60:100]
    back, _ = FlowEstimator().between(before, after)
    assert back.trust[34:56, 64:96].mean() < 0.25 * 255
    assert back.trust[70:90, 20:140].mean() > 0.9 * 255


def test_a_change_of_exposure_keeps_the_trust() -> None:
    before, after = panning(5, 2)
    brighter = np.clip(after.astype(int) + 25, 0, 255).astype(np.uint8)
    back, _ = FlowEstimator().between(before, brighter)
    assert back.trust[10:-10, 14:-14].mean() > 0.7 * 255
