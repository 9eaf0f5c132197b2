"""From a trained run to a file that colorizes without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from chromalab.core.files import write_bytes, write_text
from chromalab.core.hashing import sha256_bytes
from chromalab.training.onnx_graph import colorizer_graph
from chromalab.weights.colorizers import ColorizerSpec, InputSpec, OutputSpec, SizeSpec

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.nets.unet import Colorizer


def export_colorizer(
    colorizer: Colorizer, path: Path, *, name: str, half: bool = True, size: SizeSpec | None = None, **facts: object
) -> ColorizerSpec:
    """Write a colorizer as an ONNX file, and its record beside it.

    Args:
        colorizer: the trained network, on the CPU.
        path: the ONNX file; the record gets the same name with `.yaml`.
        name: the model's name in metadata.
        half: keep the weights at half precision in the file.
        size: at which size the network sees pictures; None takes shorter sides of 256 px.
        facts: more attributes of the record, see `ColorizerSpec`.

    Raises:
        UsageError: an encoder that can't be written as a graph.
        OutputError: a file can't be written.
    """
    data = colorizer_graph(colorizer, half=half).SerializeToString()
    lab = colorizer.space.name == "lab"
    bins = "bin_logits" if colorizer.unet.bins_head is not None else None
    spec = ColorizerSpec.parse(
        {
            "name": name,
            "input": InputSpec(content="lightness", scale=0.01) if lab else InputSpec(content="luma"),
            "size": size or SizeSpec(),
            "output": OutputSpec(name="ab" if lab else "rgb", content="ab" if lab else "rgb", bins=bins),
            "sha256": sha256_bytes(data),
            **facts,
        },
        origin="the exported model",
    )
    write_bytes(path, data)
    save_spec(path.with_suffix(".yaml"), spec)
    return spec


def save_spec(path: Path, spec: ColorizerSpec) -> None:
    """Write a model's record; what is as by default is left out."""
    plain = {"name": spec.name} | spec.model_dump(mode="json", exclude_defaults=True)
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120))
