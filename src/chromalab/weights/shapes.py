"""Names and shapes of the tensors of the known networks, as in the published files."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]
"""Required shapes by tensor name."""

_VGG_CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
"""Simonyan and Zisserman 2015, Table 1, column D: 3 channels of the image, then those of every convolution."""


def vgg16_shapes() -> Shapes:
    """Return VGG16's convolutions; the indices are torchvision's."""
    indices = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    shapes: Shapes = {}
    for index, channels_in, channels in zip(indices, _VGG_CHANNELS[:-1], _VGG_CHANNELS[1:], strict=True):
        shapes |= _convolution(f"features.{index}", channels, channels_in, 3)
    return shapes


def vgg16_bn_shapes() -> Shapes:
    """Return VGG16's convolutions, each with the batch normalization after it; the indices are torchvision's."""
    indices = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
    shapes: Shapes = {}
    for index, channels_in, channels in zip(indices, _VGG_CHANNELS[:-1], _VGG_CHANNELS[1:], strict=True):
        shapes |= _convolution(f"features.{index}", channels, channels_in, 3)
        shapes |= _batch_norm(f"features.{index + 1}", channels)
    return shapes


def vgg16_classifier_shapes() -> Shapes:
    """Return VGG16's three fully connected layers, from 512 channels of 7x7 pixels to the 1000 classes."""
    layers = {0: (4096, 512 * 7 * 7), 3: (4096, 4096), 6: (1000, 4096)}
    shapes: Shapes = {}
    for index, shape in layers.items():
        shapes |= {f"classifier.{index}.weight": shape, f"classifier.{index}.bias": shape[:1]}
    return shapes


def alexnet_shapes() -> Shapes:
    """Return the convolutions of Krizhevsky 2014 (*One weird trick*), in torchvision's one-column form."""
    return (
        _convolution("features.0", 64, 3, 11)
        | _convolution("features.3", 192, 64, 5)
        | _convolution("features.6", 384, 192, 3)
        | _convolution("features.8", 256, 384, 3)
        | _convolution("features.10", 256, 256, 3)
    )


def squeezenet1_1_shapes() -> Shapes:
    """Return SqueezeNet 1.1 (Iandola et al. 2016); `fires` has the (squeeze, expand) channels of the fire modules."""
    fires = {
        3: (16, 64),
        4: (16, 64),
        6: (32, 128),
        7: (32, 128),
        9: (48, 192),
        10: (48, 192),
        11: (64, 256),
        12: (64, 256),
    }
    shapes = _convolution("features.0", 64, 3, 3)
    channels_in = 64
    for index, (squeeze, expand) in fires.items():
        shapes |= _convolution(f"features.{index}.squeeze", squeeze, channels_in, 1)
        shapes |= _convolution(f"features.{index}.expand1x1", expand, squeeze, 1)
        shapes |= _convolution(f"features.{index}.expand3x3", expand, squeeze, 3)
        channels_in = 2 * expand
    return shapes


def lpips_linear_shapes(*channels: int) -> Shapes:
    """Return LPIPS's linear weights over taps with these numbers of channels."""
    return {f"lin{tap}.model.1.weight": (1, count, 1, 1) for tap, count in enumerate(channels)}


def inception_fid_shapes() -> Shapes:
    """Return Inception v3 (Szegedy et al. 2016, Table 1) without its auxiliary classifier, and with 1008 classes.

    The names are torchvision's, which pytorch-fid's file follows. The paper does not state the channels of the
    branches; they are those of Google's graph of 2015-12-05, as in torchvision's modules.
    """
    shapes = _units(
        "",
        ("Conv2d_1a_3x3", 3, 32, 3, 3),
        ("Conv2d_2a_3x3", 32, 32, 3, 3),
        ("Conv2d_2b_3x3", 32, 64, 3, 3),
        ("Conv2d_3b_1x1", 64, 80, 1, 1),
        ("Conv2d_4a_3x3", 80, 192, 3, 3),
    )
    for name, channels_in, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        shapes |= _inception_35px(f"Mixed_{name}.", channels_in, pooled)
    shapes |= _inception_35_to_17px("Mixed_6a.")
    for name, channels in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        shapes |= _inception_17px(f"Mixed_{name}.", channels)
    shapes |= _inception_17_to_8px("Mixed_7a.")
    for name, channels_in in (("7b", 1280), ("7c", 2048)):
        shapes |= _inception_8px(f"Mixed_{name}.", channels_in)
    return shapes | {"fc.weight": (1008, 2048), "fc.bias": (1008,)}


