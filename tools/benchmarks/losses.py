"""Time and memory of every loss, forward and backward, beside the same loss in other libraries.

    python -m tools.benchmarks.losses [--only ssim ms_ssim] [--json FILE]

Time: each loss has its own process, in which the implementations take turns in random order, so that a slow moment of
the machine affects all of them. The median counts. Ratio: our time over that of the fastest other library. Losses
over VGG16 are timed once, after one warm-up run. Memory: each implementation has a fresh process. The figure is the
rise of resident memory during one forward and backward pass; it includes the gradient, but not images, predictions
and networks. The C library is told to return large blocks at once, so that a block that was freed earlier hides
nothing (Linux only).

The space is rgb, where decoding costs next to nothing, and lab for losses over ab bins. Networks have random weights,
because weights do not change the time. Adversarial losses are timed as the colorizer's update computes them, through a
critic of full width. Other libraries get the same images, trunks and critics, and skip the conversions that ours skips.
Kornia's `MS_SSIMLoss` is left out because it is another formula, without a pyramid and with an L1 term.
"""

from __future__ import annotations

import ctypes
import os
import random
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from safetensors.torch import save_file

from chromalab.color.bins import BIN_COUNT
from chromalab.color.bins_torch import at_resolution, soft_encode
from chromalab.core.errors import ChromalabError
from chromalab.losses.bench import Bench, Photos, small_critic
from chromalab.losses.perceptual import FeatureDistance
from chromalab.losses.registry import LOSSES
from chromalab.nets.trunks import AlexNet, SqueezeNet
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.adding import add_weights
from tools import parser_of, write_record
from tools.benchmarks.reference import reference_speeds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from chromalab.losses.base import ColorBatch

    Loss = Callable[[ColorBatch], Tensor]

P = ParamSpec("P")
T = TypeVar("T")

OURS = "chromalab"
HEAVY = ("vgg16", "vgg16_bn")
"""Losses over these networks are timed once."""

QUICK_S, QUICK_ROUNDS = 0.5, 5
"""Losses that take less than this many seconds with their rivals get this many times the rounds."""

SMALLEST_PX = {"ms_ssim": 176}
"""Smallest image that torchmetrics accepts, which is larger than ours."""


@dataclass(frozen=True)
class Setting:
    """Settings of the measurement, the same for every loss."""

    batch: int
    size_px: int
    threads: int
    repetitions: int


@dataclass(frozen=True)
class Measured:
    """Times (in the order of the rounds) and memory of one implementation of a loss."""

    loss: str
    library: str
    times_ms: list[float]
    memory_mb: float | None

    @property
    def median_ms(self) -> float:
        """Median time."""
        return statistics.median(self.times_ms)


def torch_l1(bench: Bench) -> Loss:  # noqa: ARG001
    return lambda batch: F.l1_loss(batch.preds, batch.target)


def torch_l2(bench: Bench) -> Loss:  # noqa: ARG001
    return lambda batch: F.mse_loss(batch.preds, batch.target)


def torch_huber(bench: Bench) -> Loss:
    delta = float(LOSSES[bench.entry.name].parameters["delta"].default)
    return lambda batch: F.smooth_l1_loss(batch.preds, batch.target, beta=delta)


def kornia_charbonnier(bench: Bench) -> Loss:  # noqa: ARG001
    from kornia.losses import charbonnier_loss  # noqa: PLC0415 - a rival is loaded only when it is measured

    return lambda batch: charbonnier_loss(batch.preds, batch.target, reduction="mean")


def kornia_ssim(bench: Bench) -> Loss:  # noqa: ARG001
    from kornia.losses import ssim_loss  # noqa: PLC0415

    return lambda batch: ssim_loss(batch.preds_rgb, batch.target_rgb, 11)


def torchmetrics_ssim(bench: Bench) -> Loss:  # noqa: ARG001
    from torchmetrics.functional.image import structural_similarity_index_measure  # noqa: PLC0415

    return lambda batch: 1 - structural_similarity_index_measure(batch.preds_rgb, batch.target_rgb, data_range=1.0)


def torchmetrics_ms_ssim(bench: Bench) -> Loss:  # noqa: ARG001
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim  # noqa: PLC0415

    return lambda batch: 1 - ms_ssim(batch.preds_rgb, batch.target_rgb, data_range=1.0)


