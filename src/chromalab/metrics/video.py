"""Temporal consistency of the colors of a video."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chromalab.functional.distribution import CHANNELS, LEVELS, STEPS, color_distribution_consistency
from chromalab.metrics.facts import SetValue
from chromalab.metrics.metric import Metric, SetMetric

if TYPE_CHECKING:
    from chromalab.metrics.rows import Rows


def compare_frames(preds: Rows, target: Rows) -> SetValue:
    """Return the CDC index of the predicted frames, with that of the true frames if there are any."""
    n = len(preds)
    if n <= max(STEPS):
        return SetValue(value=None, n=n, reason=f"CDC needs at least {max(STEPS) + 1} frames, not {n}")
    return SetValue(value=_consistency(preds), truth=_consistency(target) if len(target) == n else None, n=n)


def _consistency(rows: Rows) -> float:
    return color_distribution_consistency(rows.read().reshape(-1, CHANNELS, LEVELS))


CDC = SetMetric(
    name="cdc",
    label="CDC",
    direction="closer",
    high=math.log(2),
    role="distribution",
    formula="mean over t = 1, 2, 4 and R, G, B of the Jensen-Shannon divergence of 256-bin histograms t frames apart",
    source="Liu et al. 2021 (TCVC); natural logarithms, as in its code",
    reference="frames",
    note="true frames change, too, and a gray video is the steadiest of all",
    features="rgb_histogram",
    compare=compare_frames,
    is_paired=True,
)

WARP_ERROR = Metric(
    name="warp_error",
    label="Warp error",
    unit="CIELAB units",
    direction="lower",
    role="color",
    formula="mean distance of (a*, b*) from the frame before, moved along the flow, over trusted pixels, then frames",
    source="After Lai et al. 2018 (Learning Blind Video Temporal Consistency), with the distance of chroma in place of "
    "the squared distance of RGB, DIS flow of the ground truth's luma at 256 rows, and without the frames after cuts",
    reference="film",
    note="the color flicker of a film: a gray film has 0, and the true colors have more than 0",
)
"""Computed by `chromalab.colorization.video.flicker`, because the motion between frames is not a feature of a photo."""

ENTRIES: tuple[Metric, ...] = (CDC, WARP_ERROR)