def _inception_35px(prefix: str, channels_in: int, pooled: int) -> Shapes:
    """Return Figure 5 of the paper, except that its single 3x3 convolution is 5x5 in the graph."""
    return _units(
        prefix,
        ("branch1x1", channels_in, 64, 1, 1),
        ("branch5x5_1", channels_in, 48, 1, 1),
        ("branch5x5_2", 48, 64, 5, 5),
        ("branch3x3dbl_1", channels_in, 64, 1, 1),
        ("branch3x3dbl_2", 64, 96, 3, 3),
        ("branch3x3dbl_3", 96, 96, 3, 3),
        ("branch_pool", channels_in, pooled, 1, 1),
    )


def _inception_35_to_17px(prefix: str) -> Shapes:
    """Return Figure 10 of the paper: convolutions of stride 2 beside a pooling."""
    return _units(
        prefix,
        ("branch3x3", 288, 384, 3, 3),
        ("branch3x3dbl_1", 288, 64, 1, 1),
        ("branch3x3dbl_2", 64, 96, 3, 3),
        ("branch3x3dbl_3", 96, 96, 3, 3),
    )


def _inception_17px(prefix: str, channels: int) -> Shapes:
    """Return Figure 6 of the paper with n = 7."""
    return _units(
        prefix,
        ("branch1x1", 768, 192, 1, 1),
        ("branch7x7_1", 768, channels, 1, 1),
        ("branch7x7_2", channels, channels, 1, 7),
        ("branch7x7_3", channels, 192, 7, 1),
        ("branch7x7dbl_1", 768, channels, 1, 1),
        ("branch7x7dbl_2", channels, channels, 7, 1),
        ("branch7x7dbl_3", channels, channels, 1, 7),
        ("branch7x7dbl_4", channels, channels, 7, 1),
        ("branch7x7dbl_5", channels, 192, 1, 7),
        ("branch_pool", 768, 192, 1, 1),
    )


def _inception_17_to_8px(prefix: str) -> Shapes:
    return _units(
        prefix,
        ("branch3x3_1", 768, 192, 1, 1),
        ("branch3x3_2", 192, 320, 3, 3),
        ("branch7x7x3_1", 768, 192, 1, 1),
        ("branch7x7x3_2", 192, 192, 1, 7),
        ("branch7x7x3_3", 192, 192, 7, 1),
        ("branch7x7x3_4", 192, 192, 3, 3),
    )


def _inception_8px(prefix: str, channels_in: int) -> Shapes:
    """Return Figure 7 of the paper: parallel 1x3 and 3x1 convolutions."""
    return _units(
        prefix,
        ("branch1x1", channels_in, 320, 1, 1),
        ("branch3x3_1", channels_in, 384, 1, 1),
        ("branch3x3_2a", 384, 384, 1, 3),
        ("branch3x3_2b", 384, 384, 3, 1),
        ("branch3x3dbl_1", channels_in, 448, 1, 1),
        ("branch3x3dbl_2", 448, 384, 3, 3),
        ("branch3x3dbl_3a", 384, 384, 1, 3),
        ("branch3x3dbl_3b", 384, 384, 3, 1),
        ("branch_pool", channels_in, 192, 1, 1),
    )


def _units(prefix: str, *units: tuple[str, int, int, int, int]) -> Shapes:
    """Return convolutions without bias, each followed by a batch normalization: name, channels in and out, kernel."""
    shapes: Shapes = {}
    for name, channels_in, channels, height, width in units:
        shapes[f"{prefix}{name}.conv.weight"] = (channels, channels_in, height, width)
        shapes |= _batch_norm(f"{prefix}{name}.bn", channels)
    return shapes


def _convolution(name: str, channels: int, channels_in: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (channels, channels_in, kernel, kernel), f"{name}.bias": (channels,)}


def _batch_norm(name: str, channels: int) -> Shapes:
    """Return the tensors of a batch normalization for inference; `num_batches_tracked` is only used in training."""
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
