"""Draw the image grids of the docs: a row per photo, a column per network.

    python -m tools.pages.grids                                  the main study's and the shipped models' grids
    python -m tools.pages.grids --photos FOLDER --out FILE.jpg   the shipped models on your photos
    python -m tools.pages.grids --study FOLDER --out FILE.jpg    the networks of a study's first seed on sample photos

Grids in the docs show only sample photos that are in the public domain or CC0 and come with the installed packages.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

import chromalab
from chromalab.core.files import write_bytes
from chromalab.data.sources import sample_path
from chromalab.functional.tensors import image_tensor
from chromalab.metrics import score
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import read_photo
from chromalab.photo.resizing import resize_shortest_side
from chromalab.report.figures.style import INK, canvas
from chromalab.studies.networks import colorize_photos
from chromalab.studies.study import StudyFolder
from chromalab.weights.colorizers import shipped_models
from tools import DOCS, RESULTS, parser_of
from tools.release.pack import IMAGES, image_columns, square

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

FOLDER = DOCS / "images"
MODEL_PHOTOS = ("astronaut", "chelsea", "coffee", "china", "rocket", "flower", "grace_hopper")
MODEL_SIDE_PX = 256
STUDY_PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
STUDY_SIDE_PX = 160
LABEL_AREA = 0.16
"""Height of the row of names, relative to an image."""


def packed_grid(study: str) -> bytes:
    """Return the grid of a study in results/ whose images are packed."""
    record = StudyFolder(RESULTS / study).load()
    sheet, columns = read_photo(RESULTS / study / IMAGES).rgb, image_columns(record)
    side = sheet.shape[0] // len(record.pictured)

    def image(column: str, photo: str) -> Image:
        top, left = side * record.pictured.index(photo), side * columns.index(column)
        return sheet[top : top + side, left : left + side]

    return grid(image, columns, record.pictured)


def study_grid(root: Path) -> bytes:
    """Colorize the sample photos with every network of a study's first seed, and tile the results."""
    study = StudyFolder(root).load()
    with tempfile.TemporaryDirectory() as name:
        for photo in STUDY_PHOTOS:
            shutil.copy(sample_path(photo), name)
        colorize_photos(root, Path(name), largest_side_px=STUDY_SIDE_PX)
    files = {photo: sample_path(photo) for photo in STUDY_PHOTOS}

    def image(column: str, photo: str) -> Image:
        folder = root / "colorized" / files[photo].name
        return read_photo(files[photo] if column == "truth" else folder / f"{column}.png").rgb

    return grid(image, image_columns(study), STUDY_PHOTOS)


def models_grid(files: Mapping[str, Path], *, truth: bool) -> bytes:
    """Colorize photos with every shipped model, and tile the results."""
    images: dict[tuple[str, str], Image] = {}
    for photo, path in files.items():
        gray, rgb = _gray_and_truth(path)
        images |= {("grey", photo): gray, ("truth", photo): rgb}
        images |= {(model, photo): chromalab.colorize(gray, model=model) for model in shipped_models()}
    columns = ["grey", *shipped_models(), *(["truth"] if truth else [])]
    return grid(lambda column, photo: images[column, photo], columns, list(files))


def ranked_grid(files: Mapping[str, Path]) -> bytes:
    """Colorize photos with the default model, and tile input, result and ground truth, the smallest error first."""
    columns = []
    for path in files.values():
        gray, truth = _gray_and_truth(path)
        preds = chromalab.colorize(gray)
        scores = score(image_tensor(preds), image_tensor(truth), ["delta_e_2000"])
        columns.append((float(scores["delta_e_2000"]), (gray, preds, truth)))
    columns.sort(key=lambda column: column[0])
    with canvas(len(columns), 3 + LABEL_AREA) as figure:
        places = figure.subplots(3, len(columns))
        for column, (error, images) in enumerate(columns):
            for axes, image in zip(places[:, column], images, strict=True):
                axes.imshow(square(image).astype(np.float32) / 255)
                axes.set_axis_off()
            places[0, column].set_title(
                f"{error:.1f}", fontsize=6.5, fontweight="normal", color=INK, loc="center", pad=3
            )
        return jpeg(figure, pad=0.01, quality=90)


def _gray_and_truth(path: Path) -> tuple[Image, Image]:
    """Return the luma and the colors of a photo, reduced to the side of the models' grid."""
    rgb = read_photo(path).rgb
    if min(rgb.shape[:2]) > MODEL_SIDE_PX:
        rgb = resize_shortest_side(rgb, MODEL_SIDE_PX)
    gray = (rgb @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2), rgb


def grid(image: Callable[[str, str], Image], columns: Sequence[str], photos: Sequence[str]) -> bytes:
    """Return a JPEG with a row for each photo and a column for each network or bound.

    Args:
        image: returns the image of a column and a photo.
        columns: run ids, models or bounds; the part before the first hyphen is the title.
        photos: names of the photos.
    """
    with canvas(len(columns), len(photos) + LABEL_AREA) as figure:
        places = figure.subplots(len(photos), len(columns))
        for axes, (photo, column) in zip(places.flat, ((p, c) for p in photos for c in columns), strict=True):
            axes.imshow(square(image(column, photo)).astype(np.float32) / 255)
            axes.set_axis_off()
            if photo == photos[0]:
                _title(axes, column.split("-")[0])
        return jpeg(figure, pad=0.01, quality=90)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=6.5, fontweight="normal", color=INK, loc="center", pad=3)


def jpeg(figure: Figure, *, pad: float, quality: int) -> bytes:
    """Return a figure of images as JPEG, with `pad` inches between them."""
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=pad, h_pad=pad, wspace=0, hspace=0)
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=150, pil_kwargs={"quality": quality, "optimize": True})
    return file.getvalue()


def main() -> None:
    """Draw the grids of the docs, or one of a study or of photos."""
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=Path, help="folder of photos for the shipped models")
    parser.add_argument("--study", type=Path, help="folder of a study with its networks")
    parser.add_argument("--out", type=Path, help="the JPEG to write")
    arguments = parser.parse_args()
    if arguments.photos is not None:
        files = {f"{place:03d}": path for place, path in enumerate(list_photos(arguments.photos))}
        write_bytes(arguments.out, models_grid(files, truth=False))
    elif arguments.study is not None:
        write_bytes(arguments.out, study_grid(arguments.study))
    else:
        write_bytes(FOLDER / "objective_grid.jpg", packed_grid("objective/lab"))
        samples = {name: sample_path(name) for name in MODEL_PHOTOS}
        write_bytes(FOLDER / "models.jpg", models_grid(samples, truth=True))
        write_bytes(FOLDER / "good.jpg", ranked_grid(samples))


if __name__ == "__main__":
    main()
