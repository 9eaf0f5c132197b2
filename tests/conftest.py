"""Fixtures that every test may use, and the rule that CI skips nothing it could run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# Tests run side by side, a process on each core, and start processes of their own: threads of PyTorch would only get
# into each other's way.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# A busy machine is no fault of the code: nothing here is a timed test.
settings.register_profile("chromalab", deadline=None)
settings.load_profile("chromalab")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of photos and weights for development tests, or skip where it is not there."""
    if not (SHARED / "data").is_dir():
        message = f"development photos and weights are not at {SHARED}"
        if os.environ.get("CI") == "true":
            pytest.fail(message + ", and CI must have them")
        pytest.skip(message)
    return SHARED
