"""Degradations of the gray input of a colorizer, as old photographs have them.

A colorizer learns from clean color photos, but its users give it scans of old photographs. `degrade` changes only the
lightness that the network sees. The color target remains that of the clean photo.

All kinds work on the encoded gray value g: the sRGB value in [0, 1] that all three channels of a gray image share.
They are applied in the order in which they affect a photograph:

| kind     | cause                          | effect on g                                              |
|----------|--------------------------------|----------------------------------------------------------|
| spectral | emulsion: its color response   | a mix of encoded R, G and B with random weights          |
| gamma    | development                    | g ** exponent                                            |
| contrast | paper grade                    | 0.5 + factor (g - 0.5)                                   |
| fading   | age                            | black + (white - black) g                                |
| blur     | lens, motion, enlargement      | Gaussian blur                                            |
| grain    | emulsion: its silver grains    | correlated Gaussian noise, strongest in the midtones     |
| dust     | negative, print or scanner     | specks and hairline scratches, light or dark             |
| jpeg     | file                           | quantized 8 x 8 DCT coefficients                         |
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from chromalab.color.spaces import luma
from chromalab.training.degradation_settings import KINDS

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.color.spaces import TrainingSpace
    from chromalab.training.degradation_settings import DegradationSettings, Kind


@torch.no_grad()
def degrade(
    rgb: Tensor,
    space: TrainingSpace,
    settings: DegradationSettings,
    generator: torch.Generator,
    *,
    lightness: Tensor | None = None,
) -> Tensor:
    """Return the lightness that the network sees, degraded in some of the images.

    The parameters of all kinds are drawn for all images first. So the degradation of an image depends on the state of
    `generator`, the number of images, the ranges and its own probabilities, but not on which other images are degraded.

    Args:
        rgb: (B, 3, H, W), clean sRGB in [0, 1].
        space: the training space.
        settings: probabilities and ranges.
        generator: the source of all randomness: a CPU generator, even where `rgb` is on another device.
        lightness: `space.encode(rgb)[0]` where the caller has it already, which saves the slowest step.

    Returns:
        (B, 1, H, W) in [0, 1], without a gradient. Images that draw no degradation are bit for bit
        `space.encode(rgb)[0]`.
    """
    clean = space.encode(rgb)[0] if lightness is None else lightness
    drawn = _draw(settings, len(rgb), generator)
    degraded = torch.stack([drawn.hits[kind] for kind in KINDS]).any(dim=0).nonzero().flatten().to(clean.device)
    if not len(degraded):
        return clean
    # index_select and index_copy_ copy whole images, which is several times as fast as indexing with brackets.
    lightness_of, gray_of = _gray_axis(space, clean)
    gray = torch.zeros_like(clean, memory_format=torch.contiguous_format)
    gray.index_copy_(0, degraded, _look_up(gray_of, clean.index_select(0, degraded)))
    for kind in KINDS:
        images = drawn.hits[kind].nonzero().flatten()
        if len(images):
            where = images.to(gray.device)
            source = rgb if kind == "spectral" else gray
            gray.index_copy_(0, where, _apply(kind, source.index_select(0, where), drawn, images, settings))
    return clean.index_copy(0, degraded, _look_up(lightness_of, gray.index_select(0, degraded)).clamp(0, 1))


def _apply(kind: Kind, source: Tensor, drawn: _Draws, images: Tensor, settings: DegradationSettings) -> Tensor:
    """Apply one kind to the `images` (N,) of the batch that drew it.

    Args:
        kind: the kind of degradation.
        source: their clean sRGB (N, 3, H, W) for `spectral`, their gray values (N, 1, H, W) for the other kinds.
        drawn: random parameters of all images of the batch.
        images: their indices in the batch, on the CPU.
        settings: the ranges of dust.

    Returns:
        (N, 1, H, W): gray values in [0, 1].
    """
    match kind:
        case "spectral":
            gray = mix_channels(source, drawn.mix[images])
        case "gamma":
            gray = apply_gamma(source, drawn.exponent[images])
        case "contrast":
            gray = scale_contrast(source, drawn.factor[images])
        case "fading":
            gray = fade(source, drawn.black[images], drawn.white[images])
        case "blur":
            gray = gaussian_blur(source, drawn.sigma_px[images])
        case "grain":
            gray = add_grain(source, drawn.strength[images], drawn.grain_seed[images])
        case "dust":
            gray = _add_dust(source, drawn.specks[images], drawn.scratches[images], settings)
        case "jpeg":
            gray = jpeg_compress(source, drawn.quality[images])
    return gray


# Draws ----------------------------------------------------------------------------------------------------------------

_SPECK_DRAWS, _SCRATCH_DRAWS = 8, 10


@dataclass(frozen=True)
class _Draws:
    """Random parameters of each image of a batch, including those of kinds that do not apply.

    Attributes:
        hits: per kind, which images it applies to (B,).
        mix: weights of R, G and B (B, 3), which sum to 1.
        exponent: exponent of the gamma curve (B,).
        factor: factor on the contrast (B,).
        black: level to which black rises (B,).
        white: level to which white falls (B,).
        sigma_px: standard deviation of the blur (B,).
        strength: strength of the grain (B,).
        grain_seed: seed of the image's grain (B,), so that noise is drawn only for grainy images.
        quality: JPEG quality, whole numbers (B,).
        specks: uniform numbers (B, K, 8), see `_speck_marks`.
        scratches: uniform numbers (B, S, 10), see `_scratch_marks`.
    """

    hits: dict[Kind, Tensor]
    mix: Tensor
    exponent: Tensor
    factor: Tensor
    black: Tensor
    white: Tensor
    sigma_px: Tensor
    strength: Tensor
    grain_seed: Tensor
    quality: Tensor
    specks: Tensor
    scratches: Tensor


def _draw(settings: DegradationSettings, batch: int, generator: torch.Generator) -> _Draws:
    def uniform(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    chosen = uniform() < settings.share
    return _Draws(
        hits={kind: chosen & (uniform() < getattr(settings, kind)) for kind in KINDS},
        mix=_mixes(uniform(2, 3), uniform(2), settings),
        exponent=_log_between(uniform(), settings.gamma_exponent),
        factor=_between(uniform(), settings.contrast_factor),
        black=_between(uniform(), settings.black_level),
        white=_between(uniform(), settings.white_level),
        sigma_px=_between(uniform(), settings.blur_sigma_px),
        strength=_between(uniform(), settings.grain_strength),
        grain_seed=torch.randint(2**62, (batch,), generator=generator),
        quality=_whole_between(uniform(), settings.jpeg_quality),
        specks=uniform(settings.dust_specks[1], _SPECK_DRAWS),
        scratches=uniform(settings.dust_scratches[1], _SCRATCH_DRAWS),
    )


def _between(uniform: Tensor, limits: tuple[float, float]) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * uniform


def _log_between(uniform: Tensor, limits: tuple[float, float]) -> Tensor:
    return _between(uniform, (math.log(limits[0]), math.log(limits[1]))).exp()


def _whole_between(uniform: Tensor, limits: tuple[int, int]) -> Tensor:
    # Rounding in float32 can carry the product up to the next whole number, hence the clamp.
    return (limits[0] + (limits[1] - limits[0] + 1) * uniform).floor().clamp(max=limits[1])


def _mixes(uniform: Tensor, film: Tensor, settings: DegradationSettings) -> Tensor:
    """Return weights (B, 3) from uniform numbers (B, 2, 3) for the mix and (B, 2) for the kind of film.

    The weights follow a Dirichlet distribution with all parameters 2, which favors mixes of all three channels over
    single ones: the negative logarithm of two uniform numbers' product has a gamma distribution of shape 2. Here
    1 - u is uniform, too, and never 0.
    """
    parts = -torch.log1p(-uniform).sum(dim=1) + 1e-6  # never all zero
    mix = parts / parts.sum(dim=1, keepdim=True)
    red = _between(film[:, 1:], settings.orthochromatic_red)
    blind = torch.cat([red, (1 - red) * parts[:, 1:] / parts[:, 1:].sum(dim=1, keepdim=True)], dim=1)
    return torch.where(film[:, :1] < settings.orthochromatic, blind, mix)


# Gray and lightness ---------------------------------------------------------------------------------------------------

_NODES = 2049


def _gray_axis(space: TrainingSpace, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return tables (2, 2049) of lightness over gray and of gray over lightness, at even steps from 0 to 1.

    On gray images the conversions of a space are functions of one variable. Linear interpolation of 2049 values agrees
    with them to about 1e-6 and takes a fraction of the time of three channels through CIELAB.
    """
    nodes = torch.linspace(0, 1, _NODES, device=like.device, dtype=like.dtype).reshape(1, 1, 1, -1)
    lightness = space.encode(nodes.expand(-1, 3, -1, -1))[0].flatten()
    gray = luma(space.decode(nodes, space.grey(nodes))).flatten()
    return _table(lightness), _table(gray)


