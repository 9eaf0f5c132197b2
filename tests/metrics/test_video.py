"""CDC over the frames of a video."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from chromalab.functional.distribution import color_distribution_consistency
from chromalab.metrics.scorer import PAIRED, PhotoScorer


def frames(count: int, seed: int) -> torch.Tensor:
    """Return frames of a photograph whose light flickers, (count, 3, 30, 40)."""
    crop = torch.from_numpy(astronaut()[:30, :40].copy()).permute(2, 0, 1).float() / 255
    light = 0.7 + 0.3 * torch.rand(count, 1, 1, 1, generator=torch.Generator().manual_seed(seed))
    return (crop * light * 255).round() / 255


def test_frames_are_compared_in_their_order_and_the_truth_has_its_own_value() -> None:
    preds, target = frames(9, 0), frames(9, 1)
    scorer = PhotoScorer(["cdc"], references=(*PAIRED, "frames"))
    sets = scorer.new_sets()
    for start in range(0, 9, 4):
        scorer.score(preds[start : start + 4], target[start : start + 4], sets)
    found = sets.compute()["cdc"]
    for value, images in ((found.value, preds), (found.truth, target)):
        levels = (images * 255).round().int().numpy()
        counts = [[np.bincount(channel.ravel(), minlength=256) for channel in frame] for frame in levels]
        assert value == pytest.approx(color_distribution_consistency(np.array(counts) / 1200), rel=1e-5)


def test_too_few_frames_have_a_reason_and_photos_have_no_cdc() -> None:
    scorer = PhotoScorer(["cdc"], references=(*PAIRED, "frames"))
    sets = scorer.new_sets()
    scorer.score(frames(4, 0), frames(4, 1), sets)
    assert sets.compute()["cdc"].reason == "CDC needs at least 5 frames, not 4"
    assert "--video" in PhotoScorer(["cdc"]).unavailable["cdc"]
