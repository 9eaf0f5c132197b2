"""Speed of the training loop, beside a bare PyTorch loop of the same work.

    python -m tools.benchmarks.training [--rounds 7] [--threads 1 2] [--photos FOLDER] [--json FILE] [--quick]

Two trainings are measured: the baseline (L1, full-resolution head, trained EfficientNet-Lite0) and the flagship (its
own objective and degradations, stride-4 decoder, frozen EfficientNet-Lite1), the latter also with `precision: fast`
where the CPU multiplies bfloat16 in hardware. Each thread count has a process of its own, which is pinned to as many
cores.

The loop is `chromalab.training.loop.train` from its third step on, without its start and its end. Of the measured steps
only the last one is logged. As a long training logs every 50th step, a fiftieth of what the last step takes longer is
added to every other step.

The bare loop cuts the same crops, builds the batch, and does forward, losses, backward and optimizer step. It does not
log, clip gradients, average weights or check for values that are not finite.

The two loops take turns, so that a slow moment of the machine affects both. Speeds are medians over the rounds, and the
ratio is the median of the rounds' ratios. The goal is at least 0.95. The CPU ratio compares the CPU time that both
loops take. It shows whether a low ratio comes from the loop or from other programs on the machine.

The share of data is the part of the loop's time that passes inside `feed.crops`, decoding included. Without --photos
the crops come from the built-in photos, which the cache keeps decoded. With --photos they are decoded from the files of
that folder when they are cropped. The files have been read once just before, so the speed of the disk does not count.

Matrix products and the decoding of a JPEG stand beside the speeds and tell how fast the machine is today.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import torch

from chromalab.color.bins import BIN_COUNT
from chromalab.data.cache import open_cache
from chromalab.data.feed import CropFeed
from chromalab.data.library import FolderShare, open_library
from chromalab.data.sources import sample_sources
from chromalab.losses.compose import build
from chromalab.studies.recipe import load_recipe
from chromalab.training import loop
from chromalab.training.build import build_colorizer, build_optimizer
from chromalab.training.devices import make_fabric
from chromalab.training.hardware import multiplies_bfloat16
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.models import make_batch, parameter_groups
from chromalab.training.settings import RuntimeSettings
from tools import parser_of, write_record
from tools.benchmarks.reference import jpeg_ms, product_gflops

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.data.photoset import Photographs, WeightedPhotos

    Photos = Photographs | Sequence[WeightedPhotos]

GOAL = 0.95
"""Smallest ratio of the loop to the bare loop that is good enough."""

SIZES_PX = (64, 96, 128)
STEPS = {64: 3, 96: 2, 128: 1}
"""Steps in a round of each loop, so that rounds of all sizes take about as long."""

BATCHES = {"baseline": {64: 16, 96: 16, 128: 16}, "flagship": {64: 32, 96: 32, 128: 24}}
"""Crops in a step: the batch sizes of the recipes, and for the flagship's stages those of the nearest stage."""

OBJECTIVES = {"baseline": "l1"}
"""Objectives that replace those of the recipes."""

WARM_UP = 2
"""Steps of each loop that do not count."""

LOG_EVERY = 50
"""Steps between two rows of the log of a long training."""


@dataclass(frozen=True)
class Case:
    """A training to measure.

    Attributes:
        recipe: name of the recipe.
        precision: `float32`, or `fast` as `RuntimeSettings` has it.
        crop_px: side of the crops.
    """

    recipe: str
    precision: str
    crop_px: int

    @property
    def batch(self) -> int:
        """Crops in a step."""
        return BATCHES[self.recipe][self.crop_px]

    def job(self, folder: Path, steps: int = 1, threads: int = 1) -> TrainingJob:
        """Return the training with a number of steps."""
        recipe = load_recipe(Path(self.recipe))
        changes = {"crop_px": self.crop_px, "batch_size": self.batch, "stages": (), "images": steps * self.batch}
        runtime = RuntimeSettings(
            device="cpu",
            precision="fast" if self.precision == "fast" else "32-true",
            threads=threads,
            log_every=LOG_EVERY,
            checkpoint_every_s=1e9,
        )
        formula = OBJECTIVES.get(self.recipe, str(recipe.loss))
        # A uniform prior costs as much as a counted one.
        prior = np.full(BIN_COUNT, 1 / BIN_COUNT)
        settings = recipe.training.model_copy(update=changes)
        return TrainingJob(formula, recipe.color_space, recipe.seed, settings, runtime, folder, prior)