def _table(values: Tensor) -> Tensor:
    """Return the values at the nodes and the rises to the next node (2, 2049); the last rise is 0."""
    return torch.stack([values, functional.pad(values.diff(), (0, 1))])


def _look_up(table: Tensor, values: Tensor) -> Tensor:
    """Interpolate linearly at `values` of any shape in [0, 1]. index_select takes half the time of table[0][node]."""
    position = (values.clamp(0, 1) * (_NODES - 1)).flatten()
    node, (start, rise) = position.int(), table.unbind()
    found = start.index_select(0, node).addcmul_(rise.index_select(0, node), position.frac_())
    return found.view(values.shape)


def _per_image(values: Tensor, like: Tensor) -> Tensor:
    """Return one value per image (N,) as (N, 1, 1, 1), on the device and in the type of `like`."""
    return values.to(like).reshape(-1, 1, 1, 1)


# Film and print -------------------------------------------------------------------------------------------------------


def mix_channels(rgb: Tensor, weights: Tensor) -> Tensor:
    """Return the gray image that an emulsion with these sensitivities records.

    Args:
        rgb: (N, 3, H, W), sRGB in [0, 1]. The mix is of encoded values, as luma is.
        weights: (N, 3), not negative, with sum 1.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    return (rgb * weights.to(rgb)[:, :, None, None]).sum(dim=1, keepdim=True).clamp(0, 1)


def apply_gamma(gray: Tensor, exponent: Tensor) -> Tensor:
    """Return `gray` (N, 1, H, W) in [0, 1] to the power of `exponent` (N,)."""
    return gray.clamp(0, 1) ** _per_image(exponent, gray)


def scale_contrast(gray: Tensor, factor: Tensor) -> Tensor:
    """Scale the contrast of `gray` (N, 1, H, W) about 0.5 by `factor` (N,) and clip to [0, 1]."""
    return (0.5 + _per_image(factor, gray) * (gray - 0.5)).clamp(0, 1)


def fade(gray: Tensor, black: Tensor, white: Tensor) -> Tensor:
    """Map `gray` (N, 1, H, W) linearly, so that 0 becomes `black` (N,) and 1 becomes `white` (N,)."""
    return _per_image(black, gray) + _per_image(white - black, gray) * gray


def gaussian_blur(gray: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each image with its own Gaussian, cut off at 4 sigma, on edges padded by replication.

    Args:
        gray: (N, 1, H, W).
        sigma_px: (N,), standard deviations in pixels, above 0.

    Returns:
        (N, 1, H, W); constant images stay as they are.
    """
    radii = (4 * sigma_px + 0.5).floor()
    radius = int(radii.max())
    offsets = torch.arange(-radius, radius + 1.0, device=sigma_px.device)
    taps = torch.exp(-0.5 * (offsets / sigma_px[:, None]) ** 2) * (offsets.abs() <= radii[:, None])
    taps = (taps / taps.sum(dim=1, keepdim=True)).to(gray)
    padded = functional.pad(gray, (radius, radius, radius, radius), mode="replicate")
    return _weighted_slices(_weighted_slices(padded, taps, 2), taps, 3)


