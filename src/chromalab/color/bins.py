"""The 313 ab bins over which Zhang et al. (2016) classify colors, and color priors, in NumPy.

Zhang, Isola, Efros: *Colorful Image Colorization*, ECCV 2016, section 2.1. The grid has steps of 10, and the bins are
those of the authors' file `pts_in_hull.npy`, in the same order. They extend beyond the gamut of sRGB.

A *prior* is always the smoothed distribution, the paper's p with a tilde. Eq. 4 uses it twice: in the mixture with the
uniform distribution, and in the expectation that normalizes the weights. The authors' code (`PriorFactor` in
`resources/caffe_traininglayers.py`) does the same with the file `prior_probs.npy`, whose probabilities are already
smoothed (github.com/richzhang/colorization, issue 47).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from chromalab.core.errors import ConfigError
from chromalab.core.records import Record

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GRID_STEP = 10
"""Distance of two neighboring bins, in CIELAB units."""

_B_RANGES = (
    (50, 90), (20, 90), (0, 90), (-20, 90), (-30, 100), (-40, 100), (-50, 100), (-50, 100), (-60, 100), (-70, 100),
    (-80, 90), (-80, 90), (-90, 90), (-100, 90), (-100, 80), (-110, 80), (-110, 80), (-110, 70), (-110, 70), (-90, 0),
)  # fmt: skip
"""First and last b* of the bins at a* = -90, -80 ... 100."""

BIN_CENTERS = np.array(
    [
        (a, b)
        for a, (first, last) in zip(range(-90, 101, GRID_STEP), _B_RANGES, strict=True)
        for b in range(first, last + 1, GRID_STEP)
    ],
    dtype=np.float64,
)
"""(a*, b*) of every bin, (313, 2), ordered by a*, then by b*."""

BIN_CENTERS.flags.writeable = False
BIN_COUNT = len(BIN_CENTERS)

SIGMA = 5.0
"""Standard deviation of the Gaussians of soft encoding and prior (sections 2.1 and 2.2), in CIELAB units."""

UNIFORM_SHARE = 0.5
"""Zhang et al. 2016, section 2.2: lambda, the share of the uniform distribution in the rebalancing."""

_SUM_TOLERANCE = 1e-3
_GRID_REACH = 12
"""The table of the grid spans -120 to 120; its border has no bins and represents all colors beyond."""
_CHUNK = 65536


def nearest_bins(ab: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the nearest bin of every color.

    Args:
        ab: (a*, b*) in CIELAB units, finite, shape (..., 2).

    Returns:
        Indices into `BIN_CENTERS`, shape (...); ties are resolved arbitrarily.
    """
    colors = ab.reshape(-1, 2)
    places = np.clip(np.rint(colors / GRID_STEP), -_GRID_REACH, _GRID_REACH).astype(np.intp) + _GRID_REACH
    found = _grid_table()[places[:, 0], places[:, 1]]
    # If the nearest grid point is a bin, no other bin is nearer; the few other colors are compared with all bins.
    outside = np.flatnonzero(found < 0)
    for start in range(0, len(outside), _CHUNK):
        few = outside[start : start + _CHUNK]
        found[few] = _squared_distances(colors[few]).argmin(axis=1)
    return found.reshape(ab.shape[:-1])


@cache
def _grid_table() -> NDArray[np.int64]:
    """Return the bin at every grid point, or -1 if there is none."""
    table = np.full((2 * _GRID_REACH + 1, 2 * _GRID_REACH + 1), -1, dtype=np.int64)
    a, b = (BIN_CENTERS / GRID_STEP).astype(np.intp).T + _GRID_REACH
    table[a, b] = np.arange(BIN_COUNT)
    return table


