"""Pack a study into few files to commit, or unpack it again.

    python -m tools.release.pack runs/lab results/objective/lab
    python -m tools.release.pack --unpack results/objective/lab runs/lab

The format is described in `chromalab.studies.load`. The training logs of all runs go into `curves.csv.gz`. With
--images, the images of the first seed go into `images.png`. Networks, reports and other images are left out. After
unpacking, `chromalab compare run` trains only the runs that are missing.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chromalab.color.bins import PriorRecord
from chromalab.core.errors import UsageError
from chromalab.core.files import make_folder, with_ending, write_bytes, write_text
from chromalab.evaluation.records import BOUNDS
from chromalab.photo.reading import read_photo
from chromalab.photo.writing import write_png
from chromalab.studies.load import SCORE_KEYS, SCORES, PackedRecords, failed_runs
from chromalab.studies.plan import PLAN_FILE
from chromalab.studies.records import (
    FAILED_FILE,
    RECORDS,
    BoundRecord,
    CheckpointRecord,
    FailedRun,
    RunRecord,
    StudyRecord,
    planned_runs,
)
from chromalab.studies.study import StudyFolder
from tools import parser_of, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

CURVES = "curves.csv.gz"
IMAGES = "images.png"

Row = dict[str, str]
Key = tuple[str, str, str]
"""Run (or bound), share of its training, and split of a table of scores."""


def pack(source: Path, out: Path, *, images: bool = False) -> None:
    """Pack the study folder `source` into `out`.

    Raises:
        UsageError: `source` is packed already, or `out` is a study folder.
    """
    if (source / RECORDS).exists():
        raise UsageError(f"{source} is packed already; unpack it with --unpack")
    if (out / "runs").exists():
        raise UsageError(f"{out} is a study folder with runs; pack into another folder")
    folder = StudyFolder(source)
    study = folder.load()
    finished = [name for name in planned_runs(study) if folder.finished(name) is not None]
    looks = {name: sorted(folder.run(name).glob("looks/*/record.json")) for name in finished}
    packed = PackedRecords(
        bounds=[BoundRecord.load(path) for path in _existing(folder.bound(name) / "record.json" for name in BOUNDS)],
        runs=[RunRecord.load(folder.run(name) / "record.json") for name in finished],
        looks={name: [CheckpointRecord.load(path) for path in paths] for name, paths in looks.items() if paths},
        prior=PriorRecord.load(folder.prior_json) if folder.prior_json.exists() else None,
        skipped=[(row["photo"], row["reason"]) for row in read_csv(folder.skipped_csv)],
        failed={name: reason for name, reason in failed_runs(source, study).items() if name not in finished},
    )
    _copy_study(source, out)
    write_packed(out / SCORES, SCORE_KEYS, _scores(folder, packed))
    curves = ({"run": name, **row} for name in finished for row in _filled(folder.run(name) / "train.csv"))
    write_packed(out / CURVES, ("run", "step", "pictures", "loss"), curves)
    if images:
        write_png(out / IMAGES, _sheet(folder, study))
    packed.save(out / RECORDS)  # last, so that records never name scores that are not there yet


def unpack(source: Path, out: Path) -> None:
    """Write packed records to `out` as the study folder that `chromalab compare run` leaves, without networks.

    An interrupted call leaves no `out`, because a folder with records but without scores would count as a study.

    Raises:
        UsageError: `out` is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; unpack into a new folder")
    partial = with_ending(out, ".part")
    shutil.rmtree(partial, ignore_errors=True)
    _unpack(source, make_folder(partial))
    if out.exists():
        out.rmdir()
    partial.rename(out)