@dataclass(frozen=True)
class Speed:
    """The measured speed of a case.

    Attributes:
        threads: threads and cores.
        recipe: name of the recipe.
        precision: as in `Case`.
        crop_px: side of the crops.
        batch: crops in a step.
        loop: crops per second of the loop in every round.
        bare: crops per second of the bare loop in every round.
        cpu_ratio: CPU time of the bare loop, as a multiple of that of the loop.
        data_share: share of the loop's time inside `feed.crops`.
    """

    threads: int
    recipe: str
    precision: str
    crop_px: int
    batch: int
    loop: list[float]
    bare: list[float]
    cpu_ratio: float
    data_share: float

    @property
    def ratio(self) -> float:
        """Median ratio of the loop's speed to that of the bare loop."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.loop, self.bare, strict=True))

    @property
    def line(self) -> str:
        """The case with its median speeds and ratios."""
        ours, bare = (statistics.median(rounds) for rounds in (self.loop, self.bare))
        return (
            f"{self.threads} threads, {self.recipe}, {self.precision}, {self.batch} crops of {self.crop_px} px: "
            f"{ours:.1f} crops/s beside {bare:.1f} (ratio {self.ratio:.3f}, CPU {self.cpu_ratio:.3f}), "
            f"{self.data_share:.0%} of the time for data"
        )


@dataclass(frozen=True)
class Reference:
    """Speed of reference computations on this machine with a number of threads."""

    threads: int
    float32_gflops: float
    bfloat16_gflops: float
    jpeg_ms: float

    @classmethod
    def measure(cls, threads: int) -> Reference:
        """Measure with PyTorch's present threads."""
        float32, bfloat16 = (round(product_gflops(dtype), 1) for dtype in (torch.float32, torch.bfloat16))
        return cls(threads, float32, bfloat16, round(jpeg_ms(), 2))


