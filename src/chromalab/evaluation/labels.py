"""The classes that are to be seen on photographs, from a CSV file."""

from __future__ import annotations

import csv
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COLUMNS = ("photo", "label")


def read_labels(path: Path, photos: Iterable[str]) -> dict[str, int]:
    """Return the class of every photo.

    Args:
        path: a CSV file with the columns `photo` (relative path, with or without suffix) and `label` (the class's
            index, as in ImageNet's list 0 to 999).
        photos: names without suffix of all that need one.

    Raises:
        ConfigError: the file can't be read, lacks a column, has a label that is no whole number, or lacks a photo.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the labels can't be read: {error}") from None
    if not rows or any(column not in rows[0] for column in COLUMNS):
        raise ConfigError(f"{path}: expected a CSV file with rows under the columns photo,label")
    labels: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        try:
            label = int(row["label"])
        except (TypeError, ValueError):
            raise ConfigError(f"{path}, line {line}: a label is a whole number, not '{row['label']}'") from None
        labels[row["photo"]] = labels[PurePosixPath(row["photo"]).with_suffix("").as_posix()] = label
    missing = [name for name in photos if name not in labels]
    if missing:
        raise ConfigError(f"{path}: {len(missing)} photos have no label, the first is '{missing[0]}'")
    return labels
