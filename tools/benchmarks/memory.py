"""Peak memory of studies, trainings and evaluations, to check that it does not grow with the number of photos.

    python -m tools.benchmarks.memory PHOTOS [--counts 500 6900] [--json FILE]

Three things are measured, each in a process of its own: a study of ten steps for each count of photos, including its
cache; the flagship's recipe on all photos of the folder for a few steps, with validation and export; and the evaluation
of as many pairs as the first count, then of ten times as many. A folder that is opened for the first time is indexed
first, so run the command twice to measure the start with an index.

RssAnon is the anonymous memory of a process as the Linux kernel counts it. It leaves out mapped pages of files, which
the kernel can drop at any time. It is read every 50 ms.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.data import astronaut, chelsea, coffee, rocket

from chromalab.photo.writing import write_png
from tools import parser_of, write_record

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_S = 0.05
SUFFIXES = {".jpg", ".jpeg", ".png"}
TEST_PHOTOS = 20
TRAINING_CROPS = 320
SIDE_PX = 256


@dataclass(frozen=True)
class Peak:
    """A measured call.

    Attributes:
        what: what was done.
        items: number of photos or pairs.
        seconds: duration of the process, imports included.
        peak_mb: largest RssAnon.
    """

    what: str
    items: int
    seconds: float
    peak_mb: float


def watched(what: str, items: int, work: Callable[..., None], *arguments: object) -> Peak:
    """Call `work(*arguments)` in a new process and return its peak memory.

    Raises:
        SystemExit: the call failed; its traceback is on standard error.
    """
    started, peak = time.monotonic(), 0.0
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    status = Path(f"/proc/{process.pid}/status")
    while process.is_alive():
        peak = max(peak, _anonymous_mb(status))
        time.sleep(INTERVAL_S)
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__}{arguments} failed with exit code {process.exitcode}")
    return Peak(what, items, round(time.monotonic() - started, 1), round(peak, 1))


def _anonymous_mb(status: Path) -> float:
    try:
        lines = status.read_text().splitlines()
    except OSError:  # the process has just ended
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), default=0.0)


def study_peak(source: Path, count: int) -> Peak:
    """Return the peak memory of a study of `count` photos, spread evenly over a folder."""
    found = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if len(found) < count:
        raise SystemExit(f"{source} holds {len(found)} photos, but --counts asks for {count}; lower --counts")
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for index in range(count):
            path = found[index * len(found) // count]
            (photos / f"{index:06d}{path.suffix}").symlink_to(path.resolve())
        return watched("study", count, run_study_of, str(photos), count, folder)


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


def train_on(folder: str, out: str) -> None:
    """Train the flagship's recipe on a folder for a few steps, with a checkpoint after every step."""
    from chromalab.studies.recipe import load_recipe, with_settings  # noqa: PLC0415
    from chromalab.studies.single import run_training  # noqa: PLC0415
    from chromalab.training.settings import RuntimeSettings  # noqa: PLC0415

    changes: dict[str, object] = {"data": [folder], "training.images": TRAINING_CROPS}
    recipe = with_settings(load_recipe(Path("flagship")), changes, origin="tools.benchmarks.memory")
    runtime = RuntimeSettings(precision="fast", checkpoint_every_s=0, tensorboard=False)
    run_training(recipe, Path(out) / "training", runtime)


def evaluation_peak(count: int) -> Peak:
    """Return the peak memory of an evaluation of `count` pairs."""
    with tempfile.TemporaryDirectory() as folder:
        write_pairs(Path(folder), count)
        return watched("evaluation", count, evaluate_pairs, folder)


def write_pairs(folder: Path, count: int) -> None:
    """Write `count` crops of sample photos, and the same in weaker and shifted colors."""
    generator = np.random.default_rng(0)
    photos = [astronaut(), coffee(), chelsea(), rocket()]
    for index in range(count):
        photo = photos[index % len(photos)]
        top, left = (generator.integers(0, side - SIDE_PX + 1) for side in photo.shape[:2])
        target = photo[top : top + SIDE_PX, left : left + SIDE_PX]
        gray = target.mean(axis=-1, keepdims=True)
        preds = gray + generator.uniform(0.3, 1.3) * (target - gray) + generator.normal(0, 8, size=3)
        write_png(folder / "target" / f"{index:05}.png", target.copy())
        write_png(folder / "preds" / f"{index:05}.png", np.clip(np.rint(preds), 0, 255).astype(np.uint8))


def evaluate_pairs(folder: str) -> None:
    """Compute all pixel, structure and color metrics and a Fréchet distance of the pairs in a folder."""
    from chromalab.evaluation.folders import evaluate  # noqa: PLC0415
    from chromalab.metrics.registry import METRICS  # noqa: PLC0415

    names = [name for name, metric in METRICS.items() if metric.reference == "target" and metric.network is None]
    preds, target = (Path(folder) / name for name in ("preds", "target"))
    evaluate(preds, target, metrics=[*names, "frechet_lite0"], device="cpu", threads=2)


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--counts", type=int, nargs="+", default=[500, 6900], help="numbers of photos in the studies")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all numbers")
    arguments = parser.parse_args()
    peaks = [study_peak(arguments.photos, count) for count in arguments.counts]
    with tempfile.TemporaryDirectory() as out:
        n_photos = sum(path.suffix.lower() in SUFFIXES for path in arguments.photos.rglob("*"))
        peaks.append(watched("training", n_photos, train_on, str(arguments.photos), out))
    peaks += [evaluation_peak(count) for count in (arguments.counts[0], 10 * arguments.counts[0])]
    for peak in peaks:
        print(f"{peak.what} of {peak.items:,}: {peak.peak_mb:.0f} MB RssAnon, {peak.seconds:.1f} s")
    write_record(arguments.json, [asdict(peak) for peak in peaks])


if __name__ == "__main__":
    main()
