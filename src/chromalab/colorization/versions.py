"""Plausible versions of photos, and maps of the network's uncertainty."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.colorization.batch import reason_of
from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.guided import enlarge
from chromalab.colorization.plan import spelled_alike
from chromalab.colorization.records import map_file, version_file
from chromalab.colorization.sampling import uncertainty
from chromalab.colorization.small import guide_px, no_distribution, rotate_upright
from chromalab.colorization.video.codecs import is_film
from chromalab.core.errors import UsageError
from chromalab.core.files import is_file, printable
from chromalab.core.progress import progress
from chromalab.photo.scan import open_scan
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from collections.abc import Collection
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


class Written(NamedTuple):
    """Numbers of files that `write_versions` wrote, and of those that existed and were kept."""

    written: int
    kept: int


def write_versions(
    engine: Engine, plan: Plan, batch: Batch, count: int, seed: int, *, failed: Collection[str] = ()
) -> Written:
    """Write versions and an uncertainty map beside every output, with the names of `planned_versions`.

    Films, failed photos, photos without an output and existing files are skipped.

    Args:
        engine: a network with a distribution over colors.
        plan: photos and outputs.
        batch: settings of the batch.
        count: number of versions per photo.
        seed: index of the first version.
        failed: outputs that the batch reported as failed, as valid text; a file there is not from this batch.

    Raises:
        UsageError: the network predicts no distribution, or a file would replace one of the plan.
        OutputError: a file cannot be written.
    """
    if not engine.gives_bins:
        raise no_distribution(engine)
    written = kept = 0
    photos = planned_versions(plan, count)
    with progress("versions", len(photos) * (count + 1), unit="images") as advance:
        for item, files in photos:
            colorized = printable(item.output) not in failed and is_file(item.output)
            for target, number in zip(files, [*range(seed, seed + count), None], strict=True):
                if colorized and target.exists() and not batch.overwrite:
                    kept += 1
                elif colorized:
                    written += _write(engine, item, target, number, batch)
                advance()
    return Written(written, kept)


def planned_versions(plan: Plan, count: int) -> list[tuple[Item, list[Path]]]:
    """Return the photos of a plan with the files beside their outputs: `count` versions, and last the map.

    The files are NAME.v1.EXT ... and NAME.uncertainty.png, or NAME.EXT.uncertainty.png where only EXT distinguishes
    several outputs.

    Raises:
        UsageError: a file would replace a photo, an output or another photo's version.
    """
    photos = [item for item in plan.items if not is_film(item.output)]
    maps = Counter(_place(map_file(item.output)) for item in photos)
    taken = {_place(item.source): f"the photo {item.source}" for item in plan.items}
    taken |= {_place(item.output): f"the output of {item.source}" for item in plan.items}
    planned = []
    for item in photos:
        by_stem = maps[_place(map_file(item.output))] == 1
        files = [version_file(item.output, number) for number in range(1, count + 1)]
        files.append(map_file(item.output, by_stem=by_stem))
        for file in files:
            place = _place(file)
            if place in taken:
                raise UsageError(
                    f"{file} would be written as a version of {item.source}, but it is {taken[place]}: colorize them "
                    "into two folders, or without versions"
                )
            taken[place] = f"a version of {item.source}"
        planned.append((item, files))
    return planned


def _place(file: Path) -> str:
    """Return one text for all paths to a file that a new file of this path would replace."""
    return spelled_alike(f"{os.path.realpath(file.parent)}/{file.name}")


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
