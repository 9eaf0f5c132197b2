"""The teachers of class heads: VGG16 as published, and the choice of the teacher."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from chromalab.core.errors import MissingWeightsError
from chromalab.nets import classifiers, trunks
from chromalab.nets.classifiers import VGG16Classifier, load_teacher, load_vgg16_classifier
from chromalab.nets.efficientnet_lite import EfficientNetLite
from chromalab.nets.trunks import with_stored_weights
from chromalab.weights.shapes import vgg16_classifier_shapes, vgg16_shapes


def small(seed: int = 0) -> VGG16Classifier:
    torch.manual_seed(seed)
    return VGG16Classifier(width=1 / 32, hidden=16)


def test_number_and_names_of_parameters_are_the_published_ones() -> None:
    with torch.device("meta"):
        network = VGG16Classifier()
    # torchvision's documentation of VGG16_Weights.IMAGENET1K_V1 states num_params 138357544
    assert sum(parameter.numel() for parameter in network.parameters()) == 138_357_544
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == vgg16_shapes() | vgg16_classifier_shapes()


def test_the_layers_are_those_of_the_paper() -> None:
    network = small().eval()
    rgb = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    state = network.state_dict()
    x, index = (rgb - mean) / std, 0
    for stage in (2, 2, 3, 3, 3):
        for _ in range(stage):
            x = functional.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)
            x, index = functional.relu(x), index + 2
        x, index = functional.max_pool2d(x, 2), index + 1
    x = nn.AdaptiveAvgPool2d(7)(x).flatten(1)
    for layer in (0, 3, 6):
        x = functional.linear(x, state[f"classifier.{layer}.weight"], state[f"classifier.{layer}.bias"])
        x = functional.relu(x) if layer < 6 else x
    torch.testing.assert_close(network(rgb), x)


@pytest.mark.parametrize("side", [1, 31, 96, 224])
def test_images_of_any_size_are_classified(side: int) -> None:
    assert small().eval()(torch.rand(1, 3, side, side)).shape == (1, 1000)


def test_the_convolutions_can_be_random() -> None:
    first, second = (
        VGG16Classifier(width=1 / 32, hidden=4, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first.state_dict()["features.0.weight"], second.state_dict()["features.0.weight"])


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VGG16Classifier:
    """Return a small VGG16, stored with its classifier."""
    network = small()
    save_file(network.state_dict(), tmp_path / "vgg16.safetensors")
    monkeypatch.setattr(trunks, "find_weights", lambda name: tmp_path / f"{name}.safetensors")
    monkeypatch.setattr(classifiers, "has_tensors", lambda name, names: name == "vgg16" and len(list(names)) == 6)
    monkeypatch.setattr(
        classifiers, "with_stored_weights", lambda build, name: with_stored_weights(partial(build, **SMALL), name)
    )
    return network


SMALL = {"width": 1 / 32, "hidden": 16}


def test_stored_weights_are_loaded_in_evaluation_mode(stored: VGG16Classifier) -> None:
    network = load_vgg16_classifier()
    rgb = torch.rand(1, 3, 32, 32)
    assert not network.training
    torch.testing.assert_close(network(rgb), stored.eval()(rgb))
    assert torch.equal(network(rgb), network(rgb))


@pytest.mark.slow
def test_vgg16_is_the_teacher_if_it_was_added(stored: VGG16Classifier) -> None:
    name, network = load_teacher()
    assert name == "vgg16"
    assert isinstance(network, VGG16Classifier)
    assert load_teacher("efficientnet_lite0")[0] == "efficientnet_lite0"


def test_lite0_is_the_teacher_if_vgg16_was_not_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    name, network = load_teacher("auto")
    assert name == "efficientnet_lite0"
    assert isinstance(network, EfficientNetLite)
    assert network(torch.rand(2, 3, 40, 40)).shape == (2, 1000)
    with pytest.raises(MissingWeightsError, match="classifier has not been added"):
        load_teacher("vgg16")
