"""Sample photographs that installed packages bring along, so that a first study needs no download.

The split is fixed by name: training sees a person in orange before a flag, a cat, a cup, a motorcycle and a building;
the test asks for a flower, a night sky and another portrait before a flag, none of them a second view of a training
photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from chromalab.core.errors import UsageError
from chromalab.core.registry import Registry


@dataclass(frozen=True)
class Sample:
    """A built-in sample photo.

    Attributes:
        name: the name by which it is asked for.
        split: the part of a study that it belongs to, always.
        package: the importable package that brings the file.
        distribution: what pip calls that package.
        resource: the file's POSIX path inside the package.
        credit: who made it and under which terms, as the package states.
    """

    name: str
    split: Literal["train", "test"]
    package: str
    distribution: str
    resource: str
    credit: str


_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}

SAMPLES: Registry[Sample] = Registry("sample photo")
"""The sample photos by name, in the order of training and test."""


def _add(name: str, split: Literal["train", "test"], package: str, resource: str, credit: str) -> None:
    SAMPLES.add(name, Sample(name, split, package, _DISTRIBUTIONS[package], resource, credit))


_add(
    "astronaut",
    "train",
    "skimage",
    "data/astronaut.png",
    "Eileen Collins, from the NASA Great Images database; no known copyright restrictions, public domain",
)
_add("chelsea", "train", "skimage", "data/chelsea.png", "Stefan van der Walt; CC0")
_add("coffee", "train", "skimage", "data/coffee.png", "Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0")
_add(
    "motorcycle_left",
    "train",
    "skimage",
    "data/motorcycle_left.png",
    "D. Scharstein et al., Middlebury 2014 stereo benchmark (GCPR 2014); no license stated",
)
_add("china", "train", "sklearn", "datasets/images/china.jpg", "danielbuechele on Flickr, 6061409035; CC BY 2.0")
_add("rocket", "test", "skimage", "data/rocket.jpg", "SpaceX, launch of DSCOVR; released into the public domain")
_add("flower", "test", "sklearn", "datasets/images/flower.jpg", "vultilion on Flickr, 6056698931; CC BY 2.0")
_add(
    "grace_hopper",
    "test",
    "matplotlib",
    "mpl-data/sample_data/grace_hopper.jpg",
    "Grace Hopper, official portrait, U.S. Navy; a work of the U.S. government; the package states no license",
)


def sample_path(name: str) -> Path:
    """Return where the file of a sample photo lies; its package is found but not imported, which would take a second.

    Raises:
        UnknownNameError: there is no sample of that name.
        UsageError: the package that brings it is not installed, or came without the file.
    """
    sample = SAMPLES[name]
    spec = find_spec(sample.package)
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        path = Path(folder) / sample.resource
        if path.is_file():
            return path
    what = f"came without {sample.resource}" if folders else "is not installed"
    raise UsageError(
        f"the sample photo '{name}' comes with {sample.distribution}, which {what}: pip install {sample.distribution}"
    )
