"""What could make the flagship's training step faster on one CPU core: variants of the step beside the plain one.

    python -m tools.benchmarks.training_variants [--rounds 7] [--only NAME ...] [--limit 300] [--json FILE]

The step is the bare one of `tools.benchmarks.training` on one batch of 96 px crops, with one thread on one core. Each
variant has a process of its own, in which it takes turns with the plain step of the same precision. The
result is the median ratio of the variant's time to the plain step's: below 1, the variant is faster. The CPU ratio
compares CPU times and is less sensitive to other programs on the machine. `bfloat16` is compared with float32.

`torch.compile` needs a C++ compiler. Its compile time is the time of the first step and does not count in the ratio. A
variant that takes longer than the limit is stopped, and the record gives the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from torch.nn import functional

from chromalab.data.cache import open_cache
from chromalab.data.feed import CropFeed
from chromalab.data.sources import sample_sources
from chromalab.training.hardware import multiplies_bfloat16
from tools import parser_of, write_record
from tools.benchmarks.reference import product_gflops
from tools.benchmarks.training import BareStep, Case, machine, now, physical_cpus, pinned, since

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

CROP_PX = 96
WARM_UP = 2
"""Turns that do not count."""

PRECISIONS = (torch.float32, torch.bfloat16)


def unchanged(step: BareStep) -> None:
    """Leave the step as it is."""


def contiguous_weights(step: BareStep) -> None:
    """Lay the weights of the decoder's levels out as PyTorch does by default. Its feature maps stay channels-last."""
    step.network.unet.levels.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def contiguous(step: BareStep) -> None:
    """Give the decoder feature maps in PyTorch's default layout."""

    def before(_: nn.Module, inputs: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        return tuple(x.contiguous() if x is not None else None for x in inputs)

    for level in step.network.unet.levels:
        level.register_forward_pre_hook(before)


def fused_adamw(step: BareStep) -> None:
    """Let one kernel update a weight, instead of one for every operation."""
    _replace_optimizer(step, fused=True)


def foreach_adamw(step: BareStep) -> None:
    """Do every operation of the update for all weights together."""
    _replace_optimizer(step, foreach=True)


def _replace_optimizer(step: BareStep, **options: bool) -> None:
    settings = step.job.settings.optimizer
    groups = [{"params": group["params"], "lr": group["lr"]} for group in step.optimizer.param_groups]
    decay = settings.weight_decay
    step.optimizer = torch.optim.AdamW(groups, betas=settings.betas, weight_decay=decay, **options)


def compiled(step: BareStep) -> None:
    """Compile the network."""
    step.network.forward = torch.compile(step.network.forward)  # type: ignore[method-assign]


def compiled_decoder(step: BareStep) -> None:
    """Compile the levels of the decoder, each for itself."""
    for level in step.network.unet.levels:
        level.compile()


def eager_rectifier() -> AbstractContextManager[object]:
    """Compute the encoder's convolutions and rectifiers one after the other."""

    def rectified(layer: nn.Conv2d, x: Tensor) -> Tensor:
        return functional.relu6(layer(x), inplace=True)

    return patch("chromalab.nets.efficientnet_lite.rectified", rectified)


@dataclass(frozen=True)
class Variant:
    """A variant of the step.

    Attributes:
        about: description.
        change: function that changes the step once.
        during: context manager around every step.
        half: whether the variant computes in bfloat16 and the plain step in float32.
    """

    about: str
    change: Callable[[BareStep], None] = unchanged
    during: Callable[[], AbstractContextManager[object]] = nullcontext
    half: bool = False


VARIANTS = {
    "bfloat16": Variant("autocast to bfloat16, beside float32", half=True),
    "contiguous_weights": Variant("decoder weights in the default layout", contiguous_weights),
    "contiguous": Variant("decoder feature maps in the default layout", contiguous),
    "fused_adamw": Variant("AdamW with fused=True", fused_adamw),
    "foreach_adamw": Variant("AdamW with foreach=True", foreach_adamw),
    "compile": Variant("torch.compile of the network", compiled),
    "compile_decoder": Variant("torch.compile of each level of the decoder", compiled_decoder),
    "eager_rectifier": Variant("ReLU6 after each convolution of the frozen encoder", during=eager_rectifier),
}


@dataclass(frozen=True)
class Outcome:
    """The measurement of a variant.

    Attributes:
        name: the variant.
        precision: precision of the variant.
        ratio: median ratio of the variant's time to that of the plain step; None if it could not be measured.
        cpu_ratio: the same of CPU times.
        step_s: median seconds of the variant.
        first_s: seconds of its first step, including compilation.
        loss_difference: difference of its first loss to that of the plain step, as a share of the latter.
        reason: why it could not be measured.
    """

    name: str
    precision: str
    ratio: float | None = None
    cpu_ratio: float | None = None
    step_s: float | None = None
    first_s: float | None = None
    loss_difference: float | None = None
    reason: str = ""


def take_turns(name: str, precision: str, rounds: int, out: str) -> None:
    """Measure a variant in this process, and write its `Outcome` to the file `out`."""
    os.setsid()  # so that compilers that it starts are stopped with it
    torch.set_num_threads(1)
    try:
        outcome = measured(name, precision, rounds)
    except Exception as error:  # a compiler may raise anything
        lines = str(error).strip().splitlines() or [""]
        outcome = Outcome(name, precision, reason=f"{type(error).__name__}: {lines[0]}")
    Path(out).write_text(json.dumps(asdict(outcome)))


def measured(name: str, precision: str, rounds: int) -> Outcome:
    """Return the time of a variant relative to the plain step."""
    variant = VARIANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        plain = BareStep(Case("flagship", "float32" if variant.half else precision, CROP_PX).job(Path(folder)))
        other = BareStep(Case("flagship", precision, CROP_PX).job(Path(folder)))
        variant.change(other)
        crops = one_batch(Path(folder))
    plain_times, times, losses = [], [], []
    for number in range(WARM_UP + rounds):
        started = now()
        expected = plain(crops, number)
        plain_times.append(since(started))
        started = now()
        with variant.during():
            found = other(crops, number)
        times.append(since(started))
        losses.append((float(found), float(expected)))
    pairs = list(zip(times[WARM_UP:], plain_times[WARM_UP:], strict=True))
    return Outcome(
        name,
        precision,
        ratio=round(statistics.median(ours[0] / theirs[0] for ours, theirs in pairs), 4),
        cpu_ratio=round(statistics.median(ours[1] / theirs[1] for ours, theirs in pairs), 4),
        step_s=round(statistics.median(wall for wall, _ in times[WARM_UP:]), 4),
        first_s=round(times[0][0], 2),
        loss_difference=float(f"{abs(losses[0][0] / losses[0][1] - 1):.2g}"),
    )


def one_batch(folder: Path) -> NDArray[np.uint8]:
    """Return the crops that all steps use."""
    job = Case("flagship", "float32", CROP_PX).job(folder)
    photos = open_cache(sample_sources(), size_px=2 * CROP_PX, cache_dir=folder)
    batch, scale = job.settings.batch_size, job.settings.scale
    return CropFeed(photos, crop_px=CROP_PX, batch_size=batch, seed=job.seed, scale=scale).batch(0)


def measure_within(limit_s: float, name: str, precision: str, rounds: int) -> Outcome:
    """Measure a variant in a process of its own, which is stopped after `limit_s` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcome.json"
        process = get_context("spawn").Process(target=take_turns, args=(name, precision, rounds, str(out)))
        compiler = {"TORCHINDUCTOR_CACHE_DIR": folder, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        with patch.dict(os.environ, compiler):
            process.start()
        process.join(limit_s)
        if process.is_alive():
            os.killpg(process.ident or 0, signal.SIGKILL)
            process.join()
            return Outcome(name, precision, reason=f"stopped after {limit_s:.0f} s")
        if process.exitcode or not out.exists():
            return Outcome(name, precision, reason=f"ended with exit code {process.exitcode}")
        return Outcome(**json.loads(out.read_text()))


def unavailable(name: str, precision: str) -> str:
    """Return why a variant cannot be measured here, or an empty string."""
    if VARIANTS[name].half and precision != "fast":
        return "this CPU does not multiply bfloat16 matrices in hardware, or --precision is float32"
    if name.startswith("compile") and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        return "there is no C++ compiler"
    return ""


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    best = "fast" if multiplies_bfloat16() else "float32"
    parser.add_argument("--rounds", type=int, default=7, help="turns of each variant with the plain step")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--precision", choices=("float32", "fast"), default=best, help=f"of all variants; here {best}")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which a variant is stopped")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = []
    with pinned(physical_cpus()[:1]):
        speeds = {str(kind).removeprefix("torch."): round(product_gflops(kind), 1) for kind in PRECISIONS}
        for name in arguments.only:
            reason = unavailable(name, arguments.precision)
            if reason:
                outcomes.append(Outcome(name, arguments.precision, reason=reason))
            else:
                outcomes.append(measure_within(arguments.limit, name, arguments.precision, arguments.rounds))
            print(outcomes[-1], flush=True)
    print("GFLOP/s of one thread:", speeds)
    record = {
        "machine": machine(),
        "crop_px": CROP_PX,
        "batch": Case("flagship", arguments.precision, CROP_PX).batch,
        "gflops": speeds,
        "variants": [asdict(outcome) for outcome in outcomes],
    }
    write_record(arguments.json, record)


if __name__ == "__main__":
    main()
