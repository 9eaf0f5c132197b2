"""Devices, precision and threads, chosen on purpose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lightning_fabric import Fabric

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from chromalab.training.settings import RuntimeSettings


def physical_cores() -> int:
    """Return how many physical cores this process may use; twice as many threads would only stand in each other's way.

    Two logical cores of one physical core have the same list of siblings, as Linux tells it.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = {Path(topology.format(cpu)) for cpu in allowed}
    cores = {path.read_text() for path in siblings if path.exists()}
    return max(1, min(len(allowed), len(cores) or len(allowed)))


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


def choose_device(name: str) -> str:
    """Resolve `auto`, `cpu` or `cuda`.

    Raises:
        UsageError: the device is not there or not known.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name == "cuda" and not available:
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu, or install a CUDA build")
    if name not in {"cpu", "cuda"}:
        raise UsageError(f"unknown device '{name}'; known are: auto, cpu, cuda")
    return name