def _weighted_slices(image: Tensor, taps: Tensor, dim: int) -> Tensor:
    """Convolve (N, 1, H, W) with symmetric `taps` (N, 2 R + 1) along one dimension, which loses R pixels per side.

    A few multiplications of whole images are faster here than a grouped convolution, and exact in TF32 mode, too.
    """
    radius, size = taps.shape[1] // 2, image.shape[dim] - taps.shape[1] + 1
    total = image.narrow(dim, radius, size) * _per_image(taps[:, radius], image)
    for step in range(1, radius + 1):
        pair = image.narrow(dim, radius - step, size) + image.narrow(dim, radius + step, size)
        total.addcmul_(pair, _per_image(taps[:, radius + step], image))
    return total


_GRAIN_TAP = 0.25
"""Weight of the direct neighbors in the kernel (0.25, 1, 0.25) that makes the grain cover more than one pixel."""


def add_grain(gray: Tensor, strength: Tensor, seeds: Tensor) -> Tensor:
    """Add Gaussian noise that correlates between neighboring pixels and fades toward black and white.

    Args:
        gray: (N, 1, H, W) in [0, 1].
        strength: (N,), standard deviation at mid gray. At g it is 4 g (1 - g) times that: a print clips the grain of
            the negative in its deepest blacks and in paper white.
        seeds: (N,), whole numbers of at least 0: one seed per image.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    height, width = gray.shape[2:]
    noise = torch.empty(len(gray), 1, height + 2, width + 2)
    for image, seed in zip(noise, seeds.tolist(), strict=True):
        image.normal_(generator=torch.Generator().manual_seed(seed))
    taps = torch.tensor([_GRAIN_TAP, 1.0, _GRAIN_TAP]) / math.hypot(1, _GRAIN_TAP, _GRAIN_TAP)  # variance remains 1
    noise = noise.to(gray)
    noise = _weighted_slices(_weighted_slices(noise, taps.expand(len(gray), 3), 2), taps.expand(len(gray), 3), 3)
    return (gray + _per_image(4 * strength, gray) * gray * (1 - gray) * noise).clamp(0, 1)


# Dust -----------------------------------------------------------------------------------------------------------------

_SPECK_STRETCH = (1.0, 2.0)
_SCRATCH_WIDTH_PX = (0.2, 0.7)
_SCRATCH_SLOPE = (-0.2, 0.2)
_SCRATCH_BOW = (-0.05, 0.05)
_SCRATCH_LENGTH = (0.3, 1.2)


@dataclass(frozen=True)
class _Marks:
    """Pixels that specks or scratches cover, all of one shape; `light` and `alive` need only broadcast to it.

    Attributes:
        row: row of the pixel, possibly outside the image.
        column: column of the pixel, possibly outside the image.
        alpha: how much the mark hides of it, in [0, 1].
        light: whether the mark is white instead of black.
        alive: whether the image has this mark.
    """

    row: Tensor
    column: Tensor
    alpha: Tensor
    light: Tensor
    alive: Tensor


def _add_dust(gray: Tensor, specks: Tensor, scratches: Tensor, settings: DegradationSettings) -> Tensor:
    """Cover `gray` (N, 1, H, W) with white and black marks made from uniform numbers (N, K, 8) and (N, S, 10).

    Marks are computed only near their position, so the cost hardly depends on the size of the images.
    """
    size = (gray.shape[2], gray.shape[3])
    cover = torch.zeros(len(gray), 2, *size)
    _cover(cover, _speck_marks(specks, size, settings))
    _cover(cover, _scratch_marks(scratches, size, settings))
    black, white = cover.to(gray).split(1, dim=1)
    dusty: Tensor = (gray + white * (1 - gray)) * (1 - black)
    return dusty


def _cover(cover: Tensor, marks: _Marks) -> None:
    """Raise `cover` (N, 2, H, W), black before white, to the alpha of the marks; overlapping marks do not add up."""
    images, _, height, width = cover.shape
    inside = (marks.row >= 0) & (marks.row < height) & (marks.column >= 0) & (marks.column < width) & marks.alive
    image = torch.arange(images).reshape(-1, *[1] * (marks.alpha.dim() - 1))
    plane = 2 * image + marks.light.long()
    index = (plane * height + marks.row.long()) * width + marks.column.long()
    cover.view(-1).scatter_reduce_(0, index[inside], marks.alpha[inside], "amax")


def _speck_marks(uniform: Tensor, size: tuple[int, int], settings: DegradationSettings) -> _Marks:
    """Return ellipses with soft edges, one patch of pixels (N, K, P, P) around each center."""
    count, row, column, radius, stretch, angle, light, opacity = uniform[..., None, None].unbind(dim=2)
    alive = _alive(count, settings.dust_specks)
    row, column = row * size[0] - 0.5, column * size[1] - 0.5
    stretch = _between(stretch, _SPECK_STRETCH).sqrt()
    radius = _log_between(radius, settings.dust_radius_px)
    reach = math.ceil(settings.dust_radius_px[1] * math.sqrt(_SPECK_STRETCH[1]) + 0.5)
    offsets = torch.arange(-reach, reach + 1.0)
    rows, columns = row.round() + offsets[:, None], column.round() + offsets
    down, right = rows - row, columns - column
    cosine, sine = torch.cos(angle * math.pi), torch.sin(angle * math.pi)
    along, across = (cosine * right + sine * down) / stretch, (cosine * down - sine * right) * stretch
    alpha = _soft(torch.hypot(along, across) - radius) * _between(opacity, settings.dust_opacity)
    rows, columns = torch.broadcast_tensors(rows, columns)
    return _Marks(rows, columns, alpha, light < 0.5, alive)


def _scratch_marks(uniform: Tensor, size: tuple[int, int], settings: DegradationSettings) -> _Marks:
    """Return bowed lines, five pixels wide at each step along the longer way (N, S, L, 5); half of them are upright."""
    drawn = uniform[..., None, None].unbind(dim=2)
    count, upright, start, length, across, slope, bow, width, light, opacity = drawn
    alive = _alive(count, settings.dust_scratches)
    steps = torch.arange(float(max(size)))[:, None]
    way = (steps + 0.5) / max(size)
    begin, length = _between(start, (-0.3, 0.8)), _between(length, _SCRATCH_LENGTH)
    # Slope and bow are shares of the way, so a scratch has the same shape in small and large crops.
    center = across + _between(slope, _SCRATCH_SLOPE) * (way - 0.5) + _between(bow, _SCRATCH_BOW) * (2 * way - 1) ** 2
    center = center * max(size) - 0.5
    pixels = center.round() + torch.arange(-2.0, 3.0)
    alpha = _soft((pixels - center).abs() - _between(width, _SCRATCH_WIDTH_PX) / 2)
    alpha = alpha * _between(opacity, settings.dust_opacity) * ((way >= begin) & (way <= begin + length))
    along = steps.expand_as(pixels)
    rows, columns = torch.where(upright < 0.5, along, pixels), torch.where(upright < 0.5, pixels, along)
    return _Marks(rows, columns, alpha, light < 0.5, alive)


def _alive(count: Tensor, limits: tuple[int, int]) -> Tensor:
    """Return which of K slots (N, K, 1, 1) hold a mark; the first slot's uniform number decides how many do."""
    return torch.arange(limits[1])[:, None, None] < _whole_between(count[:, :1], limits)


