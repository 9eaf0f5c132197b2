from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from scipy import ndimage
from torch import Tensor

from chromalab.color.spaces import SPACES, luma
from chromalab.core.errors import ConfigError
from chromalab.data.sources import sample_path
from chromalab.training import degradations
from chromalab.training.degradation_settings import KINDS, OLD_PHOTOGRAPHS, DegradationSettings, Kind
from chromalab.training.degradations import (
    add_grain,
    apply_gamma,
    degrade,
    fade,
    gaussian_blur,
    jpeg_compress,
    mix_channels,
    scale_contrast,
)

LAB = SPACES["lab"]
EVERYTHING = DegradationSettings.model_validate(dict.fromkeys(KINDS, 1.0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_images(batch: int = 4, height: int = 24, width: int = 24) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=generator(99))


def gray_images(batch: int = 4, height: int = 24, width: int = 24) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=generator(98))


def only(kind: Kind, **ranges: object) -> DegradationSettings:
    return DegradationSettings.model_validate({kind: 1.0} | ranges)


def photo_levels() -> Tensor:
    """Return a gray photo of 121 x 90 pixels, neither of them a multiple of 8, on 256 levels as (1, 1, H, W)."""
    photo = Image.open(sample_path("astronaut")).convert("L").resize((121, 90))
    return torch.from_numpy(np.array(photo)).float()[None, None]


# Settings -------------------------------------------------------------------------------------------------------------


def test_settings_degrade_nothing_by_default() -> None:
    assert [getattr(DegradationSettings(), kind) for kind in KINDS] == [0.0] * len(KINDS)


