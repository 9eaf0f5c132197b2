"""AlexNet's convolutional part: the trunk of LPIPS-Alex.

Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014 (arXiv 1404.5997), in torchvision's
one-column form, without the classifier and the last pooling.
"""

from __future__ import annotations

from torch import nn

from chromalab.nets.trunks import Trunk, with_stored_weights

TAP_CHANNELS = (64, 192, 384, 256, 256)
"""Channels of relu1 to relu5."""

_TAP_LAYERS = (1, 4, 7, 9, 11)
_TAP_STRIDES = (4, 8, 16, 16, 16)


class AlexNet(Trunk):
    """AlexNet up to relu5, with torchvision's names of parameters; pictures of at least 31 px on each side."""

    def __init__(self) -> None:
        features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        super().__init__(features, _TAP_LAYERS, TAP_CHANNELS, _TAP_STRIDES)


def load_alexnet() -> AlexNet:
    """Return AlexNet with the ImageNet weights that were added as `alexnet`.

    Raises:
        MissingWeightsError: they were not added; the message says how to.
        DamagedWeightsError: the stored file is not what was stored.
    """
    return with_stored_weights(AlexNet, "alexnet")