def _squared_distances(ab: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the squared distances of colors (N, 2) from all bins, (N, 313)."""
    a, b = (ab[:, axis, None] - BIN_CENTERS[:, axis] for axis in (0, 1))
    return np.asarray(a * a + b * b)


def smooth_prior(probabilities: NDArray[np.float64], sigma: float = SIGMA) -> NDArray[np.float64]:
    """Smooth a distribution over the bins with a Gaussian of their distances (Zhang et al. 2016, section 2.2).

    The probability of each bin is distributed over all 313 bins in proportion to exp(-d^2 / (2 sigma^2)), so the sum is
    preserved, also at the border.

    Args:
        probabilities: counted distribution, (313,).
        sigma: standard deviation in CIELAB units.

    Returns:
        (313,), with the same sum as `probabilities`.
    """
    spread = np.exp(_squared_distances(BIN_CENTERS) / (-2 * sigma**2))
    smooth: NDArray[np.float64] = probabilities @ (spread / spread.sum(axis=1, keepdims=True))
    return smooth


def rebalancing_weights(prior: NDArray[np.float64], uniform_share: float = UNIFORM_SHARE) -> NDArray[np.float64]:
    """Return the weight of every bin, larger for rarer colors (Zhang et al. 2016, eq. 4).

    w = c / ((1 - lambda) p + lambda / Q), where c makes the expectation sum(p w) 1. As in the paper, the uniform
    part is 1 / Q for all bins; the authors' code restricts it to the bins that occur in p.

    Args:
        prior: the smoothed p, (313,).
        uniform_share: lambda, above 0 and at most 1; with 1 all weights are 1.

    Returns:
        w, (313,).
    """
    factors = 1 / ((1 - uniform_share) * prior + uniform_share / BIN_COUNT)
    weights: NDArray[np.float64] = factors / (prior @ factors)
    return weights


Count = Annotated[int, Field(ge=0)]


class PriorRecord(Record):
    """The counts of colors in a set of photos.

    Attributes:
        bins: the definition of the bins.
        counts: number of pixels per bin.
        n_photos: number of photos.
        n_pixels: number of pixels, the sum of the counts.
        size_px: length of every photo's shorter side.
        source: name of the folder, or `samples`; None if unknown.
        data_sha256: the hash of the photos (`PhotoSet.data_sha256`); None if unknown.
    """

    bins: Literal["zhang2016"] = "zhang2016"
    counts: list[Count] = Field(min_length=BIN_COUNT, max_length=BIN_COUNT)
    n_photos: int = Field(ge=1)
    n_pixels: int = Field(ge=1)
    size_px: int = Field(ge=1)
    source: str | None = None
    data_sha256: str | None = None

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if sum(self.counts) != self.n_pixels:
            raise ValueError(f"the counts sum to {sum(self.counts)}, and n_pixels is {self.n_pixels}")
        return self

    @property
    def raw_probabilities(self) -> NDArray[np.float64]:
        """The counted share of every bin, (313,)."""
        return np.array(self.counts, dtype=np.float64) / self.n_pixels

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The prior: the shares smoothed by `smooth_prior`, (313,), with sum 1."""
        return smooth_prior(self.raw_probabilities)


def load_prior(path: Path) -> NDArray[np.float64]:
    """Return the smoothed prior in a file, (313,), with sum 1.

    Args:
        path: a `.json` file by `PriorRecord.save`, whose counts are smoothed here, or a `.npy` file of 313 already
            smoothed probabilities, such as the published `prior_probs.npy`.

    Raises:
        ConfigError: the file is missing, or does not contain a distribution over the bins.
    """
    if path.suffix == ".json":
        return PriorRecord.load(path).probabilities
    if path.suffix != ".npy":
        raise ConfigError(f"{path}: a prior is a .json file of `chromalab data prior`, or a .npy file of 313 numbers")
    values = _read_numbers(path)
    if values.shape != (BIN_COUNT,):
        raise ConfigError(f"{path}: its shape is {values.shape}, and one number for each of {BIN_COUNT} bins is needed")
    fault = _fault(values)
    if fault is not None:
        raise ConfigError(f"{path}: these are no probabilities: {fault}")
    prior: NDArray[np.float64] = values / values.sum()
    return prior


def _read_numbers(path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: it can't be read as a NumPy file of numbers: {error}") from error


def _fault(values: NDArray[np.float64]) -> str | None:
    """Return why the numbers are not a distribution, or None if they are."""
    if not np.isfinite(values).all():
        return f"that of bin {int(np.isfinite(values).argmin())} is not finite"
    if values.min() < 0:
        return f"that of bin {int(values.argmin())} is {values.min():g}"
    if abs(values.sum() - 1) > _SUM_TOLERANCE:
        return f"they sum to {values.sum():g}, and 1 is expected"
    return None