def torchmetrics_lpips(bench: Bench) -> Loss:
    """Return torchmetrics' LPIPS over the trunk that ours has."""
    from torchmetrics.functional.image import lpips  # noqa: PLC0415

    term = bench.term
    if not isinstance(term, FeatureDistance):
        raise TypeError(f"{bench.entry.name} is no feature distance")
    features = term.distance.get_submodule("trunk.features")
    # It can only be built over torchvision's networks, whose layers these are.
    lpips._get_tv_model_features = lambda *_: features  # noqa: SLF001
    theirs = lpips._LPIPS(net=bench.entry.name.removeprefix("lpips_"), pnet_rand=True)  # noqa: SLF001
    theirs.requires_grad_(requires_grad=False)
    return lambda batch: theirs(batch.preds_rgb, batch.target_rgb, normalize=True)


def torch_gan(bench: Bench) -> Loss:  # noqa: ARG001
    def loss(batch: ColorBatch) -> Tensor:
        return F.binary_cross_entropy_with_logits(batch.critic_scores, torch.ones_like(batch.critic_scores))

    return loss


def torch_lsgan(bench: Bench) -> Loss:  # noqa: ARG001
    return lambda batch: F.mse_loss(batch.critic_scores, torch.ones_like(batch.critic_scores)) / 2


def torch_cross_entropy(bench: Bench) -> Loss:  # noqa: ARG001
    """Return PyTorch's cross-entropy with soft targets, which are a tensor of the logits' size."""

    def loss(batch: ColorBatch) -> Tensor:
        if batch.bin_logits is None:
            raise TypeError("there are no logits over bins")
        logits = batch.bin_logits
        index, shares = soft_encode(at_resolution(batch.target_lab[:, 1:], (logits.shape[-2], logits.shape[-1])))
        target = torch.zeros_like(logits).scatter_(1, index, shares.to(logits.dtype))
        weights = torch.ones(BIN_COUNT)[index[:, 0]]
        return (weights * F.cross_entropy(logits, target, reduction="none")).mean()

    return loss


def kornia_total_variation(bench: Bench) -> Loss:  # noqa: ARG001
    from kornia.losses import total_variation  # noqa: PLC0415

    return lambda batch: total_variation(batch.preds, reduction="mean")


def torchmetrics_total_variation(bench: Bench) -> Loss:  # noqa: ARG001
    from torchmetrics.functional.image import total_variation  # noqa: PLC0415

    return lambda batch: total_variation(batch.preds, reduction="mean")


RIVALS: dict[str, dict[str, Callable[[Bench], Loss]]] = {
    "l1": {"torch": torch_l1},
    "l2": {"torch": torch_l2},
    "huber": {"torch": torch_huber},
    "charbonnier": {"kornia": kornia_charbonnier},
    "cross_entropy": {"torch": torch_cross_entropy},
    "lpips_vgg": {"torchmetrics": torchmetrics_lpips},
    "lpips_alex": {"torchmetrics": torchmetrics_lpips},
    "lpips_squeeze": {"torchmetrics": torchmetrics_lpips},
    "ssim": {"kornia": kornia_ssim, "torchmetrics": torchmetrics_ssim},
    "ms_ssim": {"torchmetrics": torchmetrics_ms_ssim},
    "gan": {"torch": torch_gan},
    "lsgan": {"torch": torch_lsgan},
    "total_variation": {"kornia": kornia_total_variation, "torchmetrics": torchmetrics_total_variation},
}


def on_bench(name: str) -> Bench:
    """Return a built loss, with a critic of full width if it needs one."""
    entry = LOSSES[name]
    space = "lab" if "bins" in entry.needs else "rgb"
    bench = Bench(entry, space=space)
    if bench.critic is not None:
        bench.critic = small_critic(bench.space, width=1.0).requires_grad_(requires_grad=False)
    return bench


def implementation(bench: Bench, library: str) -> Loss:
    """Return a library's version of the loss."""
    return bench.term if library == OURS else RIVALS[bench.entry.name][library](bench)


def images(bench: Bench, setting: Setting, count: int | None = None) -> Photos:
    """Return images with predictions, in the number and size of the setting."""
    return bench.photos(count or setting.batch, max(setting.size_px, SMALLEST_PX.get(bench.entry.name, 1)))


