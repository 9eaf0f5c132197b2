"""Surveys from a design and folders of images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from skimage.color import deltaE_ciede2000, rgb2lab

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import make_folder
from chromalab.photo.reading import read_photo
from chromalab.photo.writing import write_png
from chromalab.survey.create import (
    Sources,
    consent_notes,
    create_survey,
    only_methods,
    sources_of_comparison,
    sources_of_folders,
    with_methods,
)
from chromalab.survey.design import load_design, parse_design
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.power import power_words, simulate_power
from chromalab.survey.stimuli import damaged_colors, pad_alike, png_chunks, random_colors, stimulus_png
from tests.report.synthetic_study import SyntheticStudy, write_colorized, write_study
from tests.survey.surveys import make_survey, write_pictures


def test_stimuli_are_lossless_equally_long_and_without_metadata(tmp_path: Path) -> None:
    folder, record = make_survey(tmp_path, vigilance=0.2, reference=True)
    for scene in record.scenes:
        files = {name: (folder / "stimuli" / file) for name, file in scene.stimuli.items()}
        assert set(files) == {"alpha", "beta", "gamma", "grey", "random"}
        assert len({path.stat().st_size for path in files.values()}) == 1
        for name, path in files.items():
            assert {kind for kind, _ in png_chunks(path.read_bytes())} == {b"IHDR", b"sRGB", b"IDAT", b"fiLl", b"IEND"}
            if name in {"alpha", "beta", "gamma"}:
                original = read_photo(tmp_path / "pictures" / name / f"{scene.name}.png").rgb
                assert np.array_equal(read_photo(path).rgb, original)
            assert name not in path.name
    assert oct(SurveyFolder(folder).secret_file.stat().st_mode)[-3:] == "600"
    assert SurveyFolder(folder).load() == record


def test_padding_keeps_pixels(tmp_path: Path) -> None:
    small, large = np.zeros((9, 7, 3), np.uint8), np.random.default_rng(0).integers(0, 255, (9, 7, 3)).astype(np.uint8)
    files = pad_alike([stimulus_png(small), stimulus_png(large)])
    assert len(files[0]) == len(files[1])
    for data, expected in zip(files, (small, large), strict=True):
        (tmp_path / "a.png").write_bytes(data)
        assert np.array_equal(read_photo(tmp_path / "a.png").rgb, expected)


def test_random_colors_keep_lightness_and_change_hue() -> None:
    rgb = np.random.default_rng(0).integers(30, 220, (40, 50, 3)).astype(np.uint8)
    found = random_colors(rgb, "a")
    assert np.abs(rgb2lab(found)[..., 0] - rgb2lab(rgb)[..., 0]).max() < 1.5
    assert np.abs(rgb2lab(found)[..., 1:] - rgb2lab(rgb)[..., 1:]).mean() > 10
    assert np.array_equal(found, random_colors(rgb, "a"))
    assert not np.array_equal(found, random_colors(rgb, "b"))


@pytest.mark.parametrize("level", [None, 0, 118, 255], ids=["noise", "black", "gray", "white"])
def test_damaged_colors_differ_grossly_from_any_image(level: int | None) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3))
    rgb = (noise if level is None else np.full_like(noise, level)).astype(np.uint8)
    found = damaged_colors(rgb, "a")
    assert deltaE_ciede2000(rgb2lab(rgb), rgb2lab(found)).mean() > 20
    assert np.array_equal(found, damaged_colors(rgb, "a"))
    assert not np.array_equal(found, damaged_colors(rgb, "b"))


@pytest.mark.parametrize("protocol", ["pairwise", "rating"])
def test_ground_truth_gives_damaged_colors_for_attention_checks(tmp_path: Path, protocol: str) -> None:
    folder, record = make_survey(tmp_path, protocol=protocol, vigilance=0.1, true=True)
    assert record.design.n_vigilance == 3
    assert record.notes == ["vigilance was raised to 0.5, which gives 3 attention checks"]
    assert record.damaged == {scene.name for scene in record.scenes}
    for scene in record.scenes:
        assert set(scene.stimuli) == {"alpha", "beta", "gamma", "truth", "damaged"}
        assert len({(folder / "stimuli" / file).stat().st_size for file in scene.stimuli.values()}) == 1


def test_create_says_why_there_are_fewer_than_three_attention_checks(tmp_path: Path) -> None:
    _, record = make_survey(tmp_path, trials=4, vigilance=0.25)
    assert record.notes == [
        "vigilance was raised to 0.5, which gives 2 attention checks; 3 checks need at least 6 trials",
        "6 of 6 photos lack a ground truth; attention checks on them show random colors",
    ]
    assert record.design.n_vigilance == 2
    assert record.damaged == frozenset()


def two_methods(root: Path) -> Sources:
    """Return 8 photos of two methods with ground truth."""
    folders = write_pictures(root, scenes=8, methods=("flag", "ours"))
    return sources_of_folders(folders, reference=None, truth=root / "truth", common=False)


def test_a_built_in_design_asks_for_no_more_trials_than_the_photos_allow(tmp_path: Path) -> None:
    sources = two_methods(tmp_path / "pictures")
    record = create_survey(load_design(Path("preference")), sources, tmp_path / "survey", preset="preference")
    assert (record.design.trials, record.design.n_vigilance) == (8, 3)
    assert record.notes == [
        "trials was lowered from 20 to 8, the most that 8 photos and 2 methods allow without repetition",
        "vigilance was raised to 0.375, which gives 3 attention checks",
    ]


def test_an_own_design_with_too_many_trials_is_told_which_lines_to_write(tmp_path: Path) -> None:
    sources = two_methods(tmp_path / "pictures")
    plan = {"protocol": "pairwise", "trials": 20, "vigilance": 0.2}
    fault = r"trials: 20 is too many.*write `trials: 8` and `vigilance: 0\.375` in the design, or add photos"
    with pytest.raises(ConfigError, match=fault):
        create_survey(parse_design(plan, origin=""), sources, tmp_path / "survey")
    with pytest.raises(ConfigError, match=r"write `trials: 8` in the design"):
        create_survey(parse_design(plan | {"vigilance": 0.4}, origin=""), sources, tmp_path / "survey")
    told = plan | {"trials": 8, "vigilance": 0.375}
    assert create_survey(parse_design(told, origin=""), sources, tmp_path / "survey").notes == []


@pytest.mark.parametrize("name", ["objectives", "objectives-fooling"])
def test_a_built_in_design_for_a_study_says_so_for_other_images(tmp_path: Path, name: str) -> None:
    sources = two_methods(tmp_path / "pictures")
    fault = rf"design {name} compares the objectives l1, l2, .* flag and ours; give --from-compare .* design preference"
    with pytest.raises(ConfigError, match=fault):
        create_survey(load_design(Path(name)), sources, tmp_path / "survey", preset=name)
    with pytest.raises(ConfigError, match=r"analysis\.primary names 'l1', .* flag and ours; name only these methods"):
        create_survey(load_design(Path(name)), sources, tmp_path / "survey")


def test_a_note_says_what_the_consent_form_lacks() -> None:
    (note,) = consent_notes(load_design(Path("preference")))
    assert note.startswith("consent.contact and consent.institution are empty, so the consent form does not say who")
    plan = {"protocol": "pairwise", "languages": ["en"], "consent": {"institution": "University of Example"}}
    (note,) = consent_notes(parse_design(plan, origin=""))
    assert note.startswith("consent.contact is empty")
    assert consent_notes(parse_design(plan | {"consent": {"text": {"en": "Ask me."}}}, origin="")) == []
    (note,) = consent_notes(parse_design(plan | {"consent": {"text": {"en": "Ask {contact}."}}}, origin=""))
    assert note.startswith("consent.contact is empty")


def test_practice_with_feedback_needs_ground_truth(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="feedback: true needs ground-truth photos"):
        make_survey(tmp_path, feedback=True)


def test_unmatched_photos_are_reported(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    (folders["beta"] / "scene1.png").unlink()
    with pytest.raises(UsageError, match=r"lacks scene1.*--common"):
        sources_of_folders(folders, reference=None, truth=None, common=False)
    assert len(sources_of_folders(folders, reference=None, truth=None, common=True).files) == 5
    with pytest.raises(UsageError, match="'truth' is reserved"):
        sources_of_folders({"truth": folders["beta"]}, reference=None, truth=None, common=False)
    with pytest.raises(UsageError, match="holds no study"):
        sources_of_comparison(tmp_path, seed=None, space=None)


def test_another_size_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "pictures" / "beta" / "scene0.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ConfigError, match="at most 18"):
        make_survey(tmp_path, trials=19)
    write_png(tmp_path / "pictures" / "beta" / "scene0.png", np.zeros((8, 8, 3), np.uint8))
    folders = {name: tmp_path / "pictures" / name for name in ("alpha", "beta")}
    sources = sources_of_folders(folders, reference=None, truth=None, common=False)
    with pytest.raises(UsageError, match="to one size first"):
        create_survey(parse_design({"protocol": "pairwise", "trials": 2}, origin=""), sources, tmp_path / "new")


def test_a_survey_is_never_overwritten(tmp_path: Path) -> None:
    make_survey(tmp_path)
    with pytest.raises(UsageError, match="never overwritten"):
        make_survey(tmp_path)


def test_rankings_need_enough_methods(tmp_path: Path) -> None:
    _, record = make_survey(tmp_path / "three", protocol="rank_order")
    assert record.design.per_trial == 3  # the frozen design states it
    with pytest.raises(ConfigError, match="4 images need as many methods, but there are 3"):
        make_survey(tmp_path / "four", protocol="rank_order", per_trial=4)
    with pytest.raises(UsageError, match="at least three methods, but got 2"):
        make_survey(tmp_path / "two", protocol="rank_order", methods=("alpha", "beta"))
    with pytest.raises(ConfigError, match="at most 6"):
        make_survey(tmp_path / "long", protocol="rank_order", trials=7)


@pytest.mark.slow
def test_power_grows_with_people_and_false_alarms_stay_low() -> None:
    plan = parse_design(
        {"protocol": "pairwise", "trials": 30, "power": {"difference": 0.8, "simulations": 100}}, origin=""
    )
    table = simulate_power(plan, ["a", "b", "c"], [f"s{k}" for k in range(30)])
    powers = [row.power for row in table.rows]
    assert powers[-1] > 0.9
    assert powers[0] < powers[-1]
    assert np.mean([row.false_alarms for row in table.rows]) < 0.1
    assert table.needed is not None


@pytest.mark.slow
def test_power_says_in_words_what_few_photos_limit() -> None:
    """With 3 photos, photos alone leave a t test on 2 degrees of freedom, however many participants take part."""
    plan = parse_design({"protocol": "pairwise", "trials": 30, "power": {"simulations": 20}}, origin="")
    table = simulate_power(plan, ["a", "b", "c"], ["x", "y", "z"])
    assert table.limit is not None
    assert table.limit_equivalence is not None
    words = power_words(table)
    assert words[0].startswith("with 3 photos no number of participants suffices to find a difference of 0.4: power")
    assert words[0].endswith(f"at least {table.limit.photos_needed} photos are needed")
    assert words[1].startswith("with 3 photos no number of participants suffices to show that a difference is within")

    generator = np.random.default_rng(0)
    effects = 0.4 + 0.4 * 2**0.5 * generator.normal(size=(20_000, 3, 1))
    votes = special.expit(effects + 0.5 * 2**0.5 * generator.normal(size=(20_000, 3, 400))).mean(axis=2) - 0.5
    assert table.limit.power == pytest.approx((stats.ttest_1samp(votes, 0, axis=1).pvalue < 0.05).mean(), abs=0.02)
    enough = simulate_power(plan, ["a", "b", "c"], [f"s{k}" for k in range(table.limit.photos_needed or 0)])
    assert enough.limit is not None
    assert enough.limit.power >= 0.8


def test_power_without_differences_between_photos_has_no_limit() -> None:
    plan = parse_design(
        {"protocol": "rating", "trials": 30, "power": {"photo_sd": 0, "simulations": 20}, "analysis": {"margin": 2}},
        origin="",
    )
    table = simulate_power(plan, ["a", "b"], ["x", "y", "z"])
    assert table.limit is not None
    assert table.limit.power == 1
    assert table.margin == 2
    assert "no number" not in " ".join(power_words(table))


@pytest.mark.slow
def test_a_study_gives_test_photos_and_archive_photos(tmp_path: Path) -> None:
    made = SyntheticStudy(seeds=(3, 4), absent=())
    write_study(tmp_path / "compare", made)
    write_colorized(tmp_path / "compare", made)
    sources = sources_of_comparison(tmp_path / "compare", seed=4, space=None)
    assert sources.methods == sorted(made.objectives)
    assert len(sources.files) == 5
    archive = sources.files["archive/portrait"]
    assert "truth" not in archive
    assert all(path.name == f"{name}-lab-s4.png" for name, path in archive.items() if name != "grey")
    with pytest.raises(UsageError, match=r"seeds \[3, 4\]"):
        sources_of_comparison(tmp_path / "compare", seed=0, space=None)
    plan = parse_design({"protocol": "pairwise", "trials": 9, "size_px": 128}, origin="")
    record = create_survey(plan, sources, tmp_path / "study")
    assert max(max(scene.width_px, scene.height_px) for scene in record.scenes) <= 128
    fooling = parse_design({"protocol": "real_or_fake", "trials": 4}, origin="")
    assert len(create_survey(fooling, sources, tmp_path / "fake").scenes) == 4
    two = only_methods(sources, ["l1", "l2"])
    built_in = create_survey(load_design(Path("preference")), two, tmp_path / "two", preset="preference")
    assert built_in.design.trials == 5
    # Another method colorized the study's gray photos, all but one of the test photos.
    names = sorted(name for name in sources.files if not name.startswith("archive/"))
    for name in names[1:]:
        shutil.copy(sources.files[name]["grey"], make_folder(tmp_path / "new") / f"{name}.png")
    with pytest.raises(UsageError, match="lacks"):
        with_methods(sources, {"new": tmp_path / "new"}, common=False)
    some = with_methods(only_methods(sources, ["l1"]), {"new": tmp_path / "new"}, common=True)
    assert some.methods == ["l1", "new"]
    assert sorted(some.files) == names[1:]
    assert {frozenset(own) for own in some.files.values()} == {frozenset({"l1", "new", "truth", "grey"})}
    with pytest.raises(UsageError, match="choose another name"):
        with_methods(sources, {"l1": tmp_path / "new"}, common=True)
    with pytest.raises(UsageError, match="no such method; available: l1"):
        only_methods(sources, ["l3"])
