"""Draw the picture of a results page: `python -m docs.pictures STUDY_FOLDER docs/images/NAME.jpg`.

It needs the trained networks of the study, which are not committed; so the picture is, and it shows only sample
photographs that are in the public domain or CC0 and that come with the installed packages.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.image as mpl_image
from matplotlib.backends.backend_agg import FigureCanvasAgg

from chromalab.compare.colorize import colorize_photos
from chromalab.compare.study import StudyFolder
from chromalab.core.files import write_bytes
from chromalab.data.samples import sample_path
from chromalab.report.style import INK, canvas

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
SIDE_PX = 160
LABEL_AREA = 0.16
"""Height of the line of names, in pictures."""


def main() -> None:
    """Colorize the sample photographs with every network of the first seed, and tile them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of a study with its networks")
    parser.add_argument("picture", type=Path, help="the JPEG to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in PHOTOS:
            shutil.copy(sample_path(name), folder)
        colorize_photos(arguments.study, folder, largest_side_px=SIDE_PX)
        write_bytes(arguments.picture, _sheet(arguments.study, {path.stem: path for path in folder.iterdir()}))


def _sheet(root: Path, truths: dict[str, Path]) -> bytes:
    study = StudyFolder(root).load()
    columns = ["grey", *(objective.id for objective in study.objectives), "truth"]
    suffix = f"-{study.color_spaces[0]}-s{study.seeds[0]}.png"
    with canvas(len(columns), len(PHOTOS) + LABEL_AREA) as figure:
        grid = figure.subplots(len(PHOTOS), len(columns))
        for axes, (photo, column) in zip(grid.flat, ((p, c) for p in PHOTOS for c in columns), strict=True):
            folder = root / "colorized" / truths[photo].name
            path = {"grey": folder / "grey.png", "truth": truths[photo]}.get(column, folder / f"{column}{suffix}")
            axes.imshow(_square(mpl_image.imread(path)))
            axes.set_axis_off()
            if photo == PHOTOS[0]:
                axes.set_title(column, fontsize=6.5, fontweight="normal", color=INK, loc="center", pad=3)
        return _jpeg(figure)


def _square(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """Cut the central square."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _jpeg(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=150, pil_kwargs={"quality": 90, "optimize": True})
    return file.getvalue()


if __name__ == "__main__":
    main()
