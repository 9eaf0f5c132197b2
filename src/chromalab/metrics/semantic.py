"""Whether what is to be seen on a photograph is still recognized by a classifier that knows colored photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from chromalab.core.errors import ConfigError
from chromalab.core.hashing import sha256_file
from chromalab.core.python_file import run_file
from chromalab.metrics.metric import Metric, PhotoMetric
from chromalab.metrics.photo_view import CLASSIFIED_PX, LITE0
from chromalab.nets.resizing import center_square

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView

FUNCTION = "classify"
"""What a file with a classifier of one's own defines."""


def _is_recognized(preds: PhotoView, target: PhotoView) -> Tensor:
    return _agrees(preds.top_class, target)


def _agrees(classes: Tensor, target: PhotoView) -> Tensor:
    if target.labels is None:
        raise ValueError("the classes that are to be seen are needed: give the target's view its labels")
    return (classes == target.labels).double()


SEMANTIC_TOP1 = PhotoMetric(
    name="semantic_top1",
    label="Recognized (top-1)",
    direction="higher",
    high=1.0,
    role="semantic",
    formula="share of photos whose likeliest class by EfficientNet-Lite0, on the central square at 224 px, is the true",
    source="Zhang, Isola, Efros 2016, section 3.1, semantic interpretability, with another classifier",
    network=LITE0,
    reference="labels",
    note="means little without its bounds, gray and truth; no judge of networks that this classifier taught",
    measure=_is_recognized,
)

ENTRIES: tuple[Metric, ...] = (SEMANTIC_TOP1,)


def own_classifier(path: Path) -> PhotoMetric:
    """Return `semantic_top1` by a classifier of one's own.

    Args:
        path: a Python file that defines `classify(rgb)`: sRGB (B, 3, 224, 224) in [0, 1] -> logits (B, classes). It is
            run, so it may load weights from wherever it likes.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the classifier can't be read: {error.strerror}") from None
    function = getattr(run_file(path, source, f"chromalab_classifier_{path.stem}"), FUNCTION, None)
    if not callable(function):
        raise ConfigError(f"{path}: it defines no function `{FUNCTION}`, which is to return logits for images")
    classify = cast("Callable[[Tensor], Tensor]", function)

    def measure(preds: PhotoView, target: PhotoView) -> Tensor:
        logits = classify(center_square(preds.rgb.float(), CLASSIFIED_PX))
        if logits.ndim != 2 or len(logits) != len(preds.rgb):
            raise ConfigError(f"{path}: expected logits (B, classes) for {len(preds.rgb)} images, not {logits.shape}")
        return _agrees(logits.argmax(dim=1), target)

    return PhotoMetric(
        name=SEMANTIC_TOP1.name,
        label=SEMANTIC_TOP1.label,
        direction="higher",
        high=1.0,
        role="semantic",
        formula=f"share of photos whose likeliest class by {path.name} on the central square at 224 px is the true one",
        source=f"{SEMANTIC_TOP1.source}: {path.name}, SHA-256 {sha256_file(path)}",
        reference="labels",
        note=SEMANTIC_TOP1.note,
        measure=measure,
    )
