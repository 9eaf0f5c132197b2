"""Pixel losses against numbers worked by hand and against PyTorch's own losses."""

from __future__ import annotations

import pytest
import torch

from chromalab.color.spaces import SPACES
from chromalab.losses.base import ColorBatch
from chromalab.losses.compose import Objective


def batch(preds: torch.Tensor, target: torch.Tensor) -> ColorBatch:
    lightness = torch.full_like(preds[:, :1], 0.5)
    return ColorBatch(SPACES["lab"], lightness, preds, target, torch.zeros(len(preds), 3, *preds.shape[2:]))


def test_errors_worked_by_hand() -> None:
    preds = torch.tensor([[[[0.0, 0.5]], [[1.0, -1.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    target = torch.zeros(2, 2, 1, 2)
    values = Objective.parse("l1 + l2")(batch(preds, target))
    assert values["l1"].tolist() == pytest.approx([2.5 / 4, 0])
    assert values["l2"].tolist() == pytest.approx([2.25 / 4, 0])


def test_the_mean_over_images_is_pytorchs_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    preds, target = (torch.rand(3, 2, 5, 7, generator=generator) for _ in range(2))
    objective = Objective.parse("l1 + 2*l2")
    total = objective.total(objective(batch(preds, target)))
    expected = torch.nn.functional.l1_loss(preds, target) + 2 * torch.nn.functional.mse_loss(preds, target)
    torch.testing.assert_close(total, expected)
