"""Cost of every metric: the time of one pair of photographs, and of the comparison of two sets.

    python -m tools.benchmarks.metric_cost [--only ssim fid] [--json results/benchmarks/metric_cost.json]

One thread, pairs of 256 px, one metric at a time. Metrics share no work here. In an evaluation they
do, so all together cost less than the sum. A metric of a set has two costs: the features of a pair, and the comparison
of 1,000 photographs with 1,000. Networks have random weights, because weights do not change the time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file

from chromalab.data.sources import sample_path
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.features import FEATURES
from chromalab.metrics.metric import PhotoMetric, SetMetric
from chromalab.metrics.photo_view import Networks, PhotoView
from chromalab.metrics.registry import METRICS
from chromalab.metrics.rows import Rows
from chromalab.nets.inception_fid import InceptionFID
from chromalab.photo.reading import read_photo
from chromalab.weights.adding import add_weights
from tools import parser_of, write_record
from tools.benchmarks.losses import environment, write_random_weights
from tools.benchmarks.reference import reference_speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from chromalab.metrics.metric import Metric

SIDE_PX = 256
SET_PHOTOS = 1000
ROUNDS = 9
LONG_S = 2.0
"""Metrics that take longer are measured once."""


def pair() -> tuple[Tensor, Tensor]:
    """Return a paler version of a photo, and the photo, both RGB (1, 3, 256, 256) in [0, 1]."""
    top, left = 60, 120
    crop = read_photo(sample_path("astronaut")).rgb[top : top + SIDE_PX, left : left + SIDE_PX]
    target = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255
    paler = 0.4 * target + 0.6 * target.mean(dim=1, keepdim=True)
    return (paler * 255).round() / 255, target


def median_s(work: Callable[[], object]) -> float:
    """Return the median time of nine runs after a warm-up run, or the time of one run if it takes long."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
        if times[-1] > LONG_S:
            return times[-1]
    return statistics.median(times[1:])


@torch.inference_mode()
def pair_ms(metric: Metric, networks: Networks) -> float:
    """Return the milliseconds of a pair, from 8-bit values to the metric, or to the features of a metric of sets."""
    preds, target = pair()
    label = torch.zeros(1, dtype=torch.int64)

    def views() -> tuple[PhotoView, PhotoView]:
        return PhotoView(preds, networks), PhotoView(target, networks, label)

    def of_a_photo() -> None:
        if isinstance(metric, PhotoMetric):
            metric.measure(*views())

    def of_a_set() -> None:
        if isinstance(metric, SetMetric):
            for view in views():
                FEATURES[metric.features].of(view)

    return 1000 * median_s(of_a_photo if metric.per_photo else of_a_set)


def set_s(metric: SetMetric) -> float:
    """Return the seconds of comparing 1,000 photos with 1,000, with random features."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(2):
        dimensions = FEATURES[metric.features].dimensions
        values = generator.random((SET_PHOTOS, dimensions), dtype=np.float32)
        rows.append(Rows(dimensions))
        rows[-1].append(values / values.sum(axis=1, keepdims=True))
    return median_s(lambda: metric.compare(*rows))


def write_all_weights(folder: Path) -> None:
    """Add every trunk with random weights to the weights folder in use."""
    write_random_weights(folder)
    torch.manual_seed(0)
    classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}  # part of published files
    save_file({**InceptionFID().state_dict(), **classifier}, folder / "inception.safetensors")
    add_weights(folder / "inception.safetensors")


@one_torch_thread()
def measure(names: Iterable[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the milliseconds of a pair and the seconds of two sets, printing each."""
    pairs: dict[str, float] = {}
    sets: dict[str, float] = {}
    networks = Networks()
    for name in names:
        metric = METRICS[name]
        pairs[name] = _digits(pair_ms(metric, networks))
        if isinstance(metric, SetMetric):
            sets[name] = _digits(set_s(metric))
        print(f"{name:25s} {pairs[name]:8g} ms" + (f"{sets[name]:10g} s" if name in sets else ""), flush=True)
    return pairs, sets


def _digits(value: float) -> float:
    return float(f"{value:.2g}")


def main() -> None:
    """Measure, print, and write the record."""
    known = [name for name, metric in METRICS.items() if metric.reference != "film"]
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--json", type=Path, help="write the costs here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reference = reference_speeds()
    print(f"On this machine, in the same run and with one thread, {reference}.")
    with tempfile.TemporaryDirectory() as folder, environment(CHROMALAB_WEIGHTS=folder):
        write_all_weights(Path(folder))
        pairs, sets = measure(arguments.only)
    write_record(arguments.json, {"reference": reference, "ms": pairs, "set_s": sets})


if __name__ == "__main__":
    main()
