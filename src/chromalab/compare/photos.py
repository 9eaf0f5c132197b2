"""The photographs of a study: found, filtered, cached and split, with a record of it all."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.compare.config import SAMPLES, DataSettings
from chromalab.compare.records import DataRecord
from chromalab.core.files import write_text
from chromalab.data.cache import open_cache
from chromalab.data.sources import folder_sources, sample_sources
from chromalab.data.split import split_photos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromalab.data.photoset import PhotoSet, SkippedPhoto


@dataclass(frozen=True)
class StudyPhotos:
    """The photographs of a study, split; `record` says how they came to be these."""

    train: PhotoSet
    val: PhotoSet
    test: PhotoSet
    skipped: list[SkippedPhoto]
    record: DataRecord


def open_photos(settings: DataSettings, size_px: int, *, cache_dir: Path | None = None) -> StudyPhotos:
    """Find, filter, cache and split the photographs of a study.

    Raises:
        UsageError: the folder is missing, or holds too few usable photos.
    """
    if settings.source == SAMPLES:
        sources = sample_sources()
    else:
        sources = folder_sources(Path(settings.source), exclude=settings.exclude)
    photos = open_cache(
        sources, size_px=size_px, cache_dir=cache_dir, colourless_threshold=settings.colourless_threshold
    )
    if settings.max_photos is not None and len(photos) > settings.max_photos:
        by_content = sorted(range(len(photos)), key=lambda index: photos.ids[index])
        photos = photos.subset(sorted(by_content[: settings.max_photos]))
    split = split_photos(photos, val_share=settings.val_share, test_share=settings.test_share)
    record = DataRecord(
        source=settings.source if settings.source == SAMPLES else Path(settings.source).name,
        data_sha256=photos.data_sha256,
        size_px=size_px,
        n_found=len(sources),
        n_skipped=len(photos.skipped),
        skipped_by_reason=dict(Counter(skip.kind for skip in photos.skipped)),
        colourless_threshold=settings.colourless_threshold,
        n_train=len(split.train),
        n_val=len(split.val),
        n_test=len(split.test),
        test_photos=list(split.test.names),
    )
    return StudyPhotos(split.train, split.val, split.test, list(photos.skipped), record)


def save_skipped(path: Path, skipped: Iterable[SkippedPhoto]) -> None:
    """Write the list of photos that were left out, each with its reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "reason"])
    writer.writerows([skip.name, skip.reason] for skip in skipped)
    write_text(path, text.getvalue())