def _unpack(source: Path, out: Path) -> None:
    packed, folder = PackedRecords.load(source / RECORDS), StudyFolder(out)
    _copy_study(source, out)
    for bound in packed.bounds:
        bound.save(folder.bound(bound.name) / "record.json")
    for record in packed.runs:
        record.save(folder.run(record.run_id) / "record.json")
        for look in packed.looks.get(record.run_id, []):
            look.save(folder.checkpoint(record.run_id, look.pictures) / "record.json")
    for name, reason in packed.failed.items():
        FailedRun(run_id=name, reason=reason).save(folder.run(name) / FAILED_FILE)
    if packed.prior is not None:
        packed.prior.save(folder.prior_json)
    write_csv(folder.skipped_csv, [{"photo": photo, "reason": reason} for photo, reason in packed.skipped])
    tables: dict[Path, list[Row]] = {}
    for row in read_csv(source / SCORES):
        run, share, split = (row.pop(key) for key in SCORE_KEYS[:3])
        tables.setdefault(_table(folder, packed, (run, share, split)), []).append(row)
    for row in read_csv(source / CURVES):
        tables.setdefault(folder.run(row.pop("run")) / "train.csv", []).append(row)
    for path, rows in tables.items():
        write_csv(path, _emptied(rows))


def _copy_study(source: Path, out: Path) -> None:
    for path in _existing(source / name for name in ("study.json", "study.yaml", PLAN_FILE)):
        shutil.copy(path, make_folder(out))


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows with equal columns, if there are any."""
    if rows:
        write_text(path, _as_csv(list(rows[0]), rows))


def write_packed(path: Path, first: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows of different columns as gzipped CSV, if there are any; the same rows always give the same bytes."""
    found = list(rows)
    columns = list(dict.fromkeys([*first, *(name for row in found for name in row)]))
    file = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(_as_csv(columns, found).encode())
    if found:
        write_bytes(path, file.getvalue())


def _as_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def _table(folder: StudyFolder, packed: PackedRecords, key: Key) -> Path:
    """Return the path of a table of scores in a study folder."""
    run, share, split = key
    if run in BOUNDS:
        return folder.bound(run) / "metrics.csv"
    if split == "validation":
        return folder.run(run) / "validation.csv"
    if float(share) == 1:
        return folder.run(run) / "metrics.csv"
    look = next(each for each in packed.looks[run] if each.share == float(share))
    return folder.checkpoint(run, look.pictures) / "metrics.csv"


def _scores(folder: StudyFolder, packed: PackedRecords) -> Iterator[Row]:
    keys: list[Key] = [(bound.name, "1", "test") for bound in packed.bounds]
    for run in packed.runs:
        shares = [str(look.share) for look in packed.looks.get(run.run_id, [])]
        keys += [(run.run_id, share, "test") for share in [*shares, "1"]]
        keys.append((run.run_id, "1", "validation"))
    for key in keys:
        for row in _filled(_table(folder, packed, key)):
            yield dict(zip(SCORE_KEYS, key, strict=False)) | row


def _filled(path: Path) -> list[Row]:
    """Return the rows of a table with `nan` for missing values, because empty cells of packed tables mean no column."""
    return [{name: cell or "nan" for name, cell in row.items()} for row in read_csv(path)]


def _emptied(rows: Sequence[Row]) -> list[Row]:
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    return [{name: "" if row[name] == "nan" else row[name] for name in names} for row in rows]


def _sheet(folder: StudyFolder, study: StudyRecord) -> NDArray[np.uint8]:
    """Return the images of a page as one: a row per photo, a column per network."""

    def row(photo: str) -> NDArray[np.uint8]:
        paths = [folder.images(name) / f"{photo}.png" for name in image_columns(study)]
        return np.concatenate([square(read_photo(path).rgb) for path in paths], axis=1)

    return np.concatenate([row(photo) for photo in study.pictured])


def image_columns(study: StudyRecord) -> list[str]:
    """Return the columns of `images.png`: gray, the runs of the first seed, and the ground truth."""
    runs = [f"{objective.id}-{study.color_spaces[0]}-s{study.seeds[0]}" for objective in study.objectives]
    return ["grey", *runs, "truth"]


def square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the central square of an image."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def main() -> None:
    """Pack or unpack."""
    parser = parser_of(__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--unpack", action="store_true", help="write a study folder from packed records")
    parser.add_argument("--images", action="store_true", help="pack the images of the first seed, too")
    arguments = parser.parse_args()
    if arguments.unpack:
        unpack(arguments.source, arguments.out)
    else:
        pack(arguments.source, arguments.out, images=arguments.images)


if __name__ == "__main__":
    main()
