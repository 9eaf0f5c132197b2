"""Evaluating a folder, beside a straightforward script that computes the same numbers.

    python -m tools.benchmarks.evaluation [--pairs 500] [--rival-pairs 60] [--memory]

Both read the same PNG files of 256 px and compute all pixel, structure and color metrics: ours with
`evaluate` on two cores, the script with scikit-image, SciPy and NumPy, photo by photo. The script takes
minutes, so it is timed on fewer pairs and scaled. Both are timed with and without the running medians of `blotches`,
which take most of the script's time. The largest difference of every metric is printed. `--memory` shows our peak
memory at 500 and 5,000 pairs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.ndimage
import scipy.stats
import skimage.color
import skimage.metrics
from skimage.data import astronaut, chelsea, coffee, rocket
from skimage.io import imread

from chromalab.color.bins import BIN_CENTERS, load_prior
from chromalab.evaluation.folders import evaluate
from chromalab.functional.ssim import WEIGHTS
from chromalab.metrics.color import PRIOR_FILE, RAREST
from chromalab.photo.writing import write_png
from tools.benchmarks.reference import reference_speeds

NAMES = (
    *("mae", "mse", "rmse", "psnr", "psnr_ab", "ssim", "ms_ssim", "lightness_error", "delta_e_2000", "auc"),
    *("auc_rebalanced", "hue_distance", "colorfulness", "colorfulness_difference", "chroma", "gamut_share", "blotches"),
)
SIDE_PX = 256
SSIM = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "channel_axis": 2}


def write_pairs(folder: Path, count: int) -> None:
    """Write `count` crops of sample photographs, and the same in weaker, shifted and clipped colors."""
    generator = np.random.default_rng(0)
    photos = [astronaut(), coffee(), chelsea(), rocket()]
    for index in range(count):
        photo = photos[index % len(photos)]
        top, left = (generator.integers(0, side - SIDE_PX + 1) for side in photo.shape[:2])
        target = photo[top : top + SIDE_PX, left : left + SIDE_PX]
        grey = target.mean(axis=-1, keepdims=True)
        preds = grey + generator.uniform(0.3, 1.3) * (target - grey) + generator.normal(0, 8, size=3)
        write_png(folder / "target" / f"{index:05}.png", target.copy())
        write_png(folder / "preds" / f"{index:05}.png", np.clip(np.rint(preds), 0, 255).astype(np.uint8))


def straightforward(preds_file: Path, target_file: Path, *, blotches: bool) -> dict[str, float]:
    """Return every metric of a pair, as one would write it with scikit-image."""
    preds, target = (imread(path) / 255 for path in (preds_file, target_file))
    error, labs = preds - target, [skimage.color.rgb2lab(picture) for picture in (preds, target)]
    chromas = [np.hypot(lab[..., 1], lab[..., 2]) for lab in labs]
    ab_error = np.hypot(*(labs[0] - labs[1])[..., 1:].transpose(2, 0, 1))
    accuracy = np.clip(1 - ab_error / 150, 0, None)
    squared = (labs[1][..., 1:].reshape(-1, 1, 2) - BIN_CENTERS) ** 2
    weights = (1 / np.maximum(load_prior(PRIOR_FILE), RAREST))[squared.sum(axis=-1).argmin(axis=1)]
    found = {
        "mae": np.abs(error).mean(),
        "mse": skimage.metrics.mean_squared_error(target, preds),
        "rmse": np.sqrt(skimage.metrics.mean_squared_error(target, preds)),
        "psnr": skimage.metrics.peak_signal_noise_ratio(target, preds, data_range=1),
        "psnr_ab": skimage.metrics.peak_signal_noise_ratio(labs[1][..., 1:], labs[0][..., 1:], data_range=220),
        "ssim": skimage.metrics.structural_similarity(target, preds, **SSIM),
        "ms_ssim": ms_ssim(preds, target),
        "lightness_error": np.abs(labs[0] - labs[1])[..., 0].mean(),
        "delta_e_2000": skimage.color.deltaE_ciede2000(*labs).mean(),
        "auc": accuracy.mean(),
        "auc_rebalanced": (accuracy.ravel() * weights).sum() / weights.sum(),
        "hue_distance": hue_distance(*labs),
        "colorfulness": colorfulness(preds),
        "colorfulness_difference": abs(colorfulness(preds) - colorfulness(target)),
        "chroma": chromas[0].mean(),
        "gamut_share": gamut_share(preds, chromas[0]),
    }
    if blotches:
        for lab, chroma in zip(labs, chromas, strict=True):  # ours has the truth's own value, too
            off = np.abs(chroma - scipy.ndimage.median_filter(chroma, size=31))
            near = np.abs(lab[..., 0] - scipy.ndimage.median_filter(lab[..., 0], size=31))
            found.setdefault("blotches", ((off > 15) & (near <= 3)).mean())
    return {name: float(value) for name, value in found.items()}


def ms_ssim(preds: np.ndarray, target: np.ndarray) -> float:
    """Return MS-SSIM by scikit-image's Gaussian filter, channel by channel."""
    values = []
    for channel in range(3):
        x, y, product = preds[..., channel], target[..., channel], 1.0
        for scale, weight in enumerate(WEIGHTS):
            means = [scipy.ndimage.gaussian_filter(part, 1.5, truncate=3.5) for part in (x, y, x * x, y * y, x * y)]
            mean_x, mean_y, square_x, square_y, cross = (mean[5:-5, 5:-5] for mean in means)
            cs = (2 * (cross - mean_x * mean_y) + 9e-4) / (square_x - mean_x**2 + square_y - mean_y**2 + 9e-4)
            luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            last = scale == len(WEIGHTS) - 1
            product *= max(float((cs * luminance if last else cs).mean()), 0) ** weight
            x, y = (part.reshape(part.shape[0] // 2, 2, part.shape[1] // 2, 2).mean(axis=(1, 3)) for part in (x, y))
        values.append(product)
    return float(np.mean(values))


def colorfulness(rgb: np.ndarray) -> float:
    """Return Hasler and Süsstrunk's colorfulness."""
    red, green, blue = (255 * rgb).transpose(2, 0, 1)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def hue_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the earth mover's distance around the circle of hue histograms weighted by chroma."""
    histograms = []
    for lab in (first, second):
        hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
        mass, _ = np.histogram(hue, bins=72, range=(0, 360), weights=np.hypot(lab[..., 1], lab[..., 2]))
        mass = mass + hue.size / 72
        histograms.append(mass / mass.sum())
    steps = np.cumsum(histograms[0] - histograms[1])
    return float(np.abs(steps - np.median(steps)).sum() * 5)


def gamut_share(rgb: np.ndarray, chroma: np.ndarray) -> float:
    """Return the share of colored pixels with a channel at an end of its range."""
    return float((((rgb.min(axis=-1) == 0) | (rgb.max(axis=-1) == 1)) & (chroma >= 10)).mean())


def peak_memory_mb(folder: Path) -> float:
    """Return the peak of memory that belongs to no file (RssAnon) of an evaluation in a process of its own."""
    code = (
        "import sys, threading, time, pathlib\n"
        "from chromalab.evaluation.folders import evaluate\n"
        "peak = [0]\n"
        "def watch():\n"
        "    while True:\n"
        "        text = pathlib.Path('/proc/self/status').read_text()\n"
        "        peak[0] = max(peak[0], int(text.split('RssAnon:')[1].split()[0]))\n"
        "        time.sleep(0.02)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "names = sys.argv[2].split(',')\n"
        "evaluate(folder / 'preds', folder / 'target', metrics=names, device='cpu', threads=2)\n"
        "print(peak[0] / 1024)\n"
    )
    command = [sys.executable, "-c", code, str(folder), ",".join([*NAMES, "frechet_lite0"])]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compare(folder: Path, pairs: int, rival_pairs: int) -> None:
    """Time both, and print times, ratios and the largest differences."""
    started = time.perf_counter()
    metrics = list(NAMES)
    evaluation = evaluate(folder / "preds", folder / "target", metrics=metrics, device="cpu", threads=2)
    ours = time.perf_counter() - started
    started = time.perf_counter()
    few = [name for name in NAMES if name != "blotches"]
    evaluate(folder / "preds", folder / "target", metrics=few, device="cpu", threads=2)
    ours_without = time.perf_counter() - started
    files = sorted((folder / "preds").iterdir())[:rival_pairs]
    rows: list[dict[str, float]] = []
    seconds: dict[bool, float] = {}
    for blotches in (True, False):
        started = time.perf_counter()
        found = [straightforward(file, folder / "target" / file.name, blotches=blotches) for file in files]
        seconds[blotches] = (time.perf_counter() - started) * pairs / len(files)
        rows = rows or found
    for what, own, theirs in (("all", ours, seconds[True]), ("without blotches", ours_without, seconds[False])):
        print(f"{pairs} pairs, {what}: ours {own:.1f} s, the script {theirs:.0f} s: {theirs / own:.1f} times faster")
    print("largest difference from the script:")
    for name in NAMES:
        column = evaluation.scores.columns[name][: len(files)]
        print(f"  {name:25s} {max(abs(column[place] - row[name]) for place, row in enumerate(rows)):.2g}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--rival-pairs", type=int, default=60)
    parser.add_argument("--memory", action="store_true", help="show the peak memory at 500 and 5,000 pairs, too")
    arguments = parser.parse_args()
    print(f"On this machine, in the same run, {reference_speeds()}.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_pairs(folder, arguments.pairs)
        compare(folder, arguments.pairs, arguments.rival_pairs)
    if arguments.memory:
        peaks = []
        for count in (500, 5000):
            with tempfile.TemporaryDirectory() as place:
                write_pairs(Path(place), count)
                peaks.append(peak_memory_mb(Path(place)))
            print(f"peak RssAnon at {count} pairs: {peaks[-1]:.0f} MB")
        print(f"ratio: {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