def test_settings_survive_json() -> None:
    assert DegradationSettings.model_validate_json(OLD_PHOTOGRAPHS.model_dump_json()) == OLD_PHOTOGRAPHS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"gamma_exponent": [1.6, 0.6]}, "gamma_exponent: the range 1.6 to 0.6 is reversed"),
        ({"grain": 1.5}, "grain: Input should be less than or equal to 1"),
        ({"jpeg_quality": [0, 50]}, "jpeg_quality.0: Input should be greater than or equal to 1"),
        ({"blur_sigma_px": [0, 1]}, "blur_sigma_px.0: Input should be greater than 0"),
        ({"black_level": [0, 0.8]}, "black_level reaches 0.8, but white_level starts at 0.8"),
        ({"grains": 0.5}, "did you mean 'grain'"),
    ],
)
def test_settings_reject_wrong_values(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DegradationSettings.parse(data, origin="study.yaml")


# All kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_every_image(kind: Kind, space: str) -> None:
    rgb = noise_images()
    clean = SPACES[space].encode(rgb)[0]
    seen = degrade(rgb, SPACES[space], only(kind, dust_specks=[4, 8], dust_radius_px=[1, 2]), generator())
    assert seen.shape == clean.shape
    assert bool(((seen - clean).abs().amax(dim=(1, 2, 3)) > 0.004).all())


@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("settings", [DegradationSettings(), EVERYTHING.model_copy(update={"share": 0.0})])
def test_nothing_changes_at_probability_zero(settings: DegradationSettings, space: str) -> None:
    rgb = noise_images()
    assert torch.equal(degrade(rgb, SPACES[space], settings, generator()), SPACES[space].encode(rgb)[0])


def test_undegraded_images_stay_bit_identical() -> None:
    rgb = noise_images(64, 9, 9)
    clean = LAB.encode(rgb)[0]
    seen = degrade(rgb, LAB, OLD_PHOTOGRAPHS, generator())
    same = (seen == clean).flatten(1).all(dim=1)
    assert 0 < int(same.sum()) < 64


def test_half_of_the_old_photographs_are_clean() -> None:
    rgb = noise_images(4000, 2, 2)
    same = (degrade(rgb, LAB, OLD_PHOTOGRAPHS, generator()) == LAB.encode(rgb)[0]).flatten(1).all(dim=1)
    # 1 - 0.5 (1 - 0.02): 2% of the crops in the share draw no kind. Dust may miss images of four pixels.
    assert float(same.float().mean()) == pytest.approx(0.51, abs=0.03)


def test_share_multiplies_the_probability_of_a_kind() -> None:
    rgb = noise_images(4000, 2, 2)
    settings = only("fading", share=0.5, black_level=[0.1, 0.2]).model_copy(update={"fading": 0.4})
    same = (degrade(rgb, LAB, settings, generator()) == LAB.encode(rgb)[0]).flatten(1).all(dim=1)
    assert float(same.float().mean()) == pytest.approx(1 - 0.5 * 0.4, abs=0.02)


def test_the_result_depends_only_on_the_generator() -> None:
    rgb = noise_images()
    first, again, other = (degrade(rgb, LAB, EVERYTHING, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_global_random_state_is_not_used() -> None:
    before = torch.get_rng_state()
    degrade(noise_images(), LAB, EVERYTHING, generator())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_which_others_are_degraded(kind: Kind) -> None:
    rgb = noise_images(16)
    all_of_them = degrade(rgb, LAB, only(kind), generator())
    some = degrade(rgb, LAB, only(kind, share=0.5), generator())
    hit = (some != LAB.encode(rgb)[0]).flatten(1).any(dim=1)
    assert 0 < int(hit.sum()) < 16
    # Multiplication of matrices and blurring with a shared radius may round differently in batches of another size.
    torch.testing.assert_close(some[hit], all_of_them[hit], atol=2e-6, rtol=0)


def test_an_image_does_not_depend_on_the_content_of_others() -> None:
    rgb = noise_images()
    other = rgb.clone()
    other[1:] = 0.5
    assert torch.equal(degrade(rgb, LAB, EVERYTHING, generator())[0], degrade(other, LAB, EVERYTHING, generator())[0])


@pytest.mark.slow
def test_batches_and_single_images_are_degraded_alike() -> None:
    rgb = noise_images(1, 8, 8)
    batch = degrade(rgb.expand(400, -1, -1, -1), LAB, OLD_PHOTOGRAPHS, generator()).mean(dim=(1, 2, 3))
    shared = generator(1)
    singles = torch.stack([degrade(rgb, LAB, OLD_PHOTOGRAPHS, shared).mean() for _ in range(400)])
    assert float(batch.mean()) == pytest.approx(float(singles.mean()), abs=0.015)
    assert float(batch.std()) == pytest.approx(float(singles.std()), rel=0.25)


def test_known_lightness_is_used() -> None:
    rgb = noise_images()
    known = degrade(rgb, LAB, EVERYTHING, generator(), lightness=LAB.encode(rgb)[0])
    assert torch.equal(known, degrade(rgb, LAB, EVERYTHING, generator()))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (17, 33)])
@pytest.mark.parametrize("level", [0.0, 1.0, None])
@pytest.mark.parametrize("space", list(SPACES))
def test_lightness_is_finite_and_in_range(space: str, level: float | None, size: tuple[int, int]) -> None:
    rgb = noise_images(8, *size) if level is None else torch.full((8, 3, *size), level)
    for settings in (EVERYTHING, OLD_PHOTOGRAPHS, *(only(kind) for kind in KINDS)):
        seen = degrade(rgb, SPACES[space], settings, generator())
        assert seen.shape == (8, 1, *size)
        assert bool(torch.isfinite(seen).all())
        assert float(seen.min()) >= 0
        assert float(seen.max()) <= 1


def test_the_memory_layout_does_not_matter() -> None:
    rgb = noise_images()
    permuted = rgb.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        degrade(permuted, LAB, EVERYTHING, generator()), degrade(rgb, LAB, EVERYTHING, generator()), atol=1e-5, rtol=0
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_agrees_with_the_cpu() -> None:
    rgb = noise_images()
    settings = EVERYTHING.model_copy(update={"jpeg": 0.0})  # a level of JPEG may round the other way
    on_cuda = degrade(rgb.cuda(), LAB, settings, generator())
    torch.testing.assert_close(on_cuda.cpu(), degrade(rgb, LAB, settings, generator()), atol=1e-5, rtol=0)


# Gray and lightness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", list(SPACES))
def test_tables_agree_with_the_conversions(space: str) -> None:
    lightness_of, gray_of = degradations._gray_axis(SPACES[space], torch.zeros(1))
    values = torch.linspace(0, 1, 100_003).reshape(1, 1, 1, -1)
    lightness = SPACES[space].encode(values.expand(-1, 3, -1, -1))[0]
    gray = luma(SPACES[space].decode(values, SPACES[space].grey(values)))
    torch.testing.assert_close(degradations._look_up(lightness_of, values), lightness, atol=2e-6, rtol=0)
    torch.testing.assert_close(degradations._look_up(gray_of, values), gray, atol=2e-6, rtol=0)


@pytest.mark.parametrize("space", list(SPACES))
def test_degradations_act_on_encoded_gray(space: str) -> None:
    gray = gray_images()
    settings = only("gamma", gamma_exponent=[1.5, 1.5])
    seen = degrade(gray.expand(-1, 3, -1, -1), SPACES[space], settings, generator())
    expected = SPACES[space].encode((gray**1.5).expand(-1, 3, -1, -1))[0]
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)


