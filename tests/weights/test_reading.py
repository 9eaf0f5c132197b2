"""Networks told apart by the names and shapes of their tensors."""

from __future__ import annotations

import pytest

from chromalab.core.errors import UnknownWeightsError
from chromalab.weights.manifest import MANIFEST, trunks
from chromalab.weights.reading import recognize
from chromalab.weights.shapes import Shapes, vgg16_classifier_shapes

TRUNKS = [entry.name for entry in trunks()]


def shapes(name: str) -> Shapes:
    return dict(MANIFEST[name].shapes)


def part(name: str, count: int) -> Shapes:
    """The first tensors of a network."""
    return dict(list(shapes(name).items())[:count])


@pytest.mark.parametrize("name", TRUNKS)
def test_every_network_is_known_from_its_tensors(name: str) -> None:
    assert recognize(shapes(name), origin="it").name == name
    more = {f"features.{index}.num_batches_tracked": () for index in range(50)} | vgg16_classifier_shapes()
    assert recognize(more | shapes(name), origin="it").name == name


@pytest.mark.parametrize("name", TRUNKS)
def test_a_network_that_lacks_one_tensor_is_incomplete(name: str) -> None:
    for lacking in shapes(name):
        rest = {key: shape for key, shape in shapes(name).items() if key != lacking}
        with pytest.raises(UnknownWeightsError, match=f"it is an incomplete {name}: .* missing; get https://"):
            recognize(rest, origin="it")


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_parts_of_the_two_vgg16_are_told_apart(name: str) -> None:
    """Their first layer is the same; from the second on they are not."""
    for count in range(4, len(shapes(name))):
        with pytest.raises(UnknownWeightsError, match=f"incomplete {name}:"):
            recognize(part(name, count), origin="it")


def test_what_several_networks_begin_with_is_called_by_all() -> None:
    with pytest.raises(
        UnknownWeightsError, match=r"incomplete vgg16 or vgg16_bn or squeezenet1_1: it has features\.0,"
    ):
        recognize(part("vgg16", 2), origin="it")


def test_an_inception_with_other_classes_is_not_that_of_fid() -> None:
    other = shapes("inception_fid") | {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    with pytest.raises(
        UnknownWeightsError, match=r"looks like inception_fid, but its fc\.weight has shape \(1000, 2048\) where \(1008"
    ):
        recognize(other, origin="it")


def test_a_long_list_of_layers_is_cut() -> None:
    with pytest.raises(UnknownWeightsError) as caught:
        recognize(part("inception_fid", 10), origin="it")
    assert "it has Conv2d_1a_3x3.conv, Conv2d_1a_3x3.bn, Conv2d_2a_3x3.conv, Conv2d_2a_3x3.bn, but" in str(caught.value)
    assert " more are missing" in str(caught.value)
    assert len(str(caught.value)) < 800
