"""Lightning Fabric for the device and precision that a run asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric

from chromalab.core.errors import UsageError
from chromalab.training.hardware import choose_device, multiplies_bfloat16, physical_cores

if TYPE_CHECKING:
    from chromalab.training.settings import RuntimeSettings


def set_threads(runtime: RuntimeSettings) -> None:
    """Set the threads of PyTorch in this process."""
    torch.set_num_threads(runtime.threads or max(1, physical_cores() // runtime.devices))


def make_fabric(runtime: RuntimeSettings) -> Fabric:
    """Set the threads and return Lightning Fabric for the devices and precision that `runtime` asks for.

    Raises:
        UsageError: a device is not there or not known.
    """
    set_threads(runtime)
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it announces its precision
    device = choose_device(runtime.device)
    on_cuda = device == "cuda"
    precision = runtime.precision
    if precision == "auto":
        precision = "bf16-mixed" if on_cuda else "32-true"
    if precision == "fast":
        precision = "bf16-mixed" if on_cuda or multiplies_bfloat16() else "32-true"
    if precision == "16-mixed" and not on_cuda:
        raise UsageError("precision 16-mixed needs CUDA: use 32-true on a CPU")
    if on_cuda and runtime.devices > torch.cuda.device_count():
        raise UsageError(f"--devices {runtime.devices}: this machine has {torch.cuda.device_count()} CUDA devices")
    strategy = "auto" if runtime.devices == 1 else "ddp_spawn"
    return Fabric(accelerator=device, devices=runtime.devices, strategy=strategy, precision=precision)