def test_kinds_are_applied_in_the_stated_order() -> None:
    rgb = noise_images()
    ranges = {"gamma_exponent": [1.4, 1.4], "contrast_factor": [1.2, 1.2], "blur_sigma_px": [0.7, 0.7]}
    levels = {"black_level": [0.1, 0.1], "white_level": [0.9, 0.9], "jpeg_quality": [60, 60]}
    kinds = dict.fromkeys(["gamma", "contrast", "fading", "blur", "jpeg"], 1.0)
    settings = DegradationSettings.model_validate(kinds | ranges | levels)
    gray = scale_contrast(apply_gamma(luma(rgb), torch.tensor(4 * [1.4])), torch.tensor(4 * [1.2]))
    gray = fade(gray, torch.tensor(4 * [0.1]), torch.tensor(4 * [0.9]))
    expected = jpeg_compress(gaussian_blur(gray, torch.tensor(4 * [0.7])), torch.tensor(4 * [60.0]))
    seen = degrade(rgb, SPACES["yuv"], settings, generator())
    # A value on the edge between two levels before compression may round either way.
    assert float((seen - expected).abs().mean()) < 1e-3


# Tones ----------------------------------------------------------------------------------------------------------------


def test_gamma_is_a_power() -> None:
    gray = torch.tensor([0.0, 0.25, 1.0]).reshape(1, 1, 1, 3).expand(2, -1, -1, -1)
    result = apply_gamma(gray, torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(result.flatten(1), torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0625, 1.0]]))


def test_contrast_scales_about_mid_gray_and_clips() -> None:
    gray = torch.tensor([0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 1, 4).expand(2, -1, -1, -1)
    result = scale_contrast(gray, torch.tensor([0.6, 1.6]))
    torch.testing.assert_close(result.flatten(1), torch.tensor([[0.2, 0.35, 0.5, 0.8], [0.0, 0.1, 0.5, 1.0]]))


def test_fading_moves_black_and_white() -> None:
    gray = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)
    result = fade(gray, torch.tensor([0.2]), torch.tensor([0.8]))
    torch.testing.assert_close(result.flatten(), torch.tensor([0.2, 0.5, 0.8]))


def test_gamma_exponents_are_log_uniform() -> None:
    drawn = degradations._draw(only("gamma", gamma_exponent=[0.25, 4.0]), 4000, generator()).exponent
    assert float(drawn.min()) >= 0.25
    assert float(drawn.max()) <= 4
    assert float(drawn.log().mean()) == pytest.approx(0, abs=0.05)


# Spectral mix ---------------------------------------------------------------------------------------------------------


def test_channels_are_mixed_by_their_weights() -> None:
    rgb = noise_images(2)
    weights = torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.6, 0.4]])
    expected = np.einsum("nchw,nc->nhw", rgb.numpy(), weights.numpy())
    np.testing.assert_allclose(mix_channels(rgb, weights)[:, 0].numpy(), expected, atol=1e-6)


def test_luma_weights_give_luma() -> None:
    rgb = noise_images(1)
    torch.testing.assert_close(mix_channels(rgb, torch.tensor([[0.299, 0.587, 0.114]])), luma(rgb))


def test_lightness_of_a_mix_is_that_of_its_gray_image() -> None:
    rgb = noise_images()
    weights = degradations._draw(only("spectral"), 4, generator()).mix
    expected = LAB.encode(mix_channels(rgb, weights).expand(-1, 3, -1, -1))[0]
    torch.testing.assert_close(degrade(rgb, LAB, only("spectral"), generator()), expected, atol=2e-6, rtol=0)


def test_gray_images_have_no_spectral_response() -> None:
    rgb = gray_images().expand(-1, 3, -1, -1)
    torch.testing.assert_close(degrade(rgb, LAB, only("spectral"), generator()), LAB.encode(rgb)[0], atol=2e-6, rtol=0)


