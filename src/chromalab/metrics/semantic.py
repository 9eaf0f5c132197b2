"""Semantic metric: whether a classifier trained on color photos recognizes the content of a colorized photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from chromalab.core.errors import ConfigError
from chromalab.core.files import sha256_file
from chromalab.core.python_file import describe_error, run_file
from chromalab.metrics.metric import Metric, PhotoMetric
from chromalab.metrics.photo_view import CLASSIFIED_PX, LITE0
from chromalab.nets.trunks import center_square

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView

FUNCTION = "classify"
"""The function that a file with a custom classifier defines."""


def _is_recognized(preds: PhotoView, target: PhotoView) -> Tensor:
    return _agrees(preds.top_class, target)


def _agrees(classes: Tensor, target: PhotoView) -> Tensor:
    if target.labels is None:
        raise ValueError("the view of the target has no labels; give the class of each photo to `PhotoScorer.view`")
    return (classes == target.labels).double()


SEMANTIC_TOP1 = PhotoMetric(
    name="semantic_top1",
    label="Recognized (top-1)",
    direction="higher",
    high=1.0,
    role="semantic",
    formula="share of photos whose most likely class by EfficientNet-Lite0, on the central square at 224 px, is right",
    source="Zhang, Isola, Efros 2016, section 3.1, semantic interpretability, with another classifier",
    network=LITE0,
    reference="labels",
    note="compare with its bounds, gray and truth; not for networks that were trained with this classifier",
    measure=_is_recognized,
)

ENTRIES: tuple[Metric, ...] = (SEMANTIC_TOP1,)


def own_classifier(path: Path) -> PhotoMetric:
    """Return `semantic_top1` by a custom classifier.

    Args:
        path: a Python file that defines `classify(rgb)`: sRGB (B, 3, 224, 224) in [0, 1] -> logits (B, classes), a
            tensor or a NumPy array. The file is run, so it can load its weights.

    Raises:
        ConfigError: the file cannot be read or run, or defines no such function. The metric raises it if the function
            fails or returns something else, or if a label is no index of its classes.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the classifier {path} cannot be read: {error.strerror}") from None
    function = getattr(run_file(path, source, f"chromalab_classifier_{path.stem}"), FUNCTION, None)
    if not callable(function):
        raise ConfigError(f"{path} defines no function `{FUNCTION}`; define one that returns logits for images")
    classify = cast("Callable[[Tensor], object]", function)

    def measure(preds: PhotoView, target: PhotoView) -> Tensor:
        logits = _logits(classify, center_square(preds.rgb.float(), CLASSIFIED_PX), path)
        if target.labels is not None and int(target.labels.max()) >= logits.shape[1]:
            raise ConfigError(
                f"the label {int(target.labels.max())} is no class of {path}, which returns logits of "
                f"{logits.shape[1]} classes, numbered from 0"
            )
        return _agrees(logits.argmax(dim=1).to(preds.rgb.device), target)

    return PhotoMetric(
        name=SEMANTIC_TOP1.name,
        label=SEMANTIC_TOP1.label,
        direction="higher",
        high=1.0,
        role="semantic",
        formula=f"share of photos whose most likely class by {path.name}, on the central square at 224 px, is right",
        source=f"{SEMANTIC_TOP1.source}: {path.name}, SHA-256 {sha256_file(path)}",
        reference="labels",
        note=SEMANTIC_TOP1.note,
        measure=measure,
    )


def _logits(classify: Callable[[Tensor], object], rgb: Tensor, path: Path) -> Tensor:
    """Return the logits of images by a custom classifier, (B, classes).

    Raises:
        ConfigError: the classifier failed or returned something else.
    """
    try:
        found = classify(rgb)
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        raise ConfigError(describe_error(error, path)) from error
    expected = f"{path}: expected logits (B, classes) for {len(rgb)} images"
    try:
        logits = torch.as_tensor(found if isinstance(found, torch.Tensor) else np.array(found))
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{expected}, not {type(found).__name__}") from None
    if logits.ndim != 2 or len(logits) != len(rgb) or logits.shape[1] == 0:
        raise ConfigError(f"{expected}, not the shape {tuple(logits.shape)}")
    return logits
