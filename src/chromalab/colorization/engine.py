"""A colorizer in ONNX Runtime, from the gray levels of a small copy to chroma."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.color.lab import decode_srgb, lightness_of, rgb_to_lab
from chromalab.core.errors import UsageError
from chromalab.photo.resizing import resize_plane
from chromalab.weights.colorizers import ColorizerFile, find_colorizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chromalab.weights.colorizers import Numbers

# Since version 1.29, ONNX Runtime otherwise reports the models and times of every session to its publisher.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

onnxruntime.disable_telemetry_events()  # if another package has loaded it before

_GPU = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


class Predicted(NamedTuple):
    """A network's prediction for a small copy.

    Attributes:
        ab: a* and b* in CIELAB units, (2, h, w).
        logits: logits over the ab bins, (313, rows, columns); None if the network has none.
    """

    ab: NDArray[np.float32]
    logits: NDArray[np.float32] | None


class Engine:
    """A loaded colorizer; `predict` may be called from several threads at once.

    Args:
        file: the model file and its record, see `find_colorizer`.
        threads: CPU threads per prediction; 0 uses one per core.
        device: `cpu` or `cuda`.

    Raises:
        UsageError: the file is not an ONNX model, does not match its record, or the device is unavailable.
    """

    def __init__(self, file: ColorizerFile, *, threads: int = 1, device: str = "cpu") -> None:
        self.file, self.spec = file, file.spec
        providers = _providers(device)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait by spinning would take CPU time from the threads of other photos.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(file.path, options, providers=providers)
        except Exception as error:  # ONNX Runtime has no base class for its errors
            raise UsageError(f"{file.path} can't be loaded as an ONNX model: {_first_line(error)}") from error
        self._input = self._name_of_input()
        self._outputs = self._names_of_outputs()

    def _name_of_input(self) -> str:
        names = [value.name for value in self._session.get_inputs()]
        wanted = self.spec.input.name
        rest = [name for name in names if name not in self.spec.input.zeros]
        missing = [name for name in self.spec.input.zeros if name not in names]
        if wanted is not None and wanted not in names:
            missing = [wanted]
        if missing or (wanted is None and len(rest) != 1):
            raise self._mismatch("inputs", names, missing or ["one input beside `zeros`"])
        return wanted or rest[0]

    def _names_of_outputs(self) -> list[str]:
        names = [value.name for value in self._session.get_outputs()]
        bins = self.spec.output.bins
        color = self.spec.output.name or next((name for name in names if name != bins), None)
        wanted = [name for name in (color, bins) if name is not None]
        if color is None or not set(wanted) <= set(names):
            raise self._mismatch("outputs", names, wanted)
        return wanted

    def _mismatch(self, what: str, names: list[str], wanted: list[str]) -> UsageError:
        return UsageError(
            f"{self.file.path} has the {what} {', '.join(names)}, but its record requires {', '.join(wanted)}: correct "
            "the record, see docs/models.md"
        )

    @property
    def gives_bins(self) -> bool:
        """Whether the network predicts a distribution over colors."""
        return self.spec.output.bins is not None

    def predict(self, levels: NDArray[np.float32], factor: float = 1.0) -> Predicted:
        """Predict the chroma of a small copy.

        Args:
            levels: gray levels, 0 to 255, upright, about as large as the network's input or larger, (h, w).
            factor: multiple of the input size in the network's record.

        Raises:
            UsageError: the network's inputs or outputs do not match its record.
        """
        height, width = self.spec.size.size(levels.shape[0], levels.shape[1], factor)
        small = np.clip(resize_plane(levels, height, width), 0, 255)
        feed = {self._input: self._content(small)}
        for name, channels in self.spec.input.zeros.items():
            feed[name] = np.zeros((1, channels, height, width), dtype=np.float32)
        try:
            given = self._session.run(self._outputs, feed)
        except Exception as error:
            raise UsageError(f"{self.file.path} does not run as its record states: {_first_line(error)}") from error
        ab = self._chroma(np.asarray(given[0][0], dtype=np.float32))
        logits = np.asarray(given[1][0], dtype=np.float32) if len(given) > 1 else None
        return Predicted(self._weighted(ab, small), logits)

    def _content(self, levels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's input; the luma of a gray image is its gray value."""
        spec = self.spec.input
        value = levels / np.float32(255)
        if spec.content == "lightness":
            value = np.asarray(lightness_of(decode_srgb(value)), dtype=np.float32)
        planes = np.repeat(value[None], spec.channels, axis=0)
        return np.asarray(planes * _column(spec.scale) + _column(spec.offset), dtype=np.float32)[None]

    def _chroma(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        spec = self.spec.output
        channels = 2 if spec.content == "ab" else 3
        if output.ndim != 3 or output.shape[0] != channels:
            raise UsageError(
                f"{self.file.path} has an output of shape {output.shape}, but its record states {channels} channels "
                f"({spec.content})"
            )
        if not np.isfinite(output).all():
            raise UsageError(f"{self.file.path} predicted values that are not finite: the model file may be damaged")
        output = output * _column(spec.scale) + _column(spec.offset)
        if spec.content == "ab":
            return np.asarray(output, dtype=np.float32)
        lab = rgb_to_lab(np.clip(output, 0, 1).transpose(1, 2, 0))
        return np.asarray(lab[..., 1:].transpose(2, 0, 1), dtype=np.float32)

    def _weighted(self, ab: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply chroma by the record's factor for its lightness."""
        if not self.spec.chroma_by_lightness:
            return ab
        places, factors = zip(*self.spec.chroma_by_lightness, strict=True)
        lightness = lightness_of(decode_srgb(resize_plane(levels, *ab.shape[1:]) / 255))
        return np.asarray(ab * np.interp(lightness, places, factors), dtype=np.float32)


def _column(numbers: Numbers) -> NDArray[np.float32]:
    return np.asarray(numbers, dtype=np.float32).reshape(-1, 1, 1)


def _providers(device: str) -> list[str]:
    if device not in {"cpu", "cuda"}:
        raise UsageError(f"unknown device '{device}': choose cpu or cuda")
    if device == "cpu":
        return [_CPU]
    if _GPU not in onnxruntime.get_available_providers():
        raise UsageError(
            "this ONNX Runtime has no CUDA: install onnxruntime-gpu in place of onnxruntime, or use --device cpu"
        )
    return [_GPU, _CPU]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def engine_of(model: str, *, threads: int, device: str = "cpu") -> Engine:
    """Return the engine of the file that is now at a path, which a process loads only once.

    Args:
        model: name of a shipped model, or path of an ONNX file.
        threads: as in `Engine`.
        device: as in `Engine`.

    Raises:
        UsageError: as in `find_colorizer` and `Engine`.
        ConfigError: the record cannot be read.
        DamagedWeightsError: the file's hash differs from the one in its record.
    """
    file = find_colorizer(model)
    known = file.model_copy(update={"path": file.path.resolve()}).model_dump_json()  # a record cannot be hashed
    return _loaded(known, threads, device)


@lru_cache(maxsize=4)
def _loaded(file: str, threads: int, device: str) -> Engine:
    return Engine(ColorizerFile.model_validate_json(file), threads=threads, device=device)
