"""Run pilots: short trainings that each change one setting, to choose a recipe.

    python -m tools.release.pilots FILE --data FOLDER [--data FOLDER=WEIGHT ...] [--only NAME ...]
    python -m tools.release.pilots FILE --data ... --table FILE.csv --left-out FILE.csv

FILE is a YAML file with a recipe under `base` and, under `pilots`, the settings that each pilot changes, by dotted
keys. The key `without` names a source, a folder below one of the folders of photographs, that is validated on but not
trained on. Finished pilots are not repeated, and a stopped one resumes. Only finished pilots enter the tables. A table
keeps its rows of pilots that other folders hold; pilots added later are compared with a repetition of the base, which
--base names.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromalab.core.files import write_text
from chromalab.core.records import Record, read_yaml
from chromalab.evaluation.scoring import make_evaluator, score
from chromalab.report.formatting import csv_text
from chromalab.stats.intervals import t_interval
from chromalab.studies.recipe import Recipe, TrainingRecord, with_settings
from chromalab.studies.single import VALIDATION_METRICS, load_network, open_photographs, run_training
from chromalab.training.settings import RuntimeSettings
from tools import parser_of, read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE = "base"
PAIRED = ("delta_e_2000", "lpips_alex")
"""Metrics of which the table gives the difference to the base, with its 95% interval over photographs."""

NEVER_DRAWN = "1e-9"
"""A weight at which no photo is drawn from a folder, while its validation photos are kept."""


class Pilots(Record):
    """A set of pilots.

    Attributes:
        base: the recipe that all share.
        pilots: settings of each pilot, by its name; `base` among them.
    """

    base: Recipe
    pilots: dict[str, dict[str, Any]]


def recipes(pilots: Pilots, data: list[str]) -> dict[str, Recipe]:
    """Return the recipe of every pilot by its name."""
    found = {}
    for name, changes in pilots.pilots.items():
        settings = {"name": name, "data": data or pilots.base.data, **changes}
        source = settings.pop("without", None)
        if source is not None:
            home = next(folder for folder in data if Path(folder, source).is_dir())
            settings["data"] = [*data, f"{Path(home, source)}={NEVER_DRAWN}"]
        found[name] = with_settings(pilots.base, settings, origin=f"pilot {name}")
    return found


def finished(runs: Path, names: list[str]) -> dict[str, TrainingRecord]:
    """Return the records of the finished pilots."""
    paths = {name: runs / name / "training.json" for name in names}
    records = {name: TrainingRecord.load(path) for name, path in paths.items() if path.exists()}
    return {name: record for name, record in records.items() if record.finished}


def per_photo(folder: Path) -> dict[str, dict[str, float]]:
    """Return the values of each metric by photo."""
    rows = read_csv(folder / "metrics.csv")
    names = [name for name in rows[0] if name != "photo"]
    return {name: {row["photo"]: float(row[name]) for row in rows if row[name]} for name in names}


def pilots_table(
    runs: Path, pilots: Pilots, *, base_name: str = BASE, earlier: Sequence[Mapping[str, str]] = ()
) -> str:
    """Return the finished pilots as CSV: what changed, means over the validation photos, differences to the base.

    Args:
        runs: folder of the trainings.
        pilots: all pilots.
        base_name: the pilot with which the others are compared.
        earlier: rows of a former table; those of pilots that are not finished in `runs` are kept.
    """
    records = finished(runs, list(pilots.pilots))
    base = per_photo(runs / base_name)
    header = ["pilot", "changes", "images", "minutes", *VALIDATION_METRICS, "chroma_ratio"]
    header += [f"{metric}_{part}" for metric in PAIRED for part in ("difference", "low", "high")]
    rows: dict[str, Sequence[object]] = {row["pilot"]: list(row.values()) for row in earlier}
    for name, record in records.items():
        means = record.validations[-1].metrics
        changes = "; ".join(f"{key}: {value}" for key, value in pilots.pilots[name].items()) or "none"
        row: list[object] = [name, changes, record.images, round(record.minutes, 1)]
        row += [f"{means[metric]:.4f}" for metric in VALIDATION_METRICS]
        row.append(f"{means['chroma'] / record.truth['chroma']:.3f}")
        own = per_photo(runs / name)
        for metric in PAIRED:
            differences = [own[metric][photo] - value for photo, value in base[metric].items() if photo in own[metric]]
            interval = t_interval(differences) if name != base_name else None
            bounds = (0.0, 0.0) if interval is None else (interval.low, interval.high)
            row += [f"{statistics.fmean(differences):.4f}", *(f"{bound:.4f}" for bound in bounds)]
        rows[name] = row
    return csv_text(header, [rows[name] for name in pilots.pilots if name in rows])


def left_out_table(runs: Path, pilots: Pilots, data: list[str]) -> str:
    """Return, for each pilot without a source, the metrics on that source's validation photos, beside the base's."""
    rows: list[list[object]] = []
    metrics = make_evaluator(metrics=PAIRED)
    for name in finished(runs, list(pilots.pilots)):
        source = pilots.pilots[name].get("without")
        if source is None:
            continue
        val = open_photographs(recipes(pilots, data)[name], 96).val
        photos = val.subset([index for index, photo in enumerate(val.names) if source in photo])
        for trained in (BASE, name):
            network = load_network(runs / trained)
            found = score(network.colorize, photos, metrics)
            means = [f"{statistics.fmean(found.per_photo[metric]):.4f}" for metric in PAIRED]
            rows.append([source, trained, len(photos), *means])
    return csv_text(["source", "pilot", "photos", *PAIRED], rows)


def main() -> None:
    """Run the pilots that are not finished, or write the tables."""
    parser = parser_of(__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", action="append", default=[], help="folder of photographs, as for chromalab train")
    parser.add_argument("--out", type=Path, default=Path("runs/pilots"), help="folder of the trainings")
    parser.add_argument("--only", nargs="*", help="names of the pilots to run, in this order")
    parser.add_argument("--table", type=Path, help="write the table of the finished pilots; train nothing")
    parser.add_argument("--base", default=BASE, help="pilot with which those of the table are compared")
    parser.add_argument("--left-out", type=Path, help="write the table of sources left out; train nothing")
    parser.add_argument("--precision", default="fast")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    pilots = Pilots.parse(read_yaml(arguments.file), origin=str(arguments.file))
    if arguments.table is not None:
        earlier = read_csv(arguments.table) if arguments.table.exists() else []
        write_text(arguments.table, pilots_table(arguments.out, pilots, base_name=arguments.base, earlier=earlier))
    if arguments.left_out is not None:
        write_text(arguments.left_out, left_out_table(arguments.out, pilots, arguments.data))
    if arguments.table is not None or arguments.left_out is not None:
        return
    wanted = recipes(pilots, arguments.data)
    runtime = RuntimeSettings.parse(
        {"precision": arguments.precision, "threads": arguments.threads, "tensorboard": False}, origin="options"
    )
    for name in arguments.only or wanted:
        if not finished(arguments.out, [name]):
            run_training(wanted[name], arguments.out / name, runtime)


if __name__ == "__main__":
    main()
