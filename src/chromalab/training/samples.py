"""Sample pictures on the way: what the network sees, the truth, and what it gives now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.nets.unet import Colorizer


def draw_samples(colorizer: Colorizer, photos: NDArray[np.uint8], folder: Path, step: int) -> None:
    """Colorize `photos` (K, H, W, 3), write a sheet with a row for each (gray, truth, output)."""
    device = next(colorizer.parameters()).device
    rgb = torch.tensor(photos).to(device).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        lightness, _ = colorizer.space.encode(rgb)
        grey = colorizer.space.decode(lightness, colorizer.space.grey(lightness)).clamp(0, 1)
        output = colorizer.colorize(rgb)
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in (grey, rgb, output)], dim=2)
    write_png(folder / f"step_{step:06d}.png", (sheet * 255).round().byte().permute(1, 2, 0).cpu().numpy())
