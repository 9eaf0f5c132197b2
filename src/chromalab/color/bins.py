"""The 313 bins of a*b* over which Zhang et al. (2016) classify colours, as published: in NumPy, for data and records.

Zhang, Isola, Efros: *Colorful Image Colorization*, ECCV 2016, section 2.1. The grid has steps of 10; the bins are those
of the authors' file `pts_in_hull.npy`, in its order. They reach further than sRGB's own gamut does.
"""

from __future__ import annotations

import numpy as np

GRID_STEP = 10
"""Distance of two neighbouring bins, in CIELAB units."""

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
