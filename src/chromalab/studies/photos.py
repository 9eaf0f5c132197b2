"""The photos of a study, and the distribution of their colors."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.color.bins import PriorRecord, load_prior
from chromalab.core.errors import UsageError
from chromalab.core.files import sha256_bytes, write_bytes, write_text
from chromalab.data.cache import open_cache
from chromalab.data.prior import photo_prior
from chromalab.data.sources import PhotoSource, folder_sources, sample_sources
from chromalab.data.split import split_photos
from chromalab.studies.config import SAMPLES, DataSettings
from chromalab.studies.records import DataRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.data.photoset import PhotoSet
    from chromalab.data.split import Split
    from chromalab.data.usable import SkippedPhoto
    from chromalab.studies.records import ObjectiveRecord

_GIVEN_PRIOR = "given_prior"


@dataclass(frozen=True)
class StudyPhotos:
    """The photos of a study, split into three sets; `record` describes their selection."""

    train: PhotoSet
    val: PhotoSet
    test: PhotoSet
    skipped: list[SkippedPhoto]
    record: DataRecord


def open_photos(settings: DataSettings, size_px: int, *, cache_dir: Path | None = None) -> StudyPhotos:
    """Find, filter, cache and split the photos of a study.

    Raises:
        UsageError: a folder is missing or holds too few usable photos, or training and test photos overlap.
    """
    sources = _sources(settings.source, settings.exclude)
    photos = open_cache(
        sources, size_px=size_px, cache_dir=cache_dir, colourless_threshold=settings.colourless_threshold
    )
    photos = _at_most(photos, settings.max_photos)
    test_share = 0.0 if settings.test else settings.test_share
    split = split_photos(photos, val_share=settings.val_share, test_share=test_share)
    test = _own_test(settings, split, size_px, cache_dir) if settings.test else split.test
    skipped = [*photos.skipped, *(test.skipped if settings.test else ())]
    record = DataRecord(
        source=settings.source if settings.source == SAMPLES else Path(settings.source).name,
        data_sha256=photos.data_sha256,
        size_px=size_px,
        n_found=len(sources),
        n_skipped=len(skipped),
        skipped_by_reason=dict(Counter(skip.kind for skip in skipped)),
        colourless_threshold=settings.colourless_threshold,
        n_train=len(split.train),
        n_val=len(split.val),
        n_test=len(test),
        test_source=[_shown(entry) for entry in settings.test],
        test_photos=list(test.names),
    )
    return StudyPhotos(split.train, split.val, test, skipped, record)


def _at_most(photos: PhotoSet, limit: int | None) -> PhotoSet:
    """Return at most `limit` photos: those with the smallest content hash."""
    if limit is None or len(photos) <= limit:
        return photos
    by_content = sorted(range(len(photos)), key=lambda index: photos.ids[index])
    return photos.subset(sorted(by_content[:limit]))


def _sources(entry: str, exclude: Sequence[str] = ()) -> list[PhotoSource]:
    return sample_sources() if entry == SAMPLES else folder_sources(Path(entry), exclude=exclude)


def _shown(entry: str) -> str:
    """Return the name of a source for records, without its local path."""
    return entry if entry == SAMPLES else Path(entry).name


def _own_test(settings: DataSettings, split: Split, size_px: int, cache_dir: Path | None) -> PhotoSet:
    """Open the photos of the test folders, named FOLDER/PHOTO in records."""
    sources = [
        source if entry == SAMPLES else PhotoSource(source.path, f"{_shown(entry)}/{source.name}")
        for entry in settings.test
        for source in _sources(entry)
    ]
    twice = [name for name, count in Counter(source.name for source in sources).items() if count > 1]
    if twice:
        raise UsageError(f"two test photos are named {twice[0]}; give each folder of 'test' a different name")
    test = open_cache(sources, size_px=size_px, cache_dir=cache_dir, colourless_threshold=settings.colourless_threshold)
    trained_on = {*split.train.ids, *split.val.ids}
    shared = [photo.name for photo in test.photos if photo.id in trained_on]
    if shared:
        raise UsageError(
            f"{len(shared)} of the test photos are also training photos, such as {shared[0]}; exclude them "
            "(data: exclude), or run 'chromalab data check' on both folders to list all"
        )
    return _at_most(test, settings.max_photos)


def save_skipped(path: Path, skipped: Iterable[SkippedPhoto]) -> None:
    """Write the list of photos that were left out, each with its reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "reason"])
    writer.writerows([skip.name, skip.reason] for skip in skipped)
    write_text(path, text.getvalue())


@dataclass(frozen=True)
class StudyPrior:
    """A distribution over the ab bins, with its source.

    Attributes:
        probabilities: (313,), summing to 1.
        source: description for the study's record.
        record: the counts to be saved with the study, if they were made here.
    """

    probabilities: NDArray[np.float64]
    source: str
    record: PriorRecord | None = None

    @property
    def sha256(self) -> str:
        """The hash of the probabilities."""
        return sha256_bytes(self.probabilities.tobytes())


def keep_prior(file: str | None, folder: Path) -> None:
    """Copy the file of a prior into the folder of the training or study that it rebalances, in place of earlier copies.

    An export needs it, and records hold no paths.

    Args:
        file: the file; None only removes the copies of an earlier try.
        folder: the folder.
    """
    content = None if file is None else Path(file).read_bytes()  # it may be a copy that is removed here
    for copy in _given_priors(folder):
        copy.unlink()
    if file is not None and content is not None:
        write_bytes(folder / f"{_GIVEN_PRIOR}{Path(file).suffix}", content)


def _given_priors(folder: Path) -> list[Path]:
    return [path for suffix in (".json", ".npy") if (path := folder / f"{_GIVEN_PRIOR}{suffix}").exists()]


def kept_prior(folder: Path, file: str | None) -> NDArray[np.float64] | None:
    """Return the prior of an earlier training or study, (313,), or None if it needed none.

    Args:
        folder: its folder, with the count that it saved, or the copy of the file that it was given.
        file: the file that it was given, for folders of older versions, which hold no copy.
    """
    given = _given_priors(folder)
    if given or file is not None:
        return load_prior(given[0] if given else Path(str(file)))
    counted = folder / "prior.json"
    return PriorRecord.load(counted).probabilities if counted.exists() else None


def study_prior(
    objectives: Iterable[ObjectiveRecord], photos: StudyPhotos, file: str | None, kept: Path
) -> StudyPrior | None:
    """Return the prior of a study, or None if no objective needs one.

    Args:
        objectives: the objectives of the study.
        photos: its photos; the colors of the training set are counted.
        file: file of a prior that replaces the count.
        kept: file to which an earlier call saved the count.

    Raises:
        ConfigError: the file holds no prior.
    """
    if not any("prior" in objective.needs for objective in objectives):
        return None
    if file is not None:
        return StudyPrior(load_prior(Path(file)), f"the file {Path(file).name}")
    source = f"the {len(photos.train):,} training photos"
    if kept.exists():
        record = PriorRecord.load(kept)
        if record.data_sha256 == photos.train.data_sha256:
            return StudyPrior(record.probabilities, source, record)
    record = photo_prior(photos.train)
    return StudyPrior(record.probabilities, source, record)
