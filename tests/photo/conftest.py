"""Tools that judge written files independently."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Exiftool(Protocol):
    """Runs exiftool on files of a folder."""

    def __call__(self, folder: Path, names: Sequence[str], *options: str) -> dict[str, dict[str, Any]]:
        """Return the tags of every file by its name, with their groups; options may change the files instead."""


@pytest.fixture(scope="session")
def exiftool() -> Exiftool:
    """Return a runner of exiftool, or skip the test without it."""
    program = shutil.which("exiftool")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("exiftool is missing; CI must install it")
        pytest.skip("install exiftool (libimage-exiftool-perl)")

    def call(folder: Path, names: Sequence[str], *options: str) -> dict[str, dict[str, Any]]:
        command = [program, *(options or ("-j", "-G1", "-struct", "-a")), *names]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        found = [] if options else json.loads(done.stdout)
        return {tags["SourceFile"]: tags for tags in found}

    return call
