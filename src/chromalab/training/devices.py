"""Device and precision of a training, and training on several devices with one process each."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessRaisedException

from chromalab.core.errors import ChromalabError, ConfigError, NonFiniteError, OutputError, UsageError
from chromalab.training.hardware import choose_device, multiplies_bfloat16, physical_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from chromalab.training.settings import RuntimeSettings


_KNOWN: dict[str, type[ChromalabError]] = {
    "NonFiniteError": NonFiniteError,
    "OutputError": OutputError,
    **dict.fromkeys(("UsageError", "ConfigError", "MissingWeightsError", "UnknownNameError"), UsageError),
}


def share_of(crops: NDArray[np.uint8], fabric: Fabric) -> NDArray[np.uint8]:
    """Return the crops of a batch that are this process's: together the processes see what one would."""
    if fabric.world_size == 1:
        return crops
    each = len(crops) // fabric.world_size
    return crops[fabric.global_rank * each : (fabric.global_rank + 1) * each]


def average_gradients(fabric: Fabric, network: nn.Module) -> None:
    """Give every process the mean of all processes' gradients.

    Losses are means over the pictures of a batch and shares are equal, so the mean of the shares' gradients is the
    gradient of the whole batch. It is taken here, and not by a wrapper around the network, because penalties and
    diagnostics take gradients of their own, which such a wrapper does not allow.
    """
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    mean: Any = fabric.all_reduce(whole, reduce_op="mean")
    for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def check_batch(batch_size: int, devices: int) -> None:
    """See that a batch can be shared evenly.

    Raises:
        ConfigError: it can't.
    """
    if batch_size % devices:
        raise ConfigError(
            f"a batch of {batch_size} can't be shared evenly by {devices} devices: choose a multiple (batch_size)"
        )


def on_every_device(fabric: Fabric, work: Callable[..., Any], *arguments: object) -> Any:
    """Run `work(fabric, *arguments)` in a process for each device, and return what the first one's gives.

    Raises:
        ChromalabError: what one of the processes raised.
    """
    # As bytes, because Fabric looks into arguments and results for tensors, and refuses frozen records.
    sent = pickle.dumps((work, arguments))
    try:
        launch: Any = fabric.launch  # its types know of no arguments
        return pickle.loads(launch(_unpack, sent))  # noqa: S301 - our own process sent it
    except ProcessRaisedException as error:
        raise _said(error) from error


def _unpack(fabric: Fabric, sent: bytes) -> bytes:
    work, arguments = pickle.loads(sent)  # noqa: S301 - our own process sent it
    return pickle.dumps(work(fabric, *arguments))


def _said(error: ProcessRaisedException) -> Exception:
    """Return the error of a process as the class that it was there, told by the last line of its traceback."""
    last = str(error).strip().splitlines()[-1]
    name, _, message = last.partition(": ")
    kind = _KNOWN.get(name.rpartition(".")[2])
    return error if kind is None else kind(message)


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
