"""The style of every figure: palette, fonts, and reproducible rendering."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

# Colors of Okabe and Ito (2008), "Color Universal Design". The darker hues come first and yellow is darkened, because
# thin lines on white need contrast. Black comes late, because axes and zero lines are black. The last two are Tol's
# indigo and wine ("Color schemes", 2021), for studies with more than eight objectives.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C7A00", "#000000", "#332288", "#882255",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
INK, MUTED, RULE, ZONE = "#1a1a1a", "#5c5c5c", "#c9c9c9", "#ececec"
PNG_DPI = 200

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "chromalab",
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
}


@dataclasses.dataclass(frozen=True)
class ObjectiveStyle:
    """Color and marker of an objective in every figure, so that figures do not rely on color alone."""

    color: str
    marker: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: file name without suffix.
        alt: text alternative.
        svg: the figure as SVG text; the same data give the same bytes.
        png: the figure as PNG.
    """

    name: str
    alt: str
    svg: str
    png: bytes


def objective_styles(objectives: Sequence[str]) -> dict[str, ObjectiveStyle]:
    """Return the style of every objective from its position in the study, so that it is the same in every figure."""
    return {
        name: ObjectiveStyle(PALETTE[index % len(PALETTE)], MARKERS[(index + index // len(PALETTE)) % len(MARKERS)])
        for index, name in enumerate(objectives)
    }


@contextlib.contextmanager
def canvas(width_in: float, height_in: float) -> Iterator[Figure]:
    """Yield an empty figure under this project's settings, which matplotlib reads while drawing and saving."""
    with mpl.rc_context(_SETTINGS):
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def finish(figure: Figure, name: str, alt: str) -> Drawing:
    """Render a figure as SVG and PNG; call it inside `canvas`."""
    svg, png = io.StringIO(), io.BytesIO()
    # `Figure.savefig` would give the same bytes, but draws everything once more for each file.
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # computing the layout again would double the time
    figure.set_dpi(PNG_DPI)
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return Drawing(name, alt, svg.getvalue(), png.getvalue())


def horizontal_rules(axes: Axes) -> None:
    """Draw faint rules at the major ticks of the y axis, under the data."""
    axes.grid(visible=True, axis="y", color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
