"""The manifest against the networks, the installed packages, and the conventions of its publishers."""

from __future__ import annotations

import base64
import math
import re
from importlib.metadata import files
from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.nets.trunks import AlexNet, SqueezeNet
from chromalab.nets.vgg16 import VGG16
from chromalab.weights.manifest import MANIFEST, PackagedWeights, trunks
from chromalab.weights.reading import load_packaged
from chromalab.weights.shapes import vgg16_classifier_shapes

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


RUNNING = ("running_mean", "running_var")
IN_THE_AUXILIARY_CLASSIFIER = 768 * 128 + 2 * 128 + 5 * 5 * 128 * 768 + 2 * 768 + 768 * 1000 + 1000


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("vgg16", 138_357_544),
        ("vgg16_bn", 138_365_992),
        ("inception_fid", 27_161_264 - IN_THE_AUXILIARY_CLASSIFIER + 8 * (2048 + 1)),
    ],
)
def test_networks_have_as_many_parameters_as_published(name: str, published: int) -> None:
    """torchvision's documentation, `num_params`; its Inception v3 has an auxiliary classifier, and 8 classes less."""
    shapes = dict(MANIFEST[name].shapes) | (vgg16_classifier_shapes() if name.startswith("vgg") else {})
    assert sum(math.prod(shape) for key, shape in shapes.items() if not key.endswith(RUNNING)) == published


@pytest.mark.parametrize(
    ("name", "file_bytes", "bytes_a_tensor"), [("inception_fid", 95_628_359, 200), ("vgg16_bn", 553_507_836, 200)]
)
def test_published_files_have_room_for_these_tensors_and_no_more(
    name: str, file_bytes: int, bytes_a_tensor: int
) -> None:
    """The sizes of the published files: what is over the tensors' bytes is their names and places."""
    shapes = dict(MANIFEST[name].shapes) | (vgg16_classifier_shapes() if name == "vgg16_bn" else {})
    over = file_bytes - 4 * sum(map(math.prod, shapes.values()))
    assert 0 < over < bytes_a_tensor * len(shapes)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("Conv2d_2b_3x3.conv.weight", (64, 32, 3, 3)),
        ("Mixed_5d.branch5x5_2.conv.weight", (64, 48, 5, 5)),
        ("Mixed_6b.branch7x7dbl_5.conv.weight", (192, 128, 1, 7)),
        ("Mixed_6e.branch7x7_3.bn.running_var", (192,)),
        ("Mixed_7a.branch7x7x3_4.conv.weight", (192, 192, 3, 3)),
        ("Mixed_7c.branch3x3dbl_1.conv.weight", (448, 2048, 1, 1)),
        ("fc.weight", (1008, 2048)),
    ],
)
def test_tensors_of_inception(key: str, shape: tuple[int, ...]) -> None:
    """Samples of the names in torchvision's source; pytorch-fid loads its file under them, with 1008 classes."""
    assert MANIFEST["inception_fid"].shapes[key] == shape


def test_only_vgg16_has_a_classifier_that_is_kept() -> None:
    assert {entry.name: len(entry.classifier) for entry in trunks() if entry.classifier} == {"vgg16": 6}


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
    assert all([entry.what, entry.hash_source, entry.license, entry.trained_on, entry.shapes])


def test_packaged_weights_are_not_trunks_that_users_add() -> None:
    with pytest.raises(TypeError, match="come with no package"):
        load_packaged("vgg16")
