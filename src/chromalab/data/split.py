"""Division of photos into training, validation and test, determined by the content of each photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.seeds import derive_seed
from chromalab.core.wording import plural
from chromalab.data.sources import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.data.photoset import PhotoSet

Part = Literal["train", "val", "test"]

RANK_RULE_BELOW = 30
"""Number of photos below which the parts are filled by rank, because chance could leave one empty."""

MIN_PHOTOS = 3


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of photos.

    Attributes:
        train: photos for training.
        val: photos for choosing settings; empty for the built-in samples.
        test: photos on which results are reported.
    """

    train: PhotoSet
    val: PhotoSet
    test: PhotoSet


def split_photos(photos: PhotoSet, *, val_share: float = 0.1, test_share: float = 0.1) -> Split:
    """Divide photos into training, validation and test.

    The content of each photo determines a fixed number between 0 and 1. Photos below `test_share` are for testing,
    those from there to `test_share + val_share` for validation, and the others for training. So adding, removing or
    renaming photos never moves another photo. With fewer than 30 photos, or if a part would be empty, the numbers are
    ranked instead and each part gets its share of the ranks, at least one photo; adding a photo may then move others.
    The built-in samples are split by name.

    Args:
        photos: the photos.
        val_share: share of the validation photos, at least 0.
        test_share: share of the test photos; 0 if a study has separate test photos. Both shares sum to less than 1.

    Raises:
        ConfigError: the shares leave no photos for training.
        UsageError: there are fewer than three photos, or the samples lack a part.
    """
    if not (val_share >= 0 and test_share >= 0 and val_share + test_share < 1):
        raise ConfigError(f"val_share {val_share:g} and test_share {test_share:g}: expected both >= 0, sum < 1")
    if len(photos) and set(photos.names) <= set(SAMPLES):
        parts: list[Part] = [SAMPLES[name].split for name in photos.names]
    else:
        parts = parts_by_content(photos.ids, val_share, test_share)
    train, val, test = (_of_part(photos, parts, wanted) for wanted in ("train", "val", "test"))
    if not len(train) or (test_share > 0 and not len(test)):
        raise UsageError(
            f"{len(photos)} sample photos with {len(train)} for training and {len(test)} for testing: use all of them"
        )
    return Split(train, val, test)


def _of_part(photos: PhotoSet, parts: Sequence[str], wanted: str) -> PhotoSet:
    return photos.subset([index for index, part in enumerate(parts) if part == wanted])


def parts_by_content(ids: Sequence[str], val_share: float, test_share: float) -> list[Part]:
    """Return the part of each photo by the rule of `split_photos`.

    Args:
        ids: SHA-256 of each photo's content, distinct.
        val_share: share of the validation photos.
        test_share: share of the test photos.

    Raises:
        UsageError: there are fewer than three photos.
    """
    if len(ids) < MIN_PHOTOS:
        raise UsageError(
            f"only {plural(len(ids), 'usable photo')}: at least {MIN_PHOTOS} are needed, "
            "for training, validation and testing"
        )
    places = [_place(identity) for identity in ids]
    parts = [_part(place, val_share, test_share) for place in places]
    n_wanted = 1 + (val_share > 0) + (test_share > 0)
    if len(ids) >= RANK_RULE_BELOW and len(set(parts)) == n_wanted:
        return parts
    return _parts_by_rank(places, val_share, test_share)


def _place(identity: str) -> float:
    """Return a photo's fixed number in [0, 1)."""
    return derive_seed("split", identity) / 2**63


def _part(place: float, val_share: float, test_share: float) -> Part:
    if place < test_share:
        return "test"
    return "val" if place < test_share + val_share else "train"


def _parts_by_rank(places: Sequence[float], val_share: float, test_share: float) -> list[Part]:
    count = len(places)
    n_test = max(1, round(count * test_share)) if test_share > 0 else 0
    n_val = max(1, round(count * val_share)) if val_share > 0 else 0
    n_test, n_val = _leave_one(count, n_test, n_val)
    parts: list[Part] = ["train"] * count
    for rank, index in enumerate(sorted(range(count), key=places.__getitem__)):
        if rank < n_test + n_val:
            parts[index] = "test" if rank < n_test else "val"
    return parts


def _leave_one(count: int, n_test: int, n_val: int) -> tuple[int, int]:
    """Reduce the larger part until at least one photo is left for training."""
    while n_test + n_val >= count:
        n_test, n_val = (n_test - 1, n_val) if n_test >= n_val else (n_test, n_val - 1)
    return n_test, n_val
