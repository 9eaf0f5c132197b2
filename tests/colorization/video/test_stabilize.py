from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="films need the extra [video]")

from chromalab.colorization.video.flow import FlowEstimator, Motion
from chromalab.colorization.video.stabilize import MEMORY, Known, Moment, average
from tests.colorization.video.moving import panning

SHAPE = (24, 40)


def still(trust: int = 255) -> Motion:
    return Motion(np.zeros((*SHAPE, 2), np.float16), np.full(SHAPE, trust, np.uint8))


def moment(value: float, motion: Motion | None, known: Known | None = None) -> Moment:
    return Moment(np.full((*SHAPE, 2), value, np.float16), motion, motion, known)


def test_still_frames_get_their_weighted_mean() -> None:
    values = [0.0, 10.0, -10.0, 20.0]
    moments = [moment(value, still() if index else None) for index, value in enumerate(values)]
    steady, _ = average(moments, 4)
    for index, chroma in enumerate(steady):
        weights = np.array([MEMORY ** abs(index - other) for other in range(4)])
        # The running averages multiply the memory with the weight so far, which is this geometric series.
        assert chroma.astype(float).mean() == pytest.approx(np.dot(weights, values) / weights.sum(), abs=0.02)


def test_without_trust_every_frame_keeps_its_own_chroma() -> None:
    moments = [moment(value, still(0) if index else None) for index, value in enumerate((5.0, 20.0, -8.0))]
    steady, _ = average(moments, 3)
    assert [float(chroma.mean()) for chroma in steady] == [5.0, 20.0, -8.0]


def test_averaging_in_parts_gives_nearly_the_whole() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0, 10, 120)
    moments = [moment(value, still() if index else None) for index, value in enumerate(values)]
    whole, _ = average(moments, 120)
    first, carry = average(moments[:100], 60)
    second, _ = average(moments[60:], 60, carry)
    gap = [abs(float(a.mean()) - float(b.mean())) for a, b in zip(whole, first + second, strict=True)]
    assert max(gap) < 1.0
    assert max(gap[60:]) < 0.02  # the past is carried exactly


def test_a_moving_object_keeps_its_color() -> None:
    frames = panning(6, 8, step=3)
    flow = FlowEstimator()
    moments = []
    for index, frame in enumerate(frames):
        noise = 12 * (-1) ** index
        chroma = (frame.astype(np.float32)[..., None] - 125).repeat(2, axis=-1) / 3  # the color moves with the texture
        back, forth = flow.between(frames[index - 1], frame) if index else (None, None)
        moments.append(Moment((chroma + noise).astype(np.float16), back, forth))
    steady, _ = average(moments, len(moments))
    inside = (slice(8, -8), slice(30, -30))
    for frame, found in zip(frames, steady, strict=True):
        truth = (frame.astype(np.float32) - 125) / 3
        assert np.abs(found[..., 0].astype(float) - truth)[inside].mean() < 4


def test_known_colors_reach_earlier_and_later_frames_of_a_shot() -> None:
    strength = np.zeros(SHAPE, np.float32)
    strength[:, :20] = 1
    known = Known(np.full((*SHAPE, 2), 40, np.float32), strength)
    moments = [moment(0.0, still() if index else None, known if index == 5 else None) for index in range(11)]
    steady, _ = average(moments, 11)
    for chroma in steady:
        assert chroma[:, :20].astype(float).mean() == pytest.approx(40, abs=1)
        assert np.abs(chroma[:, 20:].astype(float)).max() < 1


def test_known_colors_are_lost_where_the_motion_is_not_trusted() -> None:
    known = Known(np.full((*SHAPE, 2), 40, np.float32), np.ones(SHAPE, np.float32))
    moments = [moment(0.0, None, known), moment(0.0, still(0)), moment(0.0, still())]
    steady, _ = average(moments, 3)
    assert [round(float(chroma.mean())) for chroma in steady] == [40, 0, 0]
