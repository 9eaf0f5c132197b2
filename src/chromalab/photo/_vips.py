"""libvips, configured once."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pyvips

VipsError = pyvips.Error


@functools.cache
def vips() -> Any:
    """Return the pyvips module with the settings that this project relies on.

    - The operation cache is off: every photo is read once, so a cache would only occupy memory.
    - Each image has one libvips thread: files are already decoded in parallel by a thread pool (libvips releases the
      interpreter's lock), and further threads would only add context switches.
    - Only loaders that the libvips project has fuzzed are allowed, because photographs are untrusted input.
    - Decoder warnings are hidden: everything relevant is raised as an error.
    """
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    pyvips.block_untrusted_set(True)  # noqa: FBT003 - pyvips takes no keyword here
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    return pyvips


def vips_version() -> str:
    """Return the version of the libvips library, such as "8.18.0"."""
    return ".".join(str(pyvips.version(part)) for part in range(3))