def run_once(bench: Bench, loss: Loss, photos: Photos) -> float:
    """Return the seconds of forward and backward on a new batch, because a batch caches conversions."""
    batch = bench.batch(photos.given([part.detach().requires_grad_() for part in photos.inputs]))
    started = time.perf_counter()
    loss(batch).mean().backward()
    return time.perf_counter() - started


def measure_times(name: str, setting: Setting) -> dict[str, list[float]]:
    """Return the milliseconds of every round of every implementation of a loss; call it in a new process."""
    torch.set_num_threads(setting.threads)
    bench = on_bench(name)
    photos = images(bench, setting)
    losses = {library: implementation(bench, library) for library in (OURS, *RIVALS.get(name, {}))}
    heavy = any(need in HEAVY for need in bench.entry.needs)
    warm_up = sum(run_once(bench, loss, photos) for loss in losses.values())
    rounds = 1 if heavy else setting.repetitions * (QUICK_ROUNDS if warm_up < QUICK_S else 1)
    times: dict[str, list[float]] = {library: [] for library in losses}
    order, shuffle = list(losses), random.Random(0).shuffle  # noqa: S311 - nothing secret
    for _ in range(rounds):
        shuffle(order)  # the order decides what is in the caches, which is half of the time of l1
        for library in order:
            times[library].append(1000 * run_once(bench, losses[library], photos))
    return times


def measure_memory(name: str, library: str, setting: Setting) -> float | None:
    """Return the rise of resident memory in one forward and backward pass in MB; call it in a new process."""
    torch.set_num_threads(setting.threads)
    bench = on_bench(name)
    loss = implementation(bench, library)
    run_once(bench, loss, images(bench, setting, count=1))  # loads and compiles what is needed once
    photos = images(bench, setting)
    before = resident_mb("VmRSS", forget_peak=True)
    run_once(bench, loss, photos)
    peak = resident_mb("VmHWM")
    return None if before is None or peak is None else peak - before


def resident_mb(field: str, *, forget_peak: bool = False) -> float | None:
    """Return a line of /proc/self/status in MB, or None without such a file."""
    try:
        if forget_peak:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except (OSError, AttributeError):
        return None
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(field))


def in_fresh_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of this file in a new process and return its result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for processes started within the block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure(name: str, setting: Setting) -> list[Measured]:
    """Return times and memory of every implementation of a loss, ours first."""
    times = in_fresh_process(measure_times, name, setting)
    memory = {}
    with environment(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536"):
        for library in times:
            memory[library] = in_fresh_process(measure_memory, name, library, setting)
    return [Measured(name, library, times[library], memory[library]) for library in times]


def write_random_weights(folder: Path) -> None:
    """Add trunks with random weights to the weights folder in use."""
    generator = torch.Generator().manual_seed(0)
    for network in (VGG16(generator=generator), AlexNet(), SqueezeNet()):
        file = folder / f"{type(network).__name__}.safetensors"
        save_file(network.state_dict(), file)
        add_weights(file)


def parse_arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(LOSSES), default=list(LOSSES), metavar="NAME")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=256, help="side of the images in px; some losses need more")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for all times")
    return parser.parse_args()


def measure_all(names: list[str], setting: Setting) -> list[Measured]:
    """Measure one loss after the other, and print each result."""
    everything: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder, environment(CHROMALAB_WEIGHTS=folder):
        write_random_weights(Path(folder))
        for name in names:
            try:
                found = measure(name, setting)
            except (ChromalabError, BrokenProcessPool) as error:
                print(f"{name}: not measured: {error}", flush=True)
                continue
            everything += found
            for one in found:
                print(f"{name:20s} {one.library:12s} {one.median_ms:8.1f} ms  {one.memory_mb or 0:6.0f} MB", flush=True)
    return everything


def main() -> None:
    """Measure, print, and write the record."""
    arguments = parse_arguments()
    setting = Setting(arguments.batch, arguments.size, arguments.threads, arguments.repetitions)
    torch.set_num_threads(setting.threads)
    reference = reference_speeds()
    print(f"In the same run on this machine: {reference}.")
    found = measure_all(arguments.only, setting)
    record = {"setting": asdict(setting), "reference": reference, "losses": [asdict(one) for one in found]}
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