def test_panchromatic_mixes_follow_a_dirichlet_distribution() -> None:
    mix = degradations._draw(only("spectral", orthochromatic=0.0), 8000, generator()).mix
    torch.testing.assert_close(mix.sum(dim=1), torch.ones(8000))
    # Dirichlet(2, 2, 2): mean 1/3, variance a (A - a) / (A^2 (A + 1)) = 2 * 4 / (36 * 7).
    torch.testing.assert_close(mix.mean(dim=0), torch.full((3,), 1 / 3), atol=0.01, rtol=0)
    torch.testing.assert_close(mix.var(dim=0), torch.full((3,), 8 / 252), atol=0.002, rtol=0)


def test_orthochromatic_mixes_see_little_red() -> None:
    mix = degradations._draw(only("spectral", orthochromatic=1.0), 1000, generator()).mix
    torch.testing.assert_close(mix.sum(dim=1), torch.ones(1000))
    assert float(mix[:, 0].max()) <= 0.1
    blind = degradations._draw(only("spectral", orthochromatic=1.0, orthochromatic_red=[0, 0]), 9, generator()).mix
    assert torch.equal(blind[:, 0], torch.zeros(9))


# Blur -----------------------------------------------------------------------------------------------------------------


def test_blur_keeps_constant_images() -> None:
    gray = torch.tensor([0.0, 0.37, 1.0]).reshape(3, 1, 1, 1).expand(-1, -1, 11, 5)
    torch.testing.assert_close(gaussian_blur(gray, torch.tensor([0.3, 1.0, 2.5])), gray)


@pytest.mark.parametrize("size", [(24, 31), (3, 2)])
def test_blur_agrees_with_scipy(size: tuple[int, int]) -> None:
    gray, sigma = gray_images(4, *size), torch.tensor([0.3, 0.8, 1.3, 2.6])
    expected = [
        ndimage.gaussian_filter(image[0].double().numpy(), float(each), mode="nearest", truncate=4.0)
        for image, each in zip(gray, sigma, strict=True)
    ]
    np.testing.assert_allclose(gaussian_blur(gray, sigma)[:, 0].numpy(), np.stack(expected), atol=1e-6)


def test_a_tiny_sigma_leaves_the_image() -> None:
    gray = gray_images()
    torch.testing.assert_close(gaussian_blur(gray, torch.full((4,), 1e-3)), gray)


# Grain ----------------------------------------------------------------------------------------------------------------


def grain(level: float, strength: float) -> Tensor:
    gray = torch.full((1, 1, 256, 256), level)
    return add_grain(gray, torch.tensor([strength]), torch.tensor([5])) - gray


@pytest.mark.parametrize("strength", [0.01, 0.05])
def test_strength_of_grain_is_its_standard_deviation_at_mid_gray(strength: float) -> None:
    noise = grain(0.5, strength)
    assert float(noise.std()) == pytest.approx(strength, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=strength / 50)


def test_grain_is_strongest_in_the_midtones() -> None:
    assert float(grain(0.2, 0.02).std()) == pytest.approx(0.02 * 4 * 0.2 * 0.8, rel=0.02)
    assert float(grain(0.0, 0.02).abs().max()) == 0
    assert float(grain(1.0, 0.02).abs().max()) == 0


def test_neighboring_grain_is_correlated() -> None:
    noise = grain(0.5, 0.05)[0, 0].numpy()
    # The kernel (w, 1, w) gives an autocorrelation of 2 w / (1 + 2 w^2) at one pixel and w^2 / (1 + 2 w^2) at two.
    for shift, expected in ((1, 0.5 / 1.125), (2, 0.0625 / 1.125), (3, 0.0)):
        assert np.corrcoef(noise[:, shift:].ravel(), noise[:, :-shift].ravel())[0, 1] == pytest.approx(
            expected, abs=0.02
        )


def test_every_image_has_its_own_grain() -> None:
    gray = torch.full((2, 1, 16, 16), 0.5)
    noisy = add_grain(gray, torch.tensor([0.05, 0.05]), torch.tensor([1, 2]))
    assert not torch.equal(noisy[0], noisy[1])
    single = add_grain(gray[1:], torch.tensor([0.05]), torch.tensor([2]))
    torch.testing.assert_close(noisy[1:], single)


# Dust -----------------------------------------------------------------------------------------------------------------


def dusty(level: float = 0.5, size: int = 64, **ranges: object) -> Tensor:
    rgb = torch.full((32, 3, size, size), level)
    return degrade(rgb, SPACES["yuv"], only("dust", **ranges), generator())[:, 0] - level


