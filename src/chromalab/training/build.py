"""Construction of networks and optimizers from settings; initial weights depend only on the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import torch
from google.protobuf.message import DecodeError
from safetensors import SafetensorError
from safetensors.torch import load_file

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.seeds import derive_seed
from chromalab.nets.critics import CRITICS, Critic, channels_seen
from chromalab.nets.efficientnet_lite import VARIANTS, EfficientNetLite
from chromalab.nets.encoders import ENCODERS
from chromalab.nets.unet import BINS_STRIDE, STRIDE_4_WIDTHS, Colorizer, Heads, UNet
from chromalab.nets.vgg16 import TAP_CHANNELS, VGG16
from chromalab.training.settings import NetworkSettings, start_path, start_sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from chromalab.nets.unet import ColorFrom
    from chromalab.training.settings import CriticSettings, OptimizerName


def heads_for(needs: Collection[str], settings: NetworkSettings) -> Heads:
    """Return the heads of a network for an objective with the requirements `needs` (see `LossEntry`).

    >>> heads_for({"bins", "prior"}, NetworkSettings())
    Heads(color=False, bins=True, classes=False, stride=1, context=False, width=1.0)
    >>> heads_for({"classes"}, NetworkSettings(color_from="mean", head_stride=4))
    Heads(color=True, bins=True, classes=True, stride=4, context=False, width=1.0)
    """
    color_from = color_source(needs, settings)
    return Heads(
        color=color_from != "bins",
        bins="bins" in needs or color_from != "head",
        classes="classes" in needs,
        stride=settings.head_stride,
        context=settings.context,
        width=settings.decoder_width,
    )


def color_source(needs: Collection[str], settings: NetworkSettings) -> ColorFrom:
    """Return the source of the color; `auto` means the bins if the objective has a term over them, or else the head."""
    if settings.color_from != "auto":
        return settings.color_from
    return "bins" if "bins" in needs else "head"


def build_colorizer(
    settings: NetworkSettings, color_space: str, seed: int, needs: Collection[str] = ()
) -> tuple[Colorizer, str]:
    """Return a network with the initial weights of `seed`, and the origin of its encoder's weights.

    The initial weights are the same for every objective, except for heads that only some objectives require. Between
    color spaces only the color head can differ.

    Args:
        settings: settings of the network.
        color_space: registry name of the training space.
        seed: seed of the weights.
        needs: requirements of the objective, see `LossEntry`.

    Raises:
        UnknownNameError: the encoder or color space does not exist.
        ConfigError: the objective uses ab bins, and the training space is not `lab`.
        MissingWeightsError: the encoder's weights are not on this machine.
        UsageError: the weights to start from can't be read, or belong to another network.
    """
    space = SPACES[color_space]
    generator = torch.Generator().manual_seed(derive_seed(seed, "network"))
    heads = heads_for(needs, settings)
    if heads.bins and space.name != "lab":
        raise ConfigError(f"the ab bins are defined in CIELAB: train in the space lab, not in {space.name}")
    encoder = ENCODERS[settings.encoder].build(settings.width, settings.pretrained, generator)
    unet = UNet(encoder, space.channels, generator, heads)
    colorizer = Colorizer(unet, space, color_source(needs, settings))
    if settings.start is None:
        return colorizer, encoder.start
    return colorizer, _start_from(start_path(settings.start), colorizer)


_ENCODER = "unet.encoder."
"""Beginning of the names of the encoder's tensors."""


def _start_from(path: Path, colorizer: Colorizer) -> str:
    """Load the matching weights of an earlier training and return a summary; other weights stay random.

    Raises:
        UsageError: the file can't be read, or not all weights of the encoder fit. Two encoders can have layers of the
            same name and shape, and a mixture of both encoders would be worse than either.
    """
    digest = start_sha256(str(path))
    try:
        tensors = _onnx_tensors(path) if path.suffix == ".onnx" else load_file(path)
    except (SafetensorError, DecodeError, OSError) as error:
        raise UsageError(f"the weights to start from can't be read: {path}: {error}") from error
    own = colorizer.state_dict()
    fitting = {key: value.to(own[key].dtype) for key, value in tensors.items() if _fits(own.get(key), value)}
    if not fitting:
        raise UsageError(f"{path}: none of its {len(tensors)} tensors fits the network of these settings")
    encoder = [key for key in own if key.startswith(_ENCODER)]
    found = sum(key in fitting for key in encoder)
    if found < len(encoder):
        raise UsageError(
            f"{path}: only {found} of the {len(encoder)} tensors of the encoder fit, so it is the model of another "
            f"network{_how_to_build(tensors)}"
        )
    colorizer.load_state_dict(own | fitting)
    return f"{path.name} (SHA-256 {digest[:12]}; {len(fitting)} of {len(own)} tensors)"


