"""Recognition by a classifier: the published answers, and a classifier of one's own."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.core.errors import ConfigError
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PAIRED, PhotoScorer
from chromalab.metrics.semantic import own_classifier
from chromalab.photo.reading import read_photo

if TYPE_CHECKING:
    from pathlib import Path

WITH_LABELS = (*PAIRED, "labels")
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def test_without_labels_the_metric_is_unavailable() -> None:
    assert "--labels" in PhotoScorer(["semantic_top1"]).unavailable["semantic_top1"]
    metric = METRICS["semantic_top1"]
    assert isinstance(metric, PhotoMetric)
    with pytest.raises(ValueError, match="the view of the target has no labels"):
        metric(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))


@pytest.mark.slow
def test_the_known_answers_in_color_and_in_grey(shared: Path) -> None:
    """Of 400 photos .818 are recognized in color and .635 in gray; here every fourth of them."""
    folder = shared / "data" / "photos"
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("imagenet/")][:400:4]
    with (shared / "data" / "weights" / "imagenet_classes.csv").open(encoding="utf-8") as file:
        index = {row["wnid"]: int(row["index"]) for row in csv.DictReader(file)}
    scorer = PhotoScorer(["semantic_top1"], references=WITH_LABELS)
    color, grey = 0.0, 0.0
    for row in rows:
        rgb = torch.from_numpy(read_photo(folder / row["file"]).rgb.copy()).permute(2, 0, 1)[None].float() / 255
        label = torch.tensor([index[row["source_name"].partition("_")[0]]])
        target = scorer.view(rgb, label)
        color += float(scorer.score(target, target)["semantic_top1"])
        grey += float(scorer.score((rgb * LUMA).sum(dim=1, keepdim=True).expand_as(rgb), target)["semantic_top1"])
    assert color / len(rows) == pytest.approx(0.818, abs=0.06)
    assert grey / len(rows) == pytest.approx(0.635, abs=0.08)
    assert color > grey + 10


def test_a_custom_classifier(tmp_path: Path) -> None:
    file = tmp_path / "redness.py"
    file.write_text("def classify(rgb):\n    return rgb.mean(dim=(2, 3))\n", encoding="utf-8")
    metric = own_classifier(file)
    assert "redness.py" in metric.formula
    assert "SHA-256" in metric.source
    red, blue = (torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 40, 50) for color in ([1.0, 0, 0], [0, 0, 1.0]))
    scorer = PhotoScorer(["semantic_top1"], references=WITH_LABELS, variants=[metric])
    target = scorer.view(torch.cat([red, blue]), torch.tensor([0, 0]))
    assert scorer.score(torch.cat([red, blue]), target)["semantic_top1"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def classify(rgb):\n    return rgb\n",
            r"expected logits \(B, classes\) for 1 images, not the shape \(1, 3, ",
        ),
        ("def classify(rgb):\n    return None\n", r"expected logits \(B, classes\) for 1 images, not NoneType"),
        ("def classify(rgb):\n    return rgb[:, 0, 0, :0]\n", r"not the shape \(1, 0\)"),
        ("def classify(rgb):\n    raise KeyError('x')\n", r"own\.py, line 2: KeyError: 'x'"),
        ("def other(rgb):\n    return rgb\n", "defines no function `classify`"),
        ("1 +\n", "line 1: SyntaxError"),
    ],
)
def test_an_invalid_classifier_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        recognize(file)


def recognize(file: Path, label: int = 0) -> float:
    scorer = PhotoScorer(["semantic_top1"], references=WITH_LABELS, variants=[own_classifier(file)])
    target = scorer.view(torch.rand(1, 3, 9, 9), torch.tensor([label]))
    return float(scorer.score(torch.rand(1, 3, 9, 9), target)["semantic_top1"])


def test_a_classifier_may_return_a_numpy_array(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("import numpy as np\ndef classify(rgb):\n    return np.eye(3)[[1]]\n", encoding="utf-8")
    assert [recognize(file, label) for label in (0, 1, 2)] == [0, 1, 0]
    with pytest.raises(ConfigError, match=r"the label 3 is no class of .*own\.py, which returns logits of 3 classes"):
        recognize(file, 3)


def test_a_missing_classifier_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        own_classifier(tmp_path / "none.py")
