"""Peak memory of a study and of a single training, to check that it does not grow with the number of photos.

    python -m tools.benchmarks.memory FOLDER [--counts 500 6900] [--json FILE]
    python -m tools.benchmarks.memory --library FOLDER [--images 320] [--json FILE]

The first form runs a study of a few steps for each count, in a process of its own, which also builds the cache of that
many photos.

The second form trains the flagship's recipe on all photos of a folder for a few steps, as `chromalab train flagship
--data FOLDER` does: it decodes photos when it crops them, writes a checkpoint after every step, validates, and exports
the model. The table has a row for each part of the run. The parts before the training add up to the time until the
first step, without imports. A folder that is opened for the first time is indexed first; run the command twice to
measure the start with an index.

RssAnon is the anonymous memory of a process as the Linux kernel counts it. Mapped pages of files are not in it, since
the kernel can drop them at any time. It is read every 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERVAL_S = 0.05
SUFFIXES = {".jpg", ".jpeg", ".png"}
TEST_PHOTOS = 20
PARTS = ("open the library", "count the color prior", "score the bounds", "build the network", "train", "finish")
"""Parts of a single training, in order."""
START = PARTS[:4]
"""Parts before the first step."""


@dataclass(frozen=True)
class Part:
    """A part of a single training.

    Attributes:
        name: one of `PARTS`.
        seconds: how long it took.
        cpu_s: CPU time of all threads, which other programs on the machine hardly change.
        peak_mb: largest RssAnon within it.
    """

    name: str
    seconds: float
    cpu_s: float
    peak_mb: float


class Watched:
    """A call in a new process, whose RssAnon is read until it ends.

    Attributes:
        samples: pairs of `time.monotonic()` and RssAnon in MB.
    """

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        """Call `work(*arguments)` and wait for its end.

        Raises:
            SystemExit: the call failed; its traceback is on standard error.
        """
        process = get_context("spawn").Process(target=work, args=arguments)
        process.start()
        self.samples: list[tuple[float, float]] = []
        status = Path(f"/proc/{process.pid}/status")
        while process.is_alive():
            self.samples.append((time.monotonic(), _anonymous_mb(status)))
            time.sleep(INTERVAL_S)
        process.join()
        if process.exitcode:
            raise SystemExit(f"{work.__name__}{arguments} failed with exit code {process.exitcode}")

    def peak_mb(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """Return the largest RssAnon between two moments."""
        return max((memory for moment, memory in self.samples if begin <= moment <= end), default=0.0)


def _anonymous_mb(status: Path) -> float:
    try:
        lines = status.read_text().splitlines()
    except OSError:  # the process has just ended
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), default=0.0)


def study_peak_mb(source: Path, count: int) -> float:
    """Return the largest RssAnon of a study of `count` photos, in MB."""
    found = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if len(found) < count:
        raise SystemExit(f"{source} holds {len(found)} photos, but --counts asks for {count}")
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for index in range(count):
            path = found[index * len(found) // count]
            (photos / f"{index:06d}{path.suffix}").symlink_to(path.resolve())
        return Watched(run_study_of, str(photos), count, folder).peak_mb()


def run_study_of(photos: str, count: int, folder: str) -> None:
    """Run a study of ten steps on a folder of `count` photos; cache and results go into `folder`."""
    os.environ["CHROMALAB_CACHE"] = str(Path(folder) / "cache")
    from chromalab.studies.config import DataSettings, StudyConfig  # noqa: PLC0415 - the measured process alone needs it
    from chromalab.studies.opening import open_study  # noqa: PLC0415
    from chromalab.studies.runs import run_study  # noqa: PLC0415
    from chromalab.training.settings import RuntimeSettings, TrainingSettings  # noqa: PLC0415

    config = StudyConfig(
        name="memory",
        title="memory",
        objectives={"l2": "l2"},
        seeds=[0],
        data=DataSettings(source=photos, test_share=min(0.5, TEST_PHOTOS / count), val_share=0.0),
        training=TrainingSettings(crop_px=96, batch_size=16, images=160),
    )
    runtime = RuntimeSettings(tensorboard=False)
    run_study(open_study(config, Path(folder) / "out", runtime), runtime)


def measure_library(folder: Path, images: int) -> tuple[int, list[Part]]:
    """Return the number of photos that a training on `folder` trains on, and its parts."""
    with tempfile.TemporaryDirectory() as temporary:
        watched = Watched(train_on, str(folder), images, temporary)
        facts = json.loads((Path(temporary) / "moments.json").read_text())
    moments = facts["moments"]
    parts, begin = [], moments["imported"]
    for name in PARTS:
        if name in moments:
            end = moments[name]
            seconds, cpu_s = (round(after - before, 3) for before, after in zip(begin, end, strict=True))
            parts.append(Part(name, seconds, cpu_s, round(watched.peak_mb(begin[0], end[0]), 1)))
            begin = end
    return facts["photos"], parts


def train_on(folder: str, images: int, out: str) -> None:
    """Train the flagship's recipe on a folder for `images` crops, and write the moment at which each part ended."""
    from chromalab.data.feed import CropFeed  # noqa: PLC0415
    from chromalab.evaluation.scoring import score  # noqa: PLC0415
    from chromalab.studies import single  # noqa: PLC0415 - the measured process alone needs it
    from chromalab.studies.recipe import load_recipe, with_settings  # noqa: PLC0415
    from chromalab.training.loop import train  # noqa: PLC0415
    from chromalab.training.settings import RuntimeSettings  # noqa: PLC0415

    changes: dict[str, object] = {"data": [folder], "training.images": images}
    recipe = with_settings(load_recipe(Path("flagship")), changes, origin="tools.benchmarks.memory")
    runtime = RuntimeSettings(precision="fast", checkpoint_every_s=0, tensorboard=False)
    moments = {"imported": now()}

    def ended(part: str) -> None:
        if "build the network" not in moments:
            moments[part] = now()

    def scored(*arguments: Any, **options: Any) -> Any:
        moments.setdefault("count the color prior", now())
        found = score(*arguments, **options)
        ended("score the bounds")
        return found

    def opened(*arguments: Any) -> Any:
        library = open_photographs(*arguments)
        ended("open the library")
        return library

    def trained(*arguments: Any, **options: Any) -> Any:
        outcome = train(*arguments, **options)
        moments["train"] = now()
        return outcome

    class Feed(CropFeed):
        def crops(self, first: int, count: int, crop_px: int) -> Any:
            ended("build the network")
            return super().crops(first, count, crop_px)

    open_photographs = single.open_photographs
    with (
        patch("chromalab.studies.single.open_photographs", opened),
        patch("chromalab.studies.single.score", scored),
        patch("chromalab.studies.single.train", trained),
        patch("chromalab.training.loop.CropFeed", Feed),
    ):
        record = single.run_training(recipe, Path(out) / "training", runtime)
    moments["finish"] = now()
    facts = {"photos": record.data.n_train, "moments": moments}
    (Path(out) / "moments.json").write_text(json.dumps(facts))


