"""The gradient field of a loss: the direction in which it pulls each color of a photo."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator
from skimage.color import lab2rgb

from chromalab.report.figures.style import INK, MUTED, Drawing, canvas, finish

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from chromalab.losses.gradient_field import GradientField

WIDTH_IN, MAX_HEIGHT_IN = 7.6, 4.2
"""Width of the figure, and largest height of the field (reached by upright photos), in inches."""

MARGIN_IN, TITLE_IN, PANEL_TITLE_IN, CAPTION_IN, SCALE_IN = 0.08, 0.3, 0.2, 0.2, 0.36
"""Margin; heights of the figure's title, a panel's title, the caption below a panel, and the color scale, in inches."""

COLUMN_GAP_IN = 0.22

LONGEST_TITLE = 88
"""Characters of the title that fit the width; the text alternative has the whole title."""

ARROWS_ACROSS = 28
"""Number of arrows along the longer side."""

LONGEST = 98.0
"""Percentile of arrow lengths drawn at full length, because a few gradients of a network are many times stronger."""

WHEEL_LIGHTNESS, WHEEL_CHROMA = 72.0, 40.0
"""Lightness and chroma of the arrows: about the largest chroma that sRGB holds at every hue."""

DIMMED = (0.06, 0.42)
"""Gray levels of black and white in the image under the arrows."""


def draw_gradient_field(field: GradientField, *, title: str, guess: str, name: str = "gradient") -> Drawing:
    """Draw a photo, the prediction, and the direction in which the loss pulls the prediction.

    Every arrow is the mean over a block of pixels. It points in the direction of descent in the ab plane (right:
    larger a*, redder; up: larger b*, yellower) and has the hue of that direction.

    Args:
        field: the gradient field.
        title: title, for example the loss.
        guess: a short description of the prediction.
        name: name of the drawing.
    """
    panels = _Panels(field.lightness.shape[1] / field.lightness.shape[0])
    with canvas(panels.width, panels.height) as figure:
        figure.set_layout_engine("none")  # all panels are placed explicitly
        figure.text(
            MARGIN_IN / panels.width,
            1 - 0.12 / panels.height,
            shorten(title, LONGEST_TITLE),
            va="center",
            fontsize=10,
            weight="bold",
        )
        _image(panels.upper(figure, 0), field.photo, "true colors")
        _image(panels.lower(figure, 0), field.prediction, "prediction", guess)
        _arrows(panels.field(figure), field)
        _strength(figure, panels.upper(figure, 2), panels.scale(figure), field)
        _wheel(panels.wheel(figure))
        return finish(figure, name, _alt(field, title, guess))


class _Panels:
    """Positions of the panels in inches from the lower left corner, which follow from the shape of the photo.

    Args:
        aspect: width / height of the photo.
    """

    def __init__(self, aspect: float) -> None:
        fits = (WIDTH_IN - 2 * MARGIN_IN - 2 * COLUMN_GAP_IN + aspect * (PANEL_TITLE_IN + CAPTION_IN)) / (2 * aspect)
        self.big = min(fits, MAX_HEIGHT_IN)
        self.small = (self.big - PANEL_TITLE_IN - CAPTION_IN) / 2
        self.aspect = aspect
        self.bottom = MARGIN_IN + CAPTION_IN
        self.width = 2 * MARGIN_IN + 2 * COLUMN_GAP_IN + aspect * (self.big + 2 * self.small)
        self.height = self.bottom + self.big + PANEL_TITLE_IN + TITLE_IN

    def field(self, figure: Figure) -> Axes:
        return self._axes(figure, 1, self.bottom, self.big * self.aspect, self.big)

    def upper(self, figure: Figure, column: int) -> Axes:
        return self._axes(figure, column, self._upper, self.small * self.aspect, self.small)

    def lower(self, figure: Figure, column: int) -> Axes:
        return self._axes(figure, column, self.bottom, self.small * self.aspect, self.small)

    def scale(self, figure: Figure) -> Axes:
        return self._axes(figure, 2, self._upper - 0.13, self.small * self.aspect, 0.07)

    def wheel(self, figure: Figure) -> Axes:
        top = self._upper - SCALE_IN - CAPTION_IN - PANEL_TITLE_IN
        return self._axes(figure, 2, MARGIN_IN, self.small * self.aspect, top - MARGIN_IN)

    @property
    def _upper(self) -> float:
        return self.bottom + self.small + PANEL_TITLE_IN + CAPTION_IN

    def _axes(self, figure: Figure, column: int, bottom: float, width: float, height: float) -> Axes:
        small = self.small * self.aspect + COLUMN_GAP_IN
        left = MARGIN_IN + (0.0, small, small + self.big * self.aspect + COLUMN_GAP_IN)[column]
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return figure.add_axes(box)


def _alt(field: GradientField, title: str, guess: str) -> str:
    return (
        f"{title}: a photo, a prediction of its colors ({guess}), and an arrow for each block of pixels, which points "
        f"where the loss pulls the color in the ab plane. Cosine with the direction to the true colors: "
        f"{field.agreement:.2f}."
    )


def _image(axes: Axes, image: NDArray[np.float64], title: str, below: str = "") -> None:
    axes.imshow(image, interpolation="nearest", vmin=0, vmax=1, cmap="gray")
    axes.set_title(title, fontsize=8, pad=4)
    _bare(axes)
    if below:
        axes.set_xlabel(below, fontsize=7, color=MUTED, loc="left", labelpad=3)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _arrows(axes: Axes, field: GradientField) -> None:
    low, high = DIMMED
    note = f"{_block_px(field)} px per arrow; cosine with the direction to the true colors: {field.agreement:.2f}"
    _image(axes, low + (high - low) * field.lightness, "where the loss pulls each color", note)
    x, y, pull = block_means(field)
    lengths = np.hypot(pull[:, 0], pull[:, 1])
    full = float(np.percentile(lengths, LONGEST)) or 1.0
    arrows = pull / np.maximum(lengths, full)[:, None] * _block_px(field)
    axes.quiver(
        x,
        y,
        arrows[:, 0],
        arrows[:, 1],
        color=[tuple(color) for color in hue_colors(np.arctan2(pull[:, 1], pull[:, 0]))],
        angles="uv",  # up is +b*, although image rows count downward
        pivot="mid",
        units="x",
        scale_units="x",
        scale=0.95,
        width=0.13 * _block_px(field),
        headwidth=3.2,
        headlength=3.4,
        headaxislength=3.0,
        minlength=0.5,
    )


def _block_px(field: GradientField) -> int:
    longest: int = max(field.lightness.shape)
    return max(1, round(longest / ARROWS_ACROSS))


def block_means(field: GradientField) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the centers (x, y) and mean pulls (N, 2) of square blocks of pixels, without incomplete blocks."""
    size = _block_px(field)
    rows, columns = (side // size for side in field.lightness.shape)
    blocks = field.pull[: rows * size, : columns * size].reshape(rows, size, columns, size, 2).mean(axis=(1, 3))
    y, x = np.mgrid[:rows, :columns] * size + (size - 1) / 2
    return x.ravel(), y.ravel(), blocks.reshape(-1, 2)


def hue_colors(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sRGB colors (N, 3) of hues (radians in the ab plane) at the wheel's lightness and chroma."""
    lab = np.stack(
        [np.full_like(angles, WHEEL_LIGHTNESS), WHEEL_CHROMA * np.cos(angles), WHEEL_CHROMA * np.sin(angles)], axis=-1
    )
    colors: NDArray[np.float64] = lab2rgb(lab[None])[0]
    return colors


def _strength(figure: Figure, axes: Axes, scale: Axes, field: GradientField) -> None:
    top = float(np.percentile(field.strength, 99.5)) or 1.0
    shown = axes.imshow(field.strength, interpolation="nearest", cmap="magma", norm=Normalize(0, top))
    axes.set_title("strength of the pull", fontsize=8, pad=4)
    _bare(axes)
    bar = figure.colorbar(shown, cax=scale, orientation="horizontal")
    bar.locator = MaxNLocator(3)
    bar.formatter = FuncFormatter(lambda value, _: f"{value:g}")
    bar.outline.set_visible(False)
    scale.tick_params(labelsize=6.5, length=2, pad=1.5)
    bar.set_label("loss per CIELAB unit, × pixels", fontsize=7, color=MUTED, labelpad=1.5)


def _wheel(axes: Axes) -> None:
    """Draw a wheel of the hues at their positions in the ab plane, as the key to colors and directions."""
    y, x = np.mgrid[1:-1:257j, -1:1:257j]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    wheel = np.ones((*x.shape, 4))
    wheel[..., :3] = hue_colors(angle.ravel()).reshape(*x.shape, 3)
    wheel[..., 3] = np.clip((1 - radius) * 128, 0, 1) * np.clip((radius - 0.55) * 128, 0, 1)
    axes.imshow(wheel, extent=(-1, 1, -1, 1), interpolation="bilinear")
    for a, b, text in ((1, 0, "+a*"), (-1, 0, "−a*"), (0, 1, "+b*"), (0, -1, "−b*")):
        axes.annotate(
            "", (0.5 * a, 0.5 * b), (0, 0), arrowprops={"arrowstyle": "-|>", "color": MUTED, "linewidth": 0.7}
        )
        place = (10 * a, 7 * b)
        axes.annotate(
            text, (a, b), place, textcoords="offset points", ha="center", va="center", fontsize=7.5, color=INK
        )
    axes.set_xlim(-1.4, 1.4)
    axes.set_ylim(-1.4, 1.4)
    axes.set_aspect("equal", anchor="S")
    axes.set_title("directions", fontsize=8, pad=4)
    _bare(axes)