def test_specks_are_light_or_dark_and_small() -> None:
    change = dusty(dust_specks=[6, 6], dust_scratches=[0, 0])
    assert float(change.max()) > 0.2
    assert float(change.min()) < -0.2
    assert 0 < float((change.abs() > 0.01).float().mean()) < 0.02


def test_no_marks_leave_the_image() -> None:
    assert float(dusty(dust_specks=[0, 0], dust_scratches=[0, 0]).abs().max()) < 1e-6


def test_the_area_of_a_speck_is_that_of_its_ellipse() -> None:
    change = dusty(0.0, dust_specks=[1, 1], dust_radius_px=[5, 5], dust_scratches=[0, 0], dust_opacity=[1, 1], size=256)
    whole = [image for image in change if image.max() > 0.9 and not border(image).any()]
    assert len(whole) > 5
    for image in whole:
        assert float(image.sum()) == pytest.approx(np.pi * 25, rel=0.05)


def border(image: Tensor) -> Tensor:
    return torch.cat([image[0], image[-1], image[:, 0], image[:, -1]]) > 0


def test_the_number_of_marks_covers_its_range() -> None:
    alive = degradations._alive(torch.rand(2000, 5, 1, 1, generator=generator()), (2, 5)).sum(dim=(1, 2, 3))
    counts = torch.bincount(alive, minlength=6) / 2000
    torch.testing.assert_close(counts, torch.tensor([0, 0, 0.25, 0.25, 0.25, 0.25]), atol=0.04, rtol=0)


def test_opacity_limits_the_change() -> None:
    change = dusty(dust_opacity=[0.2, 0.2], dust_specks=[6, 6], dust_radius_px=[2, 2])
    assert float(change.abs().max()) == pytest.approx(0.5 * 0.2, abs=1e-5)


def test_a_scratch_is_long_and_thin() -> None:
    change = dusty(dust_specks=[0, 0], dust_scratches=[1, 1]).abs() > 0.01
    seen = change[change.flatten(1).any(dim=1)]
    assert len(seen) > 16
    lengths = torch.maximum(seen.any(dim=1).sum(dim=1), seen.any(dim=2).sum(dim=1))
    assert float(lengths.float().mean()) > 16
    # At most three pixels across at each step along the way.
    assert bool((seen.sum(dim=(1, 2)) <= 3 * lengths).all())


# JPEG -----------------------------------------------------------------------------------------------------------------


def pillow_jpeg(levels: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(levels[0, 0].byte().numpy(), mode="L").save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).float()[None, None]


@pytest.mark.parametrize("quality", [5, 30, 49, 50, 75, 95, 100])
def test_jpeg_agrees_with_pillow(quality: int) -> None:
    levels = photo_levels()
    ours = jpeg_compress(levels / 255, torch.tensor([float(quality)])) * 255
    theirs = pillow_jpeg(levels, quality)
    assert float((ours - theirs).abs().mean()) < 0.3
    if quality < 90:  # the agreement is of the compression itself, not of two good copies of the photo
        assert float((levels - theirs).abs().mean()) > 1


def test_quantization_tables_are_those_of_libjpeg() -> None:
    file = io.BytesIO()
    for quality in range(1, 101):
        file.seek(0)
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            assert isinstance(image, JpegImageFile)
            expected = image.quantization[0]
        assert degradations._quantization(torch.tensor([float(quality)]))[0].tolist() == list(expected)


def test_jpeg_uses_the_quality_of_each_image() -> None:
    gray = (photo_levels() / 255).expand(3, -1, -1, -1)
    together = jpeg_compress(gray, torch.tensor([20.0, 60.0, 95.0]))
    for image, quality in zip(together, (20.0, 60.0, 95.0), strict=True):
        single = jpeg_compress(gray[:1], torch.tensor([quality]))[0]
        assert float((image - single).abs().mean()) < 1e-4
    errors = (together - gray).abs().mean(dim=(1, 2, 3))
    assert bool((errors.diff() < 0).all())


def test_jpeg_gives_levels_of_8_bits() -> None:
    levels = jpeg_compress(gray_images(), torch.full((4,), 50.0)) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_the_dct_is_orthonormal() -> None:
    torch.testing.assert_close(degradations._dct() @ degradations._dct().T, torch.eye(64), atol=1e-6, rtol=0)


def test_quality_is_drawn_from_whole_numbers() -> None:
    drawn = degradations._draw(only("jpeg", jpeg_quality=[40, 42]), 500, generator()).quality
    assert sorted(set(drawn.tolist())) == [40.0, 41.0, 42.0]
