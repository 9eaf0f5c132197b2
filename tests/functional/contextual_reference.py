"""The contextual loss of Mechrez et al. 2018 in NumPy, one pair of features at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def numpy_contextual_loss(x: NDArray[np.float64], y: NDArray[np.float64], h: float = 0.5) -> float:
    """Return -log CX of the columns of x (C, N) and y (C, M), by eq. 1 to 5 with epsilon 1e-5."""
    center = y.mean(axis=1)
    cx = np.empty((x.shape[1], y.shape[1]))
    for i in range(x.shape[1]):
        a = x[:, i] - center
        d = np.array([1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for b in (y.T - center)])
        relative = d / (d.min() + 1e-5)  # eq. 2
        w = np.exp((1 - relative) / h)  # eq. 3
        cx[i] = w / w.sum()  # eq. 4
    similarity = np.mean([cx[:, j].max() for j in range(y.shape[1])])  # eq. 1
    return float(-np.log(similarity))  # eq. 5