def _soft(distance: Tensor) -> Tensor:
    """Return the coverage of a pixel whose center is `distance` px outside an edge (negative: inside)."""
    return (0.5 - distance).clamp(0, 1)


# JPEG -----------------------------------------------------------------------------------------------------------------

_LUMINANCE_TABLE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantization of luminance by rows of the block: ITU-T T.81, Annex K, table K.1."""


def jpeg_compress(gray: Tensor, quality: Tensor) -> Tensor:
    """Return what remains of gray images after baseline JPEG compression (ITU-T T.81), without writing a file.

    Entropy coding loses nothing and is left out. Edges are padded by replication to whole blocks, as libjpeg does.

    Args:
        gray: (N, 1, H, W) in [0, 1].
        quality: (N,), libjpeg's quality setting, whole numbers from 1 to 100.

    Returns:
        (N, 1, H, W) in [0, 1], on the 256 levels of an 8-bit file.
    """
    images, _, height, width = gray.shape
    levels = (gray * 255).round() - 128
    levels = functional.pad(levels, (0, -width % 8, 0, -height % 8), mode="replicate")
    down, right = levels.shape[2] // 8, levels.shape[3] // 8
    blocks = levels.reshape(images, down, 8, right, 8).transpose(2, 3).reshape(images, -1, 64)
    table, dct = _quantization(quality).to(gray)[:, None], _dct().to(gray)
    with torch.autocast(gray.device.type, enabled=False):  # 16-bit products would be coarser than the quantization
        blocks = (((blocks @ dct.T) / table).round() * table) @ dct
    levels = blocks.reshape(images, down, right, 8, 8).transpose(2, 3).reshape(images, 1, down * 8, right * 8)
    return (levels[..., :height, :width] + 128).round().clamp(0, 255) / 255


def _quantization(quality: Tensor) -> Tensor:
    """Return the tables (N, 64) at `quality` (N,), scaled as `jpeg_quality_scaling` of libjpeg does."""
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    table = torch.tensor(_LUMINANCE_TABLE, dtype=torch.float32, device=quality.device)
    return ((table * scale[:, None] + 50) / 100).floor().clamp(1, 255)


@cache
def _dct() -> Tensor:
    """Return the orthonormal DCT of an 8 x 8 block in reading order as one matrix (64, 64), T.81 equation A.3.3."""
    frequency, position = torch.arange(8.0, dtype=torch.float64)[:, None], torch.arange(8.0, dtype=torch.float64)
    rows = torch.cos((2 * position + 1) * frequency * math.pi / 16) / 2
    rows[0] /= math.sqrt(2)
    return torch.kron(rows, rows).float()
