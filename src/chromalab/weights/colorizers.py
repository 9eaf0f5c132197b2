"""What is known of a colorizer in an ONNX file: how it wants its pictures, and what it gives.

The record stands in a YAML file beside the ONNX file, with the same name. It says enough to run any published
colorizer, so none of them needs code of its own; docs/models.md goes through several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from chromalab.core.errors import DamagedWeightsError, UsageError, suggestion
from chromalab.core.files import sha256_file
from chromalab.core.records import Record

SHIPPED = Path(__file__).parent / "models"
"""The folder of the models that come with the package."""

DEFAULT_MODEL = "perceptual"
"""The shipped model that colorizes where nobody names another; chosen by the rule in docs/reference/models.md."""

VERSIONS_MODEL = "bins_lite0"
"""The shipped model that takes its place where plausible versions are asked for: it gives a distribution."""

Numbers = float | list[float]


class InputSpec(Record):
    """How a network wants its picture; (1, channels, H, W), in single precision.

    Attributes:
        name: of the graph's input; None takes its only one that `zeros` does not name.
        content: `lightness`, L* in [0, 100]; `grey`, the sRGB value in [0, 1] of the neutral with that L*; `luma`, the
            BT.601 luma of the photo in [0, 1], which for a gray photo is the same as `grey`.
        channels: 1, or 3 alike.
        scale: what the content is multiplied with, one number or one for each channel.
        offset: what is added after that, likewise.
        zeros: inputs of the graph that get zeros, by name their number of channels (hints, masks).
    """

    name: str | None = None
    content: Literal["lightness", "grey", "luma"] = "lightness"
    channels: Literal[1, 3] = 1
    scale: Numbers = 1.0
    offset: Numbers = 0.0
    zeros: dict[str, int] = {}


class SizeSpec(Record):
    """At which size a network sees a picture.

    Attributes:
        rule: `shorter`, the shorter side gets `px` and the aspect ratio stays; `square`, both sides get `px` whatever
            the aspect ratio, as several published colorizers do.
        px: the side in pixels.
        multiple_of: sides are rounded to multiples of this.
        limit: longest side as a multiple of `px`, with `shorter`: a panorama is squeezed to it.
    """

    rule: Literal["shorter", "square"] = "shorter"
    px: int = Field(default=256, ge=16, le=4096)
    multiple_of: int = Field(default=32, ge=1, le=256)
    limit: float = Field(default=3.0, ge=1, le=16)

    def size(self, height_px: int, width_px: int, factor: float = 1.0) -> tuple[int, int]:
        """Return (height, width) for a picture of this size, `factor` times larger than the rule says.

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
    """What a network gives.

    Attributes:
        name: of the graph's output; None takes the first that is not `bins`.
        content: `ab` in CIELAB units, or `rgb` in [0, 1], of which only the chroma is used.
        scale: what the output is multiplied with, one number or one for each channel.
        offset: what is added after that, likewise.
        bins: name of the output with logits over the 313 ab bins of Zhang et al. 2016, where there is one.
    """

    name: str | None = None
    content: Literal["ab", "rgb"] = "ab"
    scale: Numbers = 1.0
    offset: Numbers = 0.0
    bins: str | None = None


class ColorizerSpec(Record):
    """A colorizer in an ONNX file.

    Attributes:
        name: short name, which stands in every output's metadata.
        title: what it is, in one line.
        input: how it wants its picture.
        size: at which size.
        output: what it gives.
        chroma_by_lightness: pairs (L*, factor), rising in L*: the predicted chroma is multiplied with the factor,
            interpolated; empty leaves it alone. Fitted on photos that the network was not trained on.
        sha256: hash of the ONNX file; None does not check it.
        license: of the weights.
        notice: what else has to be said of them, as of the pictures that they were trained on.
        failures: what it gets wrong, as seen on photographs.
        source: where it comes from.
        trained_on: the pictures.
        record: how it was trained, as plain data.
        scores: metrics by name of the set that `scored_on` names.
        scored_on: which pictures.
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
            raise ValueError("chroma_by_lightness: L* has to rise from pair to pair")
        return self


class ColorizerFile(Record):
    """A colorizer that is on this machine: its file, with its hash, and what is known of it."""

    path: Path
    sha256: str
    spec: ColorizerSpec


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package, the default first."""
    names = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def default_model(*, versions: bool = False) -> str:
    """Return the shipped model to take where nobody names one.

    Args:
        versions: plausible versions are asked for, or how sure the network is.
    """
    return VERSIONS_MODEL if versions else DEFAULT_MODEL


def find_colorizer(model: str = DEFAULT_MODEL) -> ColorizerFile:
    """Return a colorizer by its name among the shipped ones, or by the path of an ONNX file.

    Raises:
        UsageError: there is no such model or file, or no record beside the file.
        ConfigError: the record can't be read.
        DamagedWeightsError: the file is not the one that its record describes.
    """
    if model in shipped_models():
        return _checked(SHIPPED / f"{model}.onnx")
    path = Path(model)
    if path.suffix in {".safetensors", ".pt", ".pth"} or path.is_dir():
        raise UsageError(
            f"{model} is not an ONNX file: `chromalab export RUN_FOLDER -o FILE.onnx` makes one of a training"
        )
    if path.suffix != ".onnx":
        raise UsageError(
            f"unknown model '{model}'{suggestion(model, shipped_models())}; or give the path of an ONNX file"
        )
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    return _checked(path)


def _checked(path: Path) -> ColorizerFile:
    record = path.with_suffix(".yaml")
    if not record.is_file():
        raise UsageError(
            f"{path} has no record: {record.name} beside it says how the network wants its pictures, see docs/models.md"
        )
    spec = ColorizerSpec.load(record)
    try:
        sha256 = sha256_file(path)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    if spec.sha256 is not None and sha256 != spec.sha256:
        raise DamagedWeightsError(
            f"{path} has SHA-256 {sha256}, and its record says {spec.sha256}: one of them is not the other's"
        )
    return ColorizerFile(path=path, sha256=sha256, spec=spec)
