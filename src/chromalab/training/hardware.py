"""The hardware of this machine: CPU cores, memory, bfloat16 support and devices."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

from chromalab.core.errors import UsageError


def physical_cores() -> int:
    """Return the number of physical cores that this process may use; two threads per core would be slower.

    On Linux, the logical cores of one physical core have the same list of siblings.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = {Path(topology.format(cpu)) for cpu in allowed}
    cores = {path.read_text() for path in siblings if path.exists()}
    return max(1, min(len(allowed), len(cores) or len(allowed)))


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for later tensors, where it is glibc.

    By default it returns large blocks to the system at once, which then clears every page again when the next step
    needs it. On virtual machines this can take as long as the training itself.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have no such function
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


def multiplies_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 numbers in hardware: with AMX, or with AVX-512's dot products."""
    has_amx = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - neither has a public name
    return bool(has_amx or torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001


def choose_device(name: str) -> str:
    """Return the device for `auto`, `cpu` or `cuda`.

    Raises:
        UsageError: the device is missing or unknown.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name == "cuda" and not available:
        raise UsageError("--device cuda: PyTorch finds no CUDA device; use --device cpu, or install a CUDA build")
    if name not in {"cpu", "cuda"}:
        raise UsageError(f"unknown device '{name}'; known are: auto, cpu, cuda")
    return name
