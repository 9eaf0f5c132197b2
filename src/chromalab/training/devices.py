"""Device, precision and processes of a training; several devices use one process each."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from chromalab.core.errors import ChromalabError, NonFiniteError, OutputError, UsageError
from chromalab.training.hardware import choose_device, keep_freed_memory, multiplies_bfloat16, physical_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import nn

    from chromalab.training.settings import RuntimeSettings


_KNOWN: dict[str, type[ChromalabError]] = {
    "NonFiniteError": NonFiniteError,
    "OutputError": OutputError,
    **dict.fromkeys(("UsageError", "ConfigError", "MissingWeightsError", "UnknownNameError"), UsageError),
}


def share_of(crops: NDArray[np.uint8], fabric: Fabric) -> NDArray[np.uint8]:
    """Return this process's crops of a batch; all processes together get the whole batch."""
    if fabric.world_size == 1:
        return crops
    each = len(crops) // fabric.world_size
    return crops[fabric.global_rank * each : (fabric.global_rank + 1) * each]


def average_gradients(fabric: Fabric, network: nn.Module) -> None:
    """Replace the gradients in every process by their mean over all processes.

    Losses are means over the images of a batch and all processes have equal shares, so the mean is the gradient of the
    whole batch. A wrapper around the network can't do this, because it would not allow the gradients that penalties and
    diagnostics compute.
    """
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    mean: Any = fabric.all_reduce(whole, reduce_op="mean")
    for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def on_every_device(fabric: Fabric, work: Callable[..., Any], *arguments: object) -> Any:
    """Run `work(fabric, *arguments)` in one process per device, and return the result of the first process.

    Raises:
        ChromalabError: a process raised it.
    """
    # As bytes, because Fabric searches arguments and results for tensors, and fails on frozen records.
    sent = pickle.dumps((work, arguments))
    try:
        launch: Any = fabric.launch  # its type annotation has no arguments
        return pickle.loads(launch(_unpack, sent))  # noqa: S301 - from our own process
    except ProcessRaisedException as error:
        raise _original_error(error) from error


def _unpack(fabric: Fabric, sent: bytes) -> bytes:
    work, arguments = pickle.loads(sent)  # noqa: S301 - from our own process
    return pickle.dumps(work(fabric, *arguments))


def _original_error(error: ProcessRaisedException) -> Exception:
    """Return the error of a process in its original class, parsed from the last line of its traceback."""
    last = str(error).strip().splitlines()[-1]
    name, _, message = last.partition(": ")
    kind = _KNOWN.get(name.rpartition(".")[2])
    return error if kind is None else kind(message)


def set_up_process(runtime: RuntimeSettings) -> None:
    """Set PyTorch's number of threads in this process, and how it handles freed memory."""
    keep_freed_memory()
    torch.set_num_threads(runtime.threads or max(1, physical_cores() // runtime.devices))


def make_fabric(runtime: RuntimeSettings) -> Fabric:
    """Set up this process, and return Lightning Fabric with the devices and precision of `runtime`.

    Raises:
        UsageError: a device is missing or unknown.
    """
    from lightning_fabric import Fabric  # noqa: PLC0415 - as slow to import as PyTorch, and reports do not need it

    set_up_process(runtime)
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it logs its precision
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
        raise UsageError(f"--devices {runtime.devices}: only {torch.cuda.device_count()} CUDA devices are available")
    strategy = "auto" if runtime.devices == 1 else "ddp_spawn"
    return Fabric(accelerator=device, devices=runtime.devices, strategy=strategy, precision=precision)
