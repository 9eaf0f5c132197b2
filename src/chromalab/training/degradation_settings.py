"""Settings of the degradations of a colorizer's gray input in training; see `degradations`."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from chromalab.core.records import Record

Kind = Literal["spectral", "gamma", "contrast", "fading", "blur", "grain", "dust", "jpeg"]

KINDS: Final[tuple[Kind, ...]] = ("spectral", "gamma", "contrast", "fading", "blur", "grain", "dust", "jpeg")
"""The kinds of degradation in the order in which `degrade` applies them."""


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the range {limits[0]:g} to {limits[1]:g} is reversed; write the smaller value first")
    return limits


Probability = Annotated[float, Field(ge=0, le=1)]
_Ordered = AfterValidator(_ordered)
_UnitRange = Annotated[tuple[Probability, Probability], _Ordered]
_Factor = Annotated[float, Field(ge=0.1, le=10)]
_FactorRange = Annotated[tuple[_Factor, _Factor], _Ordered]
_Length = Annotated[float, Field(gt=0, le=32)]
_LengthRange = Annotated[tuple[_Length, _Length], _Ordered]
_Quality = Annotated[int, Field(ge=1, le=100)]
_QualityRange = Annotated[tuple[_Quality, _Quality], _Ordered]
_Count = Annotated[int, Field(ge=0, le=1000)]
_CountRange = Annotated[tuple[_Count, _Count], _Ordered]


class DegradationSettings(Record):
    """How often and how strongly `degrade` degrades the lightness of crops.

    A crop is degraded with probability `share`. Each kind then applies to it with the kind's own probability,
    independently of the other kinds. Ranges are inclusive, and each crop draws its own values from them, uniformly
    where nothing else is said. The default ranges were chosen by eye on 96-pixel crops of the sample photos: they end
    where combinations of several kinds began to look destroyed rather than old.

    Attributes:
        share: probability that a crop is degraded at all.
        spectral: probability that a random mix of R, G and B replaces luma or L*.
        orthochromatic: share of the spectral mixes that imitate orthochromatic film, which hardly records red. Such
            film was common until about 1930, so the default makes up a third of the mixes.
        orthochromatic_red: weight of R in these mixes, in [0, 1]. A weight of 0 means film that is blind to red.
        gamma: probability of a gamma curve.
        gamma_exponent: exponent of g, drawn log-uniformly, so that lighter and darker are about equally likely.
        contrast: probability of a change of contrast.
        contrast_factor: scale about mid gray (g = 0.5). Above 1, shadows and highlights clip: at 1.3, the darkest and
            the lightest ninth of the tonal range.
        fading: probability of a faded image.
        black_level: the g to which black rises.
        white_level: the g to which white falls. The defaults keep at least 60% of the tonal range.
        blur: probability of Gaussian blur.
        blur_sigma_px: standard deviation in pixels of the crop. Photos are made smaller before they are cropped, which
            hides most of the blur of the original. At 1.2 px, faces in 96-pixel crops lost their features.
        grain: probability of film grain.
        grain_strength: standard deviation of g at mid gray. The lower end is 2 of 255 levels and barely visible. At
            0.06, grain and low contrast together hid the subject.
        dust: probability of dust and scratches.
        dust_specks: number of specks in a crop. Crops of any size show a similar part of a photo, so the number does
            not grow with the area.
        dust_radius_px: radius of a speck in pixels, drawn log-uniformly, because small specks are the most common.
        dust_scratches: number of hairline scratches in a crop.
        dust_opacity: how much of the image a speck or scratch hides. A value of 1 hides all of it.
        jpeg: probability of JPEG compression.
        jpeg_quality: quality setting of libjpeg. At 95 compression is invisible. At 30, block edges dominated the
            smooth areas.
    """

    share: Probability = 1.0
    spectral: Probability = 0.0
    orthochromatic: Probability = 0.35
    orthochromatic_red: _UnitRange = (0.0, 0.1)
    gamma: Probability = 0.0
    gamma_exponent: _FactorRange = (0.65, 1.5)
    contrast: Probability = 0.0
    contrast_factor: _FactorRange = (0.7, 1.3)
    fading: Probability = 0.0
    black_level: _UnitRange = (0.0, 0.2)
    white_level: _UnitRange = (0.8, 1.0)
    blur: Probability = 0.0
    blur_sigma_px: _LengthRange = (0.3, 0.8)
    grain: Probability = 0.0
    grain_strength: _UnitRange = (0.008, 0.035)
    dust: Probability = 0.0
    dust_specks: _CountRange = (1, 8)
    dust_radius_px: _LengthRange = (0.4, 1.5)
    dust_scratches: _CountRange = (0, 2)
    dust_opacity: _UnitRange = (0.3, 0.8)
    jpeg: Probability = 0.0
    jpeg_quality: _QualityRange = (40, 95)

    @property
    def active(self) -> bool:
        """Whether any crop can be degraded."""
        return self.share > 0 and any(getattr(self, kind) > 0 for kind in KINDS)

    @model_validator(mode="after")
    def _black_is_darker(self) -> Self:
        black, white = self.black_level[1], self.white_level[0]
        if black >= white:
            raise ValueError(f"black_level reaches {black:g}, but white_level starts at {white:g}; keep black darker")
        return self


OLD_PHOTOGRAPHS: Final = DegradationSettings(
    share=0.5, spectral=0.5, gamma=0.4, contrast=0.4, fading=0.35, blur=0.3, grain=0.4, dust=0.15, jpeg=0.5
)
"""Degradations of old photographs: half of the crops stay clean, the others combine about three kinds each."""
