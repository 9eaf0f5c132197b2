"""Which prediction belongs to which target: files with one relative path, whatever their suffixes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.evaluate.records import SkippedPair
from chromalab.photo.listing import list_photos

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """A prediction with its target.

    Attributes:
        name: relative path without suffix, with forward slashes.
        preds: file of the prediction.
        target: file of the true photograph.
    """

    name: str
    preds: Path
    target: Path


@dataclass(frozen=True)
class Pairing:
    """Two folders matched by name.

    Attributes:
        pairs: what belongs together, sorted by name.
        ambiguous: names that several files of one folder share.
        unmatched_preds: predictions without a target, relative to their folder.
        unmatched_targets: targets without a prediction, relative to theirs.
    """

    pairs: tuple[Pair, ...]
    ambiguous: tuple[SkippedPair, ...]
    unmatched_preds: tuple[str, ...]
    unmatched_targets: tuple[str, ...]


def pair_folders(preds: Path, targets: Path) -> Pairing:
    """Match the photos of two folders and their subfolders by relative path without suffix.

    Raises:
        UsageError: a folder is missing or holds no photos, or no name is in both.
    """
    pred_files, target_files = _by_name(preds), _by_name(targets)
    shared = sorted(pred_files.keys() & target_files.keys())
    if not shared:
        raise UsageError(
            f"no photo of {preds} has the name of one of {targets}: they are matched by relative path without suffix, "
            f"and there is {_examples(pred_files)} against {_examples(target_files)}"
        )
    doubtful = {name: _ambiguity(pred_files[name], target_files[name]) for name in shared}
    return Pairing(
        pairs=tuple(Pair(name, pred_files[name][0], target_files[name][0]) for name in shared if not doubtful[name]),
        ambiguous=tuple(SkippedPair(name=name, reason=reason) for name, reason in doubtful.items() if reason),
        unmatched_preds=_unmatched(preds, pred_files, target_files),
        unmatched_targets=_unmatched(targets, target_files, pred_files),
    )


def _by_name(folder: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = defaultdict(list)
    for path in list_photos(folder):
        files[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return dict(files)


def _ambiguity(preds: list[Path], targets: list[Path]) -> str:
    """Say which files share a name, or return an empty string."""
    crowds = [
        f"{' and '.join(path.name for path in files)} are both {role}"
        for files, role in ((preds, "predictions"), (targets, "targets"))
        if len(files) > 1
    ]
    return "ambiguous: " + ", ".join(crowds) if crowds else ""


def _unmatched(folder: Path, files: dict[str, list[Path]], others: dict[str, list[Path]]) -> tuple[str, ...]:
    lonely = (path for name, paths in files.items() if name not in others for path in paths)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in lonely))


def _examples(files: dict[str, list[Path]]) -> str:
    names = sorted(files)
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