class BareStep:
    """A step of a training, written in plain PyTorch.

    Attributes:
        job: the training.
        network: the colorizer.
        optimizer: its optimizer.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self._fabric = make_fabric(job.runtime)
        self._half = job.runtime.precision == "fast" and multiplies_bfloat16()
        self._objective = build(job.formula)
        if job.prior is not None:
            self._objective.use_prior(job.prior)
        settings = job.settings
        self.network, _ = build_colorizer(settings.network, job.color_space, job.seed, self._objective.needs)
        self.optimizer = build_optimizer(
            settings.optimizer.name,
            parameter_groups(self.network, settings),
            learning_rate=settings.optimizer.learning_rate,
            betas=settings.optimizer.betas,
            weight_decay=settings.optimizer.weight_decay,
        )

    def __call__(self, crops: NDArray[np.uint8], number: int) -> Tensor:
        """Train on crops (B, N, N, 3) as the step `number`, and return the loss."""
        batch, seen = make_batch(self.network, crops, self._fabric, self.job, number)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            batch.predict(self.network(seen))
        loss = self._objective.total(self._objective(batch))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class TimedFeed(CropFeed):
    """A feed that counts its seconds."""

    seconds = 0.0

    def crops(self, first: int, count: int, crop_px: int) -> NDArray[np.uint8]:
        """Return the crops of the feed."""
        started = time.perf_counter()
        crops = super().crops(first, count, crop_px)
        TimedFeed.seconds += time.perf_counter() - started
        return crops


class Turns:
    """A callback after every step of the loop that takes the same step of the bare loop and keeps the times of both.

    Attributes:
        loop: seconds and CPU seconds of every step of the loop.
        bare: seconds and CPU seconds of every step of the bare loop.
        data_s: seconds of every step of the loop inside its feed.
    """

    def __init__(self, bare: BareStep, feed: CropFeed) -> None:
        self._step, self._feed = bare, feed
        self.loop: list[tuple[float, float]] = []
        self.bare: list[tuple[float, float]] = []
        self.data_s: list[float] = []
        feed.batch(0)
        self._resume()

    def __call__(self, items: int = 1, *, note: str = "", resumed: bool = False) -> None:  # noqa: ARG002 - see `Advance`
        """Take a step of the bare loop."""
        self.loop.append(since(self._resumed))
        self.data_s.append(TimedFeed.seconds)
        number = len(self.bare)
        started = now()
        self._step(self._feed.batch(number), number)
        self.bare.append(since(started))
        self._feed.batch(number + 1)  # reads the files, so that neither loop waits for the disk
        self._resume()

    def _resume(self) -> None:
        TimedFeed.seconds = 0.0
        self._resumed = now()


def now() -> tuple[float, float]:
    """Return the time and the CPU time of this process, in seconds."""
    return time.perf_counter(), time.process_time()


def since(moment: tuple[float, float]) -> tuple[float, float]:
    """Return the seconds and CPU seconds since a moment."""
    wall, cpu = now()
    return wall - moment[0], cpu - moment[1]


def measure(case: Case, photos: Photos, rounds: int, threads: int) -> Speed:
    """Return the speeds of both loops."""
    steps = STEPS[case.crop_px]
    with tempfile.TemporaryDirectory() as folder:
        job = case.job(Path(folder), WARM_UP + rounds * steps + 1, threads)
        feed = CropFeed(photos, crop_px=case.crop_px, batch_size=case.batch, seed=job.seed, scale=job.settings.scale)
        turns = Turns(BareStep(job), feed)
        with patch.object(loop, "CropFeed", TimedFeed):
            train(job, photos, advance=turns)
    ours, our_cpu = (with_logging(times[WARM_UP:]) for times in zip(*turns.loop, strict=True))
    bare, bare_cpu = (times[WARM_UP:-1] for times in zip(*turns.bare, strict=True))
    return Speed(
        threads=threads,
        recipe=case.recipe,
        precision=case.precision,
        crop_px=case.crop_px,
        batch=case.batch,
        loop=[round(steps * case.batch / seconds, 2) for seconds in in_rounds(ours, steps)],
        bare=[round(steps * case.batch / seconds, 2) for seconds in in_rounds(bare, steps)],
        cpu_ratio=round(sum(bare_cpu) / sum(our_cpu), 4),
        data_share=round(sum(turns.data_s[WARM_UP:-1]) / sum(ours), 4),
    )


def with_logging(times: Sequence[float]) -> list[float]:
    """Return the times of all steps but the last, each with its share of the logging time of the last.

    >>> with_logging([1.0, 1.0, 1.0, 1.5])
    [1.01, 1.01, 1.01]
    """
    *steps, logged = times
    logging_s = max(0.0, logged - statistics.median(steps)) / LOG_EVERY
    return [step + logging_s for step in steps]


def in_rounds(times: Sequence[float], steps: int) -> list[float]:
    """Return the time of every round of `steps` steps."""
    return [sum(times[start : start + steps]) for start in range(0, len(times), steps)]


def open_photos(folder: Path | None, cache: Path) -> Photos:
    """Return the photos of a folder, decoded when used, or the built-in photos, decoded in a cache."""
    largest_px = load_recipe(Path("flagship")).training.largest_crop_px
    if folder is None:
        return open_cache(sample_sources(), size_px=largest_px, cache_dir=cache)
    return open_library([FolderShare(folder)], validation=0, size_px=2 * largest_px).train


def measure_all(cases: Sequence[Case], folder: Path | None, rounds: int, threads: int) -> tuple[Reference, list[Speed]]:
    """Measure all cases in this process, with as many threads of PyTorch."""
    torch.set_num_threads(threads)
    reference = Reference.measure(threads)
    speeds = []
    with tempfile.TemporaryDirectory() as cache:
        photos = open_photos(folder, Path(cache))
        for case in cases:
            speeds.append(measure(case, photos, rounds, threads))
            print(speeds[-1].line, flush=True)
    return reference, speeds


def physical_cpus() -> list[int]:
    """Return one logical CPU of every physical core that this process may use."""
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    by_core: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(topology.format(cpu))
        by_core.setdefault(siblings.read_text() if siblings.exists() else str(cpu), cpu)
    return list(by_core.values())


@contextmanager
def pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Pin this process, and those that it starts in the block, to some CPUs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cases_of(sizes: Sequence[int]) -> list[Case]:
    """Return the cases to measure at these crop sizes."""
    trainings = [("baseline", "float32"), ("flagship", "float32")]
    if multiplies_bfloat16():
        trainings.append(("flagship", "fast"))
    return [Case(recipe, precision, crop_px) for recipe, precision in trainings for crop_px in sizes]


def cpu_name() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def machine() -> dict[str, object]:
    """Return the facts of the machine that decide its speed."""
    return {"cpu": cpu_name(), "cores": len(physical_cpus()), "torch": torch.__version__}


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of the two loops")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photos to decode (default: built-in photos)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all numbers")
    parser.add_argument("--quick", action="store_true", help="measure one crop size in one round")
    arguments = parser.parse_args()
    rounds, sizes = (1, (96,)) if arguments.quick else (arguments.rounds, SIZES_PX)
    cpus, references, speeds = physical_cpus(), [], []
    for threads in arguments.threads:
        if threads > len(cpus):
            print(f"{threads} threads are not measured: this process may use {len(cpus)} core(s).")
            continue
        with pinned(cpus[:threads]), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            reference, found = pool.submit(measure_all, cases_of(sizes), arguments.photos, rounds, threads).result()
        references.append(reference)
        speeds += found
    print(references)
    if speeds:
        print(f"Smallest ratio: {min(speed.ratio for speed in speeds):.3f} (goal: at least {GOAL})")
    record = {
        "machine": machine(),
        "photos": arguments.photos.name if arguments.photos else "samples",
        "goal": GOAL,
        "references": [asdict(reference) for reference in references],
        "speeds": [asdict(speed) | {"ratio": round(speed.ratio, 4)} for speed in speeds],
    }
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
