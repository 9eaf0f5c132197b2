"""Draw the picture of a results page: `python -m tools.pages.pictures STUDY_FOLDER docs/images/NAME.jpg`.

It needs the trained networks of the study, which are not committed; so the picture is, and it shows only sample
photographs that are in the public domain or CC0 and that come with the installed packages.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from chromalab.core.files import write_bytes
from chromalab.data.samples import sample_path
from chromalab.studies.colorize import colorize_photos
from chromalab.studies.study import StudyFolder
from tools.pages.figures import picture_grid

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
SIDE_PX = 160


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

    def place(column: str, photo: str) -> Path:
        folder = root / "colorized" / truths[photo].name
        return {"grey": folder / "grey.png", "truth": truths[photo]}.get(column, folder / f"{column}{suffix}")

    return picture_grid(place, columns, PHOTOS)


if __name__ == "__main__":
    main()
