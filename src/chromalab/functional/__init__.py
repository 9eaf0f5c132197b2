"""Formulas that losses and metrics share: functions of float tensors that return one value for each image.

>>> import torch
>>> from chromalab.functional import ssim
>>> photo = torch.linspace(0, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
>>> round(float(ssim(photo, photo)), 4)
1.0
"""

from chromalab.functional.color import chroma, colorfulness
from chromalab.functional.delta_e import delta_e_76, delta_e_2000
from chromalab.functional.pixel_error import (
    mean_absolute_error,
    mean_squared_error,
    peak_signal_to_noise_ratio,
    total_variation,
)
from chromalab.functional.ssim import ms_ssim, ssim

__all__ = [
    "chroma",
    "colorfulness",
    "delta_e_76",
    "delta_e_2000",
    "mean_absolute_error",
    "mean_squared_error",
    "ms_ssim",
    "peak_signal_to_noise_ratio",
    "ssim",
    "total_variation",
]
