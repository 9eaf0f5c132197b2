"""Lightning Fabric for the device and precision that a run asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric

from chromalab.core.errors import UsageError
from chromalab.training.hardware import choose_device, physical_cores

if TYPE_CHECKING:
    from chromalab.training.settings import RuntimeSettings


def make_fabric(runtime: RuntimeSettings) -> Fabric:
    """Set the threads and return Lightning Fabric for the device and precision that `runtime` asks for.

    Raises:
        UsageError: the device is not there or not known.
    """
    torch.set_num_threads(runtime.threads or physical_cores())
    device = choose_device(runtime.device)
    on_cuda = device == "cuda"
    precision = runtime.precision
    if precision == "auto":
        precision = "bf16-mixed" if on_cuda else "32-true"
    if precision == "16-mixed" and not on_cuda:
        raise UsageError("precision 16-mixed needs CUDA: use 32-true on a CPU")
    return Fabric(accelerator=device, devices=1, precision=precision)