_OPTIONS = {
    "encoder": "--encoder",
    "width": "--encoder-width",
    "head_stride": "--head-stride",
    "context": "--context",
    "decoder_width": "--decoder-width",
}
"""Options of `chromalab train` by the network setting that they replace."""


def _how_to_build(tensors: Mapping[str, Tensor]) -> str:
    """Return how to build the network to which tensors belong; empty if its encoder is unknown."""
    settings = _network_of(tensors)
    if "encoder" not in settings:
        return ""
    shown = {key: f"{value:g}" if isinstance(value, float) else str(value).lower() for key, value in settings.items()}
    options = [f"{_OPTIONS[key]} {value}".removesuffix(" true") for key, value in shown.items() if key in _OPTIONS]
    keys = ", ".join(f"{key}: {value}" for key, value in shown.items())
    return f"; pass {' '.join(options)}, or write network: {{{keys}}} under 'training' in the recipe"


def _network_of(tensors: Mapping[str, Tensor]) -> dict[str, str | float | bool]:
    """Return the encoder of the network to which tensors belong, and its other settings if they are not the defaults.

    They follow from names and shapes, because exported models do not state them. An unknown encoder is left out.
    """
    found = _encoder_of(tensors)
    levels = [key for key in tensors if key.startswith("unet.levels.") and key.endswith(".reduce.weight")]
    if levels:
        found["head_stride"] = 4
        if "unet.context.weight" in tensors:
            found["context"] = True
        finest = len(tensors[max(levels)])
        if finest != STRIDE_4_WIDTHS[BINS_STRIDE]:
            found["decoder_width"] = finest / STRIDE_4_WIDTHS[BINS_STRIDE]
    return found


def _encoder_of(tensors: Mapping[str, Tensor]) -> dict[str, str | float | bool]:
    shapes = {key.removeprefix(_ENCODER): value.shape for key, value in tensors.items() if key.startswith(_ENCODER)}
    first = shapes.get("features.0.weight")
    with torch.device("meta"):  # without storage: only the shapes matter
        for name, variant in VARIANTS.items():
            if shapes == _shapes(EfficientNetLite(variant)):
                return {"encoder": name}
        width = first[0] / TAP_CHANNELS[0] if first is not None else 1.0
        if shapes == _shapes(VGG16(width=width)):
            return {"encoder": "vgg16"} | ({} if width == 1 else {"width": width, "pretrained": False})
    return {}


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in network.state_dict().items()}


def _onnx_tensors(path: Path) -> dict[str, Tensor]:
    """Return the weights of an exported model by parameter name."""
    return {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(path).graph.initializer
    }


def _fits(own: Tensor | None, value: Tensor) -> bool:
    return own is not None and own.shape == value.shape


def build_critic(settings: CriticSettings, color_space: str, seed: int) -> Critic:
    """Return the critic with the initial weights of `seed`.

    Raises:
        UnknownNameError: the critic or color space does not exist.
    """
    space = SPACES[color_space]
    generator = torch.Generator().manual_seed(derive_seed(seed, "critic"))
    network = CRITICS[settings.network].build(channels_seen(space, settings.sees), settings.width, generator)
    return Critic(space, network, settings.sees)


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def build_optimizer(
    name: OptimizerName,
    weights: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Return the optimizer `name` with PyTorch's defaults for other settings.

    Args:
        name: `adam`, `adamw`, `rmsprop` or `sgd`.
        weights: the parameters, or groups of parameters; a group's own `lr` overrides `learning_rate`.
        learning_rate: the learning rate.
        betas: decay of the first and second moments. RMSProp uses the second as its smoothing constant (PyTorch's
            default, used by the WGAN paper, is 0.99), SGD the first as its momentum.
        weight_decay: decoupled weight decay for AdamW, an L2 penalty for the others.
    """
    if name == "adam":
        return torch.optim.Adam(weights, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    if name == "adamw":
        # The fused kernel saves 3% of a step on a CPU core.
        return torch.optim.AdamW(weights, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
    if name == "rmsprop":
        return torch.optim.RMSprop(weights, lr=learning_rate, alpha=betas[1], weight_decay=weight_decay)
    return torch.optim.SGD(weights, lr=learning_rate, momentum=betas[0], weight_decay=weight_decay)
