"""Records of colorizers in ONNX files: the format of their inputs and outputs, and their origin.

The record is a YAML file beside the ONNX file, with the same name. It describes a published colorizer completely, so
that none of them needs its own code; docs/models.md has several examples.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from chromalab.core.errors import DamagedWeightsError, UsageError, suggestion
from chromalab.core.files import is_file, is_folder, read_fault, sha256_file
from chromalab.core.records import Record

SHIPPED = Path(__file__).parent / "models"
"""The folder of the models that come with the package."""

DEFAULT_MODEL = "flagship"
"""The shipped model that is used by default, selected by the rule in docs/reference/models.md."""

Numbers = float | list[float]


class InputSpec(Record):
    """The input of a network, (1, channels, H, W) in single precision.

    Attributes:
        name: name of the graph's input; None selects the only one that is not in `zeros`.
        content: `lightness`, L* in [0, 100]; `grey`, the sRGB value in [0, 1] of the neutral with that L*; `luma`, the
            BT.601 luma of the photo in [0, 1], which for a gray photo equals `grey`.
        channels: 1, or 3 equal channels.
        scale: factor of the content, one number or one per channel.
        offset: number added after scaling, one number or one per channel.
        zeros: further inputs of the graph that get zeros (hints, masks), with their numbers of channels.
    """

    name: str | None = None
    content: Literal["lightness", "grey", "luma"] = "lightness"
    channels: Literal[1, 3] = 1
    scale: Numbers = 1.0
    offset: Numbers = 0.0
    zeros: dict[str, int] = {}


class SizeSpec(Record):
    """The size of a network's input.

    Attributes:
        rule: `shorter` scales the shorter side to `px` and keeps the aspect ratio; `square` scales both sides to `px`,
            as several published colorizers do.
        px: length of the side in pixels.
        multiple_of: sides are rounded to multiples of this number.
        limit: with `shorter`, the longest side as a multiple of `px`; longer photos are squeezed to it.
    """

    rule: Literal["shorter", "square"] = "shorter"
    px: int = Field(default=256, ge=16, le=4096)
    multiple_of: int = Field(default=32, ge=1, le=256)
    limit: float = Field(default=3.0, ge=1, le=16)

    def size(self, height_px: int, width_px: int, factor: float = 1.0) -> tuple[int, int]:
        """Return the input's (height, width) for an image of this size, multiplied by `factor`.

        >>> SizeSpec(px=192).size(3000, 4000), SizeSpec(rule="square", px=512).size(3000, 4000)
        ((192, 256), (512, 512))
        """
        if self.rule == "square":
            side = self._rounded(self.px * factor)
            return side, side
        shortest = min(height_px, width_px)
        sides = (min(side / shortest, self.limit) * self.px * factor for side in (height_px, width_px))
        height, width = (self._rounded(side) for side in sides)
        return height, width

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self.multiple_of)) * self.multiple_of


class OutputSpec(Record):
    """The output of a network.

    Attributes:
        name: name of the graph's output; None selects the first that is not `bins`.
        content: `ab` in CIELAB units, or `rgb` in [0, 1], of which only the chroma is used.
        scale: factor of the output, one number or one per channel.
        offset: number added after scaling, one number or one per channel.
        bins: name of the output with logits over the 313 ab bins of Zhang et al. 2016, as frequent as they are, without
            the weights of a training; None if there is none.
    """

    name: str | None = None
    content: Literal["ab", "rgb"] = "ab"
    scale: Numbers = 1.0
    offset: Numbers = 0.0
    bins: str | None = None


class ColorizerSpec(Record):
    """The record of a colorizer in an ONNX file.

    Attributes:
        name: short name, which is written to every output's metadata.
        title: one line that describes the colorizer.
        input: format of its input.
        size: size of its input.
        output: format of its output.
        chroma_by_lightness: pairs (L*, factor) with rising L*; the predicted chroma is multiplied by the interpolated
            factor, which was fitted on photos outside the training set. Empty applies no factor.
        sha256: hash of the ONNX file; None skips the check.
        license: license of the weights.
        notice: further notices, for example on the training images.
        failures: typical failures on photographs.
        source: origin of the weights.
        trained_on: training images.
        record: settings of the training, as plain data.
        scores: metrics by name, on the images of `scored_on`.
        scored_on: the images for `scores`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    title: str = ""
    input: InputSpec = InputSpec()
    size: SizeSpec = SizeSpec()
    output: OutputSpec = OutputSpec()
    chroma_by_lightness: list[tuple[float, float]] = []
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    license: str = Field(default="", validation_alias=AliasChoices("license", "licence"))
    notice: str = ""
    failures: str = ""
    source: str = ""
    trained_on: str = ""
    record: dict[str, str | int | float] = {}
    scores: dict[str, float] = {}
    scored_on: str = ""

    @model_validator(mode="after")
    def _check_factors(self) -> Self:
        lightness = [pair[0] for pair in self.chroma_by_lightness]
        if lightness != sorted(set(lightness)):
            raise ValueError("chroma_by_lightness: L* must rise from pair to pair")
        return self


class ColorizerFile(Record):
    """A colorizer on this machine: its file, the file's hash, and its record."""

    path: Path
    sha256: str
    spec: ColorizerSpec


def allowed_name(text: str) -> str:
    """Return a name that `ColorizerSpec` allows and that is as close to `text` as possible.

    >>> allowed_name("Münchner Fotos"), allowed_name("_v1.2"), allowed_name("写真")
    ('Munchner-Fotos', 'v1.2', 'model')
    """
    bare = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", bare).lstrip("_.-").rstrip("-") or "model"


def shipped_models() -> list[str]:
    """Return the names of the models that ship with the package, the default first."""
    names = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def find_colorizer(model: str = DEFAULT_MODEL) -> ColorizerFile:
    """Return a shipped colorizer by its name, or any colorizer by the path of its ONNX file.

    Raises:
        UsageError: the model, the file or the record beside it is missing.
        ConfigError: the record cannot be read.
        DamagedWeightsError: the file's hash differs from the one in its record.
    """
    if model in shipped_models():
        return _checked(SHIPPED / f"{model}.onnx")
    path = Path(model)
    if path.suffix in {".safetensors", ".pt", ".pth"} or is_folder(path):
        raise UsageError(
            f"{model} is not an ONNX file: `chromalab export RUN_FOLDER -o FILE.onnx` exports one from a training"
        )
    if path.suffix != ".onnx":
        raise UsageError(
            f"unknown model '{model}'{suggestion(model, shipped_models())}; or give the path of an ONNX file"
        )
    try:
        path.stat()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {read_fault(error)}") from error
    return _checked(path)


def _checked(path: Path) -> ColorizerFile:
    record = path.with_suffix(".yaml")
    if not is_file(record):
        raise UsageError(
            f"{path} has no record: describe the network's input and output in {record.name} beside it, see "
            "docs/models.md"
        )
    spec = ColorizerSpec.load(record)
    try:
        sha256 = sha256_file(path)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    if spec.sha256 is not None and sha256 != spec.sha256:
        raise DamagedWeightsError(
            f"{path} has SHA-256 {sha256}, but its record has {spec.sha256}: get the file and its record again"
        )
    return ColorizerFile(path=path, sha256=sha256, spec=spec)
