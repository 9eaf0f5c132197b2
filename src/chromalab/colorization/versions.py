"""Plausible versions of photos, and how sure the network is where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.guided import enlarge
from chromalab.colorization.sampling import uncertainty
from chromalab.colorization.small import guide_px
from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.scan import open_scan
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import Item, Plan

SURE, UNSURE = 8.0, 45.0
"""Standard deviations, in CIELAB units, of the darkest and the brightest color of an uncertainty map."""

_MAP = np.array(
    [(13, 8, 34), (84, 22, 109), (167, 45, 94), (229, 92, 48), (250, 173, 20), (252, 255, 164)], dtype=np.float64
)
"""Dark violet to pale yellow: rising in lightness, so it reads in gray too."""


def write_versions(engine: Engine, plan: Plan, batch: Batch, count: int, seed: int) -> int:
    """Write versions and an uncertainty map beside every output: NAME.v1.EXT ... and NAME.uncertainty.png.

    Photos that can't be read, and files that are there already, are left alone.

    Args:
        engine: a network with a distribution over colors.
        plan: the photos.
        batch: how they become files.
        count: versions of each photo.
        seed: number of the first version.

    Returns:
        how many files were written.

    Raises:
        UsageError: the network gives no distribution.
        OutputError: a file can't be written.
    """
    if not engine.gives_bins:
        raise UsageError(
            f"the model {engine.spec.name} gives one color and no distribution: versions need one with bins"
        )
    written = 0
    with progress("versions", len(plan.items) * (count + 1), unit="pictures") as advance:
        for item in plan.items:
            for target, number in _targets(item, count, seed):
                if not target.exists() or batch.overwrite:
                    written += _write(engine, item, target, number, batch)
                advance()
    return written


def _targets(item: Item, count: int, seed: int) -> list[tuple[Path, int | None]]:
    """Return the files of a photo's versions with their numbers, and its map's with None."""
    stem, suffix = item.output.stem, item.output.suffix
    versions: list[tuple[Path, int | None]] = [
        (item.output.with_name(f"{stem}.v{number + 1}{suffix}"), seed + number) for number in range(count)
    ]
    return [*versions, (item.output.with_name(f"{stem}.uncertainty.png"), None)]


def _write(engine: Engine, item: Item, target: Path, number: int | None, batch: Batch) -> bool:
    try:
        if number is None:
            write_png(target, uncertainty_map(engine, item.source, batch))
        else:
            options = batch.job.options.model_copy(update={"sample": number})
            colorize_file(engine, item.source, target, replace(batch.job, options=options), overlay=batch.overlay)
    except UnreadablePhotoError:  # the batch has named it
        return False
    return True


def uncertainty_map(engine: Engine, source: Path, batch: Batch) -> NDArray[np.uint8]:
    """Return a picture of how unsure the network is at every place of a photo, (h, w, 3), at the small copy's size."""
    options = batch.job.options
    levels = open_scan(source, max_pixels=batch.job.max_pixels).small_levels(guide_px(engine, options))
    logits = engine.predict(levels).logits
    assert logits is not None  # noqa: S101 - looked at before the first photo
    spread = enlarge(uncertainty(logits)[None], *levels.shape)[0]
    place = np.clip((spread - SURE) / (UNSURE - SURE), 0, 1) * (len(_MAP) - 1)
    lower = np.minimum(place.astype(np.intp), len(_MAP) - 2)
    share = (place - lower)[..., None]
    return np.asarray(np.rint(_MAP[lower] * (1 - share) + _MAP[lower + 1] * share), dtype=np.uint8)
