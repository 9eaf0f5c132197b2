"""Color-vision screening with pseudoisochromatic images: dots whose digit differs from the ground in hue alone.

The images are this project's own, drawn from random dots. They screen and do not diagnose. The colors of digit and
ground lie on lines along which people with red-green deficiencies cannot tell them apart (confusion lines through the
copunctal points of protan and deutan vision, Wyszecki and Stiles 1982, table 5(5.14.2)). Lightness varies from dot to
dot, so it carries no information. The control image differs along no such line, so everyone can read it.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from chromalab.color.lab import XYZ_TO_RGB, encode_srgb
from chromalab.survey.stimuli import stimulus_png

SETS = 4
"""Sets of screening images, of which each participant sees one."""

SIZE_PX = 300
DIGITS = (2, 3, 5, 6, 8, 9)
KINDS = ("control", "protan", "deutan", "deutan", "protan")
COPUNCTAL = {"protan": (0.7465, 0.2535), "deutan": (1.4, -0.4)}
"""Copunctal points, where confusion lines meet, in CIE 1931 x, y."""

_NEUTRAL = (0.3127, 0.3290)
_STEP = 0.055
_ALLOWED_ERRORS = 1
_SEGMENTS = {
    "a": ((0.3, 0.18), (0.7, 0.18)), "b": ((0.7, 0.18), (0.7, 0.5)), "c": ((0.7, 0.5), (0.7, 0.82)),
    "d": ((0.3, 0.82), (0.7, 0.82)), "e": ((0.3, 0.5), (0.3, 0.82)), "f": ((0.3, 0.18), (0.3, 0.5)),
    "g": ((0.3, 0.5), (0.7, 0.5)),
}  # fmt: skip
_FIGURES = {2: "abged", 3: "abgcd", 5: "afgcd", 6: "afgecd", 8: "abcdefg", 9: "abcdfg"}


def set_of(participant_id: str) -> int:
    """Return the set of screening images that a participant sees."""
    return int(participant_id[:4], 16) % SETS


def screening_digits(seed: int) -> list[int]:
    """Return the digits of a set of screening images."""
    return [int(digit) for digit in np.random.default_rng((seed, 1)).choice(DIGITS, size=len(KINDS))]


@cache
def screening_png(seed: int, place: int) -> bytes:
    """Return one screening image of a set as a PNG file."""
    digit = screening_digits(seed)[place]
    return stimulus_png(draw_screening_image(digit, KINDS[place], np.random.default_rng((seed, 2, place))))


def draw_screening_image(digit: int, kind: str, generator: np.random.Generator) -> np.ndarray:
    """Draw a screening image: sRGB dots on a neutral gray, shape (300, 300, 3)."""
    image = np.full((SIZE_PX, SIZE_PX, 3), 119, dtype=np.uint8)
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    figure, ground = _colors(kind)
    for x, y, radius in _dots(generator):
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        chromaticity = figure if _on_figure(x / SIZE_PX, y / SIZE_PX, digit) else ground
        image[inside] = _srgb(chromaticity, generator.uniform(0.16, 0.34))
    return image


def _colors(kind: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the chromaticities of digit and ground: on one confusion line, or blue on yellow for the control."""
    if kind == "control":
        return (0.27, 0.27), (0.38, 0.40)
    away = np.subtract(COPUNCTAL[kind], _NEUTRAL)
    step = away / np.linalg.norm(away) * _STEP
    figure, ground = np.add(_NEUTRAL, step), np.subtract(_NEUTRAL, step)
    return (float(figure[0]), float(figure[1])), (float(ground[0]), float(ground[1]))


def _srgb(chromaticity: tuple[float, float], luminance: float) -> np.ndarray:
    x, y = chromaticity
    xyz = np.array([x / y, 1.0, (1 - x - y) / y]) * luminance
    linear = np.clip(xyz @ XYZ_TO_RGB.T, 0, 1)
    return np.asarray(np.rint(encode_srgb(linear) * 255), dtype=np.uint8)


def _dots(generator: np.random.Generator) -> list[tuple[float, float, float]]:
    """Return circles (x, y, radius) in pixels that fill a disc without touching, largest first."""
    found: list[tuple[float, float, float]] = []
    center, reach = SIZE_PX / 2, SIZE_PX / 2 - 2
    taken = np.empty((0, 3))
    for radius, tries in ((9.0, 700), (6.5, 1500), (4.5, 3000), (3.0, 4000)):
        places = generator.uniform(-reach, reach, size=(tries, 2))
        for dx, dy in places[np.hypot(*places.T) <= reach - radius]:
            x, y = center + dx, center + dy
            if len(taken) and (np.hypot(taken[:, 0] - x, taken[:, 1] - y) < taken[:, 2] + radius + 1).any():
                continue
            found.append((x, y, radius))
            taken = np.array(found)
    return found


def _on_figure(x: float, y: float, digit: int) -> bool:
    return any(_distance(x, y, *_SEGMENTS[segment]) < 0.075 for segment in _FIGURES[digit])


def _distance(x: float, y: float, start: tuple[float, float], end: tuple[float, float]) -> float:
    along = np.subtract(end, start)
    share = float(np.clip(np.dot(np.subtract((x, y), start), along) / np.dot(along, along), 0, 1))
    return float(np.hypot(*(np.subtract((x, y), start) - share * along)))


def grade(digits: list[int], answers: list[str]) -> dict[str, object]:
    """Grade a screening: answers, number of errors, and whether the control image was read.

    A participant passes who reads the control image and makes at most one error on the four others.
    """
    right = [answer.strip() == str(digit) for digit, answer in zip(digits, answers, strict=True)]
    errors = sum(not ok for ok, kind in zip(right, KINDS, strict=True) if kind != "control")
    return {
        "answers": answers, "digits": digits, "errors": errors, "control_read": right[0],
        "passed": right[0] and errors <= _ALLOWED_ERRORS,
    }  # fmt: skip
