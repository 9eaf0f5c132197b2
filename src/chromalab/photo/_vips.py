"""libvips, set up once and on purpose."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pyvips

VipsError = pyvips.Error


@functools.cache
def vips() -> Any:
    """Return the pyvips module, with the settings that this project relies on.

    - No operation cache: every photo is read once, so a cache would only hold memory.
    - One libvips thread per image: many files are decoded side by side in a thread pool (libvips releases the
      interpreter's lock), and a pool inside each of them would only add switching.
    - Only loaders that the libvips project has fuzzed: photographs come from strangers.
    - Warnings of the decoders don't reach standard error: what matters is raised as an error.
    """
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    pyvips.block_untrusted_set(True)  # noqa: FBT003 - pyvips takes no keyword here
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    return pyvips


def vips_version() -> str:
    """Return the version of the libvips library, as "8.18.0"."""
    return ".".join(str(pyvips.version(part)) for part in range(3))
