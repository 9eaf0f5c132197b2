"""Plausible versions of photos, and maps of the network's uncertainty."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.batch import reason_of
from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.guided import enlarge
from chromalab.colorization.sampling import uncertainty
from chromalab.colorization.small import guide_px, no_distribution, rotate_upright
from chromalab.colorization.video.codecs import is_film
from chromalab.core.files import printable, with_ending
from chromalab.core.progress import progress
from chromalab.photo.scan import open_scan
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import Plan
    from chromalab.colorization.records import Item

_log = logging.getLogger(__name__)

CERTAIN, UNCERTAIN = 8.0, 45.0
"""Standard deviations, in CIELAB units, of the darkest and the brightest color of an uncertainty map."""

_MAP = np.array(
    [(13, 8, 34), (84, 22, 109), (167, 45, 94), (229, 92, 48), (250, 173, 20), (252, 255, 164)], dtype=np.float64
)
"""Colors from dark violet to pale yellow, rising in lightness, so that the map is also readable in gray."""


def write_versions(engine: Engine, plan: Plan, batch: Batch, count: int, seed: int) -> int:
    """Write versions and an uncertainty map beside every output: NAME.v1.EXT ... and NAME.uncertainty.png.

    Films, photos without an output and existing files are skipped.

    Args:
        engine: a network with a distribution over colors.
        plan: photos and outputs.
        batch: settings of the batch.
        count: number of versions per photo.
        seed: index of the first version.

    Returns:
        The number of written files.

    Raises:
        UsageError: the network predicts no distribution.
        OutputError: a file cannot be written.
    """
    if not engine.gives_bins:
        raise no_distribution(engine)
    written = 0
    photos = [item for item in plan.items if not is_film(item.output)]
    with progress("versions", len(photos) * (count + 1), unit="images") as advance:
        for item in photos:
            colorized = item.output.is_file()  # otherwise the batch has reported why it failed
            for target, number in _targets(item, count, seed):
                if colorized and (batch.overwrite or not target.exists()):
                    written += _write(engine, item, target, number, batch)
                advance()
    return written


def _targets(item: Item, count: int, seed: int) -> list[tuple[Path, int | None]]:
    """Return the files of a photo's versions with their indices, and the file of its map with None."""
    stem, suffix = item.output.with_name(item.output.stem), item.output.suffix
    versions: list[tuple[Path, int | None]] = [
        (with_ending(stem, f".v{number + 1}{suffix}"), seed + number) for number in range(count)
    ]
    return [*versions, (with_ending(stem, ".uncertainty.png"), None)]


def _write(engine: Engine, item: Item, target: Path, number: int | None, batch: Batch) -> bool:
    try:
        if number is None:
            write_png(target, uncertainty_map(engine, item.source, batch))
        else:
            options = batch.job.options.model_copy(update={"sample": number})
            colorize_file(engine, item.source, target, replace(batch.job, options=options), overlay=batch.overlay)
    except Exception as error:
        _log.warning("%s was not written: %s", printable(target), printable(reason_of(error)))
        return False
    return True


def uncertainty_map(engine: Engine, source: Path, batch: Batch) -> NDArray[np.uint8]:
    """Return a color map of the network's uncertainty across an upright photo, (h, w, 3), at the small copy's size."""
    options = batch.job.options
    scan = open_scan(source, max_pixels=batch.job.max_pixels)
    levels = rotate_upright(scan.small_levels(guide_px(engine, options)), scan.orientation)
    logits = engine.predict(levels).logits
    if logits is None:
        raise no_distribution(engine)
    spread = enlarge(uncertainty(logits)[None], *levels.shape)[0]
    place = np.clip((spread - CERTAIN) / (UNCERTAIN - CERTAIN), 0, 1) * (len(_MAP) - 1)
    lower = np.minimum(place.astype(np.intp), len(_MAP) - 2)
    share = (place - lower)[..., None]
    return np.asarray(np.rint(_MAP[lower] * (1 - share) + _MAP[lower + 1] * share), dtype=np.uint8)