def now() -> tuple[float, float]:
    """Return the time and the CPU time of this process, in seconds."""
    return time.monotonic(), time.process_time()


def report_studies(folder: Path, counts: Sequence[int]) -> tuple[Table, dict[str, object]]:
    """Measure a study for each count, and return a table and a record."""
    peaks = {count: study_peak_mb(folder, count) for count in counts}
    first = peaks[counts[0]]
    table = Table("photos", "peak RssAnon, MB", "ratio to the first")
    for count, peak in peaks.items():
        table.add_row(f"{count:,}", f"{peak:.0f}", f"{peak / first:.3f}")
    return table, {"studies": [{"photos": count, "peak_mb": round(peak, 1)} for count, peak in peaks.items()]}


def report_library(folder: Path, images: int) -> tuple[Table, dict[str, object]]:
    """Measure a training on a folder, and return a table and a record."""
    photos, parts = measure_library(folder, images)
    start = [part for part in parts if part.name in START]
    peak = max(part.peak_mb for part in parts)
    table = Table(f"training on {photos:,} photos", "seconds", "CPU seconds", "peak RssAnon, MB")
    for part in (*parts, total("until the first step", start), total("whole run", parts)):
        table.add_row(part.name, f"{part.seconds:.1f}", f"{part.cpu_s:.1f}", f"{part.peak_mb:.0f}")
    record = {
        "photos": photos,
        "start": asdict(total("until the first step", start)),
        "peak_mb": peak,
        "parts": [asdict(part) for part in parts],
    }
    return table, {"library": record}


def total(name: str, parts: Sequence[Part]) -> Part:
    """Return several parts as one."""
    seconds, cpu_s = (round(sum(values), 3) for values in zip(*((p.seconds, p.cpu_s) for p in parts), strict=True))
    return Part(name, seconds, cpu_s, max(part.peak_mb for part in parts))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="photos for the studies")
    parser.add_argument("--counts", type=int, nargs="+", default=[500, 6900], help="numbers of photos in the studies")
    parser.add_argument("--library", type=Path, metavar="FOLDER", help="photos for a single training")
    parser.add_argument("--images", type=int, default=320, help="crops of the single training")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all numbers")
    arguments = parser.parse_args()
    if arguments.folder is None and arguments.library is None:
        parser.error("give a folder for the studies, or --library FOLDER for a single training")
    record: dict[str, object] = {}
    console = Console()
    if arguments.folder is not None:
        table, found = report_studies(arguments.folder, arguments.counts)
        console.print(table)
        record |= found
    if arguments.library is not None:
        table, found = report_library(arguments.library, arguments.images)
        console.print(table)
        record |= found
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
