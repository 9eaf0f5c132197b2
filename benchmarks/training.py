"""Speed of the training loop and of the feeding, as ratios measured in one run.

    python -m benchmarks.training [--rounds 5]

The loop's images per second are compared with a bare PyTorch loop of the same network, loss, batch, crops and threads:
forward, backward, Adam, and nothing else. The two take turns, so that a slow moment of the machine hits both, and the
median of the paired ratios counts. The feeding is timed alone, and compared with what the network consumes. A matrix
product and a JPEG decode of fixed size stand beside the figures, to tell how fast this machine is today.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.reference import reference_speeds
from chromalab.data.cache import open_cache
from chromalab.data.feed import CropFeed
from chromalab.data.sources import sample_sources
from chromalab.losses.compose import Objective
from chromalab.training.build import build_colorizer
from chromalab.training.hardware import physical_cores
from chromalab.training.loop import TrainingJob, make_batch, train
from chromalab.training.settings import OptimizerSettings, RuntimeSettings, TrainingSettings

if TYPE_CHECKING:
    from chromalab.data.photoset import PhotoSet

CROP_PX, BATCH, STEPS = 96, 16, 12
WARM_UP = 2


def measure_loop(formula: str, factor: float, photos: PhotoSet, folder: Path) -> float:
    """Return the images per second of the training loop, its logging included, without its start and its end."""
    settings = TrainingSettings(
        crop_px=CROP_PX,
        batch_size=BATCH,
        pictures=BATCH * (STEPS + WARM_UP),
        optimizer=OptimizerSettings(learning_rate=1e-4, encoder_factor=factor),
    )
    moments: list[float] = []

    def advance(items: int = 1, *, note: str = "") -> None:  # noqa: ARG001
        moments.append(time.perf_counter())

    train(TrainingJob(formula, "lab", 0, settings, RuntimeSettings(), folder), photos, advance=advance)
    return BATCH * STEPS / (moments[-1] - moments[WARM_UP - 1])


def measure_bare(formula: str, factor: float, photos: PhotoSet) -> float:
    """Return the images per second of a bare PyTorch loop over the same work."""
    colorizer, _ = build_colorizer(TrainingSettings().network, "lab", 0)
    colorizer.unet.encoder.requires_grad_(factor > 0)
    objective = Objective.parse(formula)
    weights = [weight for weight in colorizer.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=1e-4)
    feed = CropFeed(photos, crop_px=CROP_PX, batch_size=BATCH, seed=0)
    started = 0.0
    for step in range(STEPS + WARM_UP):
        if step == WARM_UP:
            started = time.perf_counter()
        batch = make_batch(colorizer, feed.batch(step), torch.device("cpu"))
        batch.predict(colorizer(batch.lightness))
        loss = objective.total(objective(batch))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return BATCH * STEPS / (time.perf_counter() - started)


def measure_feed(photos: PhotoSet) -> float:
    """Return the crops per second of the feeding alone, in one thread."""
    feed = CropFeed(photos, crop_px=CROP_PX, batch_size=BATCH, seed=0)
    steps = 500
    started = time.perf_counter()
    for step in range(steps):
        feed.batch(step)
    return BATCH * steps / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(physical_cores())
    console = Console()
    console.print(f"In the same run, {reference_speeds()}.", highlight=False)
    table = Table("objective", "encoder", "loop, images/s", "bare PyTorch, images/s", "loop / bare")
    consumed = []
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        photos = open_cache(sample_sources(), size_px=CROP_PX, cache_dir=cache, colourless_threshold=10)
        for formula, factor in (("l2", 0.2), ("l2", 0.0), ("perceptual_lite0", 0.2)):
            pairs = []
            for turn in range(rounds):
                loop = measure_loop(formula, factor, photos, Path(folder) / f"{formula}{factor}{turn}")
                pairs.append((loop, measure_bare(formula, factor, photos)))
            ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(first / second for first, second in pairs)
            consumed.append(bare)
            trained = "trained" if factor else "frozen"
            table.add_row(formula, trained, f"{ours:.1f}", f"{bare:.1f}", f"{ratio:.3f}")
        fed = measure_feed(photos)
    console.print(table)
    console.print(f"feeding alone: {fed:.0f} crops/s, {fed / max(consumed):.0f} times what the fastest consumes")


if __name__ == "__main__":
    main()
