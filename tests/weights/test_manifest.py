"""The manifest against the networks, the installed packages, and the conventions of its publishers."""

from __future__ import annotations

import base64
import re
from importlib.metadata import files
from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.nets.alexnet import AlexNet
from chromalab.nets.squeezenet import SqueezeNet
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.manifest import MANIFEST, PackagedWeights, trunks
from chromalab.weights.packaged import load_packaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

PACKAGED = [entry for name in MANIFEST if isinstance(entry := MANIFEST[name], PackagedWeights)]


@pytest.mark.parametrize(
    ("name", "build"),
    [("vgg16", VGG16), ("alexnet", AlexNet), ("squeezenet1_1", SqueezeNet)],
    ids=str,
)
def test_needed_tensors_are_those_of_the_network(name: str, build: Callable[[], nn.Module]) -> None:
    with torch.device("meta"):
        state = build().state_dict()
    assert dict(MANIFEST[name].shapes) == {key: tuple(tensor.shape) for key, tensor in state.items()}


@pytest.mark.parametrize("entry", PACKAGED, ids=lambda entry: entry.name)
def test_hashes_of_packaged_files_are_those_of_the_installers_record(entry: PackagedWeights) -> None:
    distribution = entry.package.replace("_", "-")
    recorded = next(file for file in files(distribution) or [] if str(file) == f"{entry.package}/{entry.resource}")
    assert recorded.hash is not None
    assert recorded.hash.mode == "sha256"
    assert base64.urlsafe_b64decode(recorded.hash.value + "=").hex() == entry.sha256


@pytest.mark.parametrize("entry", PACKAGED, ids=lambda entry: entry.name)
def test_packaged_files_hold_the_stated_tensors(entry: PackagedWeights) -> None:
    state = load_packaged(entry.name)
    assert {name: tuple(state[name].shape) for name in entry.shapes} == dict(entry.shapes)
    assert not any(tensor.requires_grad for tensor in state.values())


@pytest.mark.parametrize("entry", list(trunks()), ids=lambda entry: entry.name)
def test_published_file_names_hold_the_first_digits_of_the_hash(entry: PackagedWeights) -> None:
    """torch.hub's convention: NAME-XXXXXXXX.pth."""
    found = re.fullmatch(r".+-([0-9a-f]{8})\.pth", MANIFEST[entry.name].url.rpartition("/")[2])  # type: ignore[attr-defined]
    assert found is not None
    assert entry.sha256.startswith(found[1])


@pytest.mark.parametrize("name", list(MANIFEST))
def test_every_entry_says_what_it_is(name: str) -> None:
    entry = MANIFEST[name]
    assert entry.name == name
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert all([entry.what, entry.hash_source, entry.licence, entry.trained_on, entry.shapes])


def test_packaged_weights_are_not_trunks_that_users_add() -> None:
    with pytest.raises(TypeError, match="come with no package"):
        load_packaged("vgg16")
