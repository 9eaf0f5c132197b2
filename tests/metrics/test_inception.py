"""FID and KID over FID's Inception: features through the scorer, and the formulas on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.linalg
import torch
from safetensors.torch import save_file
from torchmetrics.image.kid import poly_mmd

from chromalab.metrics import distribution
from chromalab.metrics.scorer import PhotoScorer
from chromalab.nets.inception_fid import InceptionFID
from chromalab.weights.adding import add_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_fid_and_kid_are_the_formulas_on_pooled_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(distribution, "MIN_PHOTOS", 4)
    monkeypatch.setattr(distribution, "JACKKNIFE_GROUPS", 2)
    torch.manual_seed(0)
    network = InceptionFID()
    save_file(
        {**network.state_dict(), "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)},
        tmp_path / "i.safetensors",
    )
    add_weights(tmp_path / "i.safetensors")
    scorer = PhotoScorer(["fid", "kid"])
    sets = scorer.new_sets()
    preds, target = torch.rand(2, 4, 3, 20, 30)
    scorer.score(preds * torch.tensor([1.0, 0.5, 0.2])[:, None, None], target, sets)
    found = sets.compute()
    with torch.inference_mode():
        first = network.taps(preds * torch.tensor([1.0, 0.5, 0.2])[:, None, None])[0].mean(dim=(2, 3)).double()
        second = network.taps(target)[0].mean(dim=(2, 3)).double()
    assert found["kid"].value == pytest.approx(float(poly_mmd(second, first, gamma=1 / 2048)), rel=1e-4, abs=1e-9)
    # d^2 = |m1 - m2|^2 + |A - B|^2 with Procrustes' best rotation, A and B being centered rows: C = A^T A / (n - 1)
    rows = [(part - part.mean(dim=0)).numpy() / np.sqrt(3) for part in (first, second)]
    shared = scipy.linalg.svdvals(rows[0] @ rows[1].T).sum()
    shift = float((first.mean(dim=0) - second.mean(dim=0)).square().sum())
    expected = shift + sum(float((part**2).sum()) for part in rows) - 2 * shared
    assert found["fid"].value == pytest.approx(expected, rel=1e-5)
    assert found["fid"].reason == "compare only at equal n"
    assert set(scorer.weights()) == {"inception_fid"}
