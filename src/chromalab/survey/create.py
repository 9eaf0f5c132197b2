"""Create a survey from a design and folders of images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import make_folder, sha256_bytes, write_bytes
from chromalab.core.progress import progress
from chromalab.core.wording import listing, plural
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import read_photo
from chromalab.studies.records import StudyRecord, run_id
from chromalab.survey.design import DAMAGEABLE, DAMAGED, GREY, MIN_CHECKS, RANDOM, RESERVED, TRUTH, Design
from chromalab.survey.folder import Scene, SurveyFolder, SurveyRecord
from chromalab.survey.schedule import largest_number_of_trials
from chromalab.survey.stimuli import damaged_colors, fit_image, pad_alike, random_colors, stimulus_png, to_gray
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_SHOWN = 3


@dataclass(frozen=True)
class Sources:
    """Image files by photo and then by method (or `truth` and `grey`)."""

    files: dict[str, dict[str, Path]]
    methods: list[str]
    described: dict[str, str]
    notes: list[str] = field(default_factory=list)


def sources_of_folders(
    images: Mapping[str, Path], *, reference: Path | None, truth: Path | None, common: bool
) -> Sources:
    """Match the photos of several folders by name, ignoring suffixes.

    Args:
        images: folder of each method.
        reference: folder of the gray photos.
        truth: folder of the ground-truth photos.
        common: whether to leave out photos that any folder lacks, instead of raising an error.

    Raises:
        UsageError: a folder is missing or empty, a photo is missing in a folder, or no photo is in all folders.
    """
    for name in images:
        if name in RESERVED or not name:
            raise UsageError(f"the method name '{name}' is reserved; choose another")
    folders = {**images, **({GREY: reference} if reference else {}), **({TRUTH: truth} if truth else {})}
    found = {name: _by_name(folder) for name, folder in folders.items()}
    everywhere = set.intersection(*(set(photos) for photos in found.values()))
    notes = []
    for name, photos in found.items():
        others = sorted(set().union(*found.values()) - set(photos))
        if others and name in images and not common:
            raise UsageError(
                f"{folders[name]} ({name}) lacks {_listed(others)}; add these photos, or pass --common to leave them "
                "out of all methods"
            )
        if others:
            notes.append(f"{len(others)} photos are missing in {name} and were left out")
    if not everywhere:
        raise UsageError(
            f"no photo is in all of {', '.join(folders)}; name the images of a photo alike apart from the suffix"
        )
    files = {name: {method: found[method][name] for method in folders} for name in sorted(everywhere)}
    return Sources(files, sorted(images), {name: str(folder) for name, folder in folders.items()}, notes)


def _by_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_photos(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UsageError(f"{folder} holds both {found[name].name} and {path.name}; keep one file per name")
        found[name] = path
    return found


def sources_of_comparison(root: Path, *, seed: int | None, space: str | None) -> Sources:
    """Return the images of a finished study: its test photos and the archive photos it colorized.

    Args:
        root: output folder of `compare run`.
        seed: seed of the networks; None takes the study's first.
        space: training space; None takes the study's first.

    Raises:
        UsageError: the folder holds no study, or no photo with an image of every objective.
    """
    if not (root / "study.json").is_file():
        raise UsageError(f"{root} holds no study; give the folder OUT of `chromalab compare run --out OUT`")
    study = StudyRecord.load(root / "study.json")
    seed = study.seeds[0] if seed is None else seed
    space = study.color_spaces[0] if space is None else space
    if seed not in study.seeds or space not in study.color_spaces:
        raise UsageError(
            f"{root} has no seed {seed} in {space}; available: seeds {study.seeds}, "
            f"spaces {', '.join(study.color_spaces)}"
        )
    runs = {objective.id: run_id(objective.id, space, seed) for objective in study.objectives}
    files: dict[str, dict[str, Path]] = {}
    pictures = root / "pictures"
    for path in sorted((pictures / TRUTH).glob("*.png")):
        own = {name: pictures / run / path.name for name, run in runs.items()}
        files[path.stem] = {TRUTH: path, GREY: pictures / GREY / path.name, **own}
    for folder in sorted(path for path in (root / "colorized").glob("*") if path.is_dir()):
        own = {name: folder / f"{run}.png" for name, run in runs.items()}
        files[f"archive/{folder.name}"] = {GREY: folder / "grey.png", **own}
    complete = {name: found for name, found in files.items() if all(path.is_file() for path in found.values())}
    if not complete:
        raise UsageError(f"{root} has no photo with an image of every objective; let `chromalab compare run` finish")
    left = len(files) - len(complete)
    notes = [f"{left} photos lack an image of some objective and were left out"] if left else []
    return Sources(complete, sorted(runs), {"comparison": f"{study.name}, seed {seed}, {space}"}, notes)


def with_methods(sources: Sources, images: Mapping[str, Path], *, common: bool) -> Sources:
    """Return the images of a study together with those of other methods for the same photos.

    Args:
        sources: the study's images, from `sources_of_comparison`.
        images: folder of each other method; the files have the names of those in the study's `pictures/grey`.
        common: whether to leave out photos that any folder lacks, instead of raising an error.

    Raises:
        UsageError: a method's name is taken, a folder is missing or lacks a photo, or no photo is left.
    """
    taken = sorted(set(images) & {*sources.methods, *RESERVED})
    if taken:
        raise UsageError(f"--images {taken[0]}: the study has images of that name; choose another name")
    files, notes = dict(sources.files), list(sources.notes)
    for name, folder in images.items():
        found = _by_name(folder)
        lacking = [photo for photo in files if photo not in found]
        if lacking and not common:
            raise UsageError(
                f"{folder} ({name}) lacks {_listed(lacking)}; colorize the gray photos of the study into it, or pass "
                "--common to leave these photos out"
            )
        if lacking:
            notes.append(f"{len(lacking)} photos are missing in {name} and were left out")
        files = {photo: {**own, name: found[photo]} for photo, own in files.items() if photo in found}
    if not files:
        raise UsageError(f"no photo of the study is in {', '.join(map(str, images.values()))}")
    described = sources.described | {name: str(folder) for name, folder in images.items()}
    return Sources(files, sorted([*sources.methods, *images]), described, notes)


def only_methods(sources: Sources, names: Sequence[str]) -> Sources:
    """Return the images of some methods, with the gray and true photos.

    Raises:
        UsageError: a method is unknown.
    """
    for name in names:
        if name not in sources.methods:
            raise UsageError(f"--method {name}: there is no such method; available: {', '.join(sources.methods)}")
    kept = {*names, TRUTH, GREY}
    files = {photo: {name: path for name, path in own.items() if name in kept} for photo, own in sources.files.items()}
    return replace(sources, files=files, methods=sorted(set(names)))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def create_survey(design: Design, sources: Sources, out: Path, *, preset: str | None = None) -> SurveyRecord:
    """Prepare blinded stimuli and write the folder of a survey.

    Args:
        design: the design.
        sources: the images.
        out: folder of the survey.
        preset: name of the built-in design that `design` is. Its trials are lowered to what the images allow.

    Raises:
        UsageError: `out` is not empty, or the images of one photo differ in size.
        ConfigError: the design asks for more trials than the images allow.
        OutputError: the folder cannot be written.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; choose another folder (a survey is never overwritten)")
    design, sources = check_design(design, sources, preset=preset)
    folder = SurveyFolder(out)
    make_folder(folder.stimuli)
    scenes = []
    with progress("preparing", len(sources.files)) as advance:
        for name, files in sources.files.items():
            scenes.append(_prepare(folder, design, name, files))
            advance()
    record = SurveyRecord(
        design=design,
        methods=sources.methods,
        scenes=scenes,
        notes=sources.notes,
        sources=sources.described,
        version=__version__,
    )
    folder.make_secret()
    record.save(folder.survey_json)
    return record


def check_design(design: Design, sources: Sources, *, preset: str | None = None) -> tuple[Design, Sources]:
    """Return the design and the photos that it can use.

    Args:
        design: the design.
        sources: the images.
        preset: name of the built-in design that `design` is. Its trials are lowered to what the images allow.

    Raises:
        ConfigError: the design asks for more trials than the images allow, or plans a comparison of unknown methods.
        UsageError: there are too few methods, or no photo has a ground truth.
    """
    n = len(sources.methods)
    if design.protocol == "pairwise" and n < 2:
        raise UsageError(f"protocol pairwise needs at least two methods, but got {n}; give --images NAME=DIR for each")
    if design.protocol == "rank_order":
        design = _with_images_per_trial(design, n)
    if n < 1:
        raise UsageError("no methods given; give --images NAME=DIR for each")
    _check_primary(design, sources.methods, preset)
    if design.protocol == "real_or_fake":
        kept = {name: files for name, files in sources.files.items() if TRUTH in files}
        if not kept:
            raise UsageError("protocol real_or_fake needs the ground-truth photos; give --truth DIR")
        lost = len(sources.files) - len(kept)
        notes = [*sources.notes, *([f"{lost} photos without ground truth were left out"] if lost else [])]
        sources = Sources(kept, sources.methods, sources.described, notes)
    if design.feedback and not any(TRUTH in files for files in sources.files.values()):
        raise ConfigError("feedback: true needs ground-truth photos for the practice; give --truth DIR, or remove it")
    if design.reference and not all(GREY in files for files in sources.files.values()):
        raise ConfigError("reference: true needs the gray photos; give --reference DIR")
    design, lowered = _with_possible_trials(design, sources, preset)
    design, notes = _enough_checks(design, sources)
    return design, replace(sources, notes=[*sources.notes, *lowered, *notes])


def _check_primary(design: Design, methods: Sequence[str], preset: str | None) -> None:
    """Raise an error if the plan compares methods that the survey does not have."""
    planned = sorted({name for pair in design.analysis.primary or () for name in pair})
    missing = [name for name in planned if name not in methods]
    if not missing:
        return
    if preset is None:
        raise ConfigError(
            f"analysis.primary names '{missing[0]}', but the survey compares {listing(methods)}; name only these "
            "methods there, or remove analysis.primary"
        )
    raise ConfigError(
        f"the built-in design {preset} compares the objectives {listing(planned)} of a study, but the survey compares "
        f"{listing(methods)}; give --from-compare STUDY with a study of all these objectives, or use the built-in "
        "design preference, which compares any methods"
    )


def _with_possible_trials(design: Design, sources: Sources, preset: str | None) -> tuple[Design, list[str]]:
    """Return the design with no more trials than the images allow, and what was changed."""
    n_photos, n_methods = len(sources.files), len(sources.methods)
    possible = largest_number_of_trials(design, n_methods, n_photos)
    if design.trials <= possible:
        return design, []
    fitting = design.model_copy(update={"trials": possible})
    images = f"{plural(n_photos, 'photo')} and {plural(n_methods, 'method')}"
    if preset is not None:
        note = f"trials was lowered from {design.trials} to {possible}, the most that {images} allow without repetition"
        return fitting, [note]
    lines = [f"`trials: {possible}`"]
    if (share := _share_of_checks(fitting)) != design.vigilance:
        lines.append(f"`vigilance: {share:.3g}`")
    raise ConfigError(
        f"trials: {design.trials} is too many; {images} allow at most {possible} without repetition; write "
        f"{listing(lines)} in the design, or add photos"
    )


_MOST_CHECKS = 0.5


def _share_of_checks(design: Design) -> float:
    """Return the share of attention checks, raised if it gives any, but fewer than `MIN_CHECKS`."""
    few = design.vigilance > 0 and design.n_vigilance < MIN_CHECKS
    return min(_MOST_CHECKS, MIN_CHECKS / design.trials) if few else design.vigilance


def _enough_checks(design: Design, sources: Sources) -> tuple[Design, list[str]]:
    """Return the design with at least `MIN_CHECKS` attention checks if it has any, and what to know about them."""
    if not design.vigilance:
        return design, []
    notes = []
    if design.n_vigilance < MIN_CHECKS:
        share = _share_of_checks(design)
        verb = "was raised to" if share > design.vigilance else "is"
        design = design.model_copy(update={"vigilance": share})
        notes.append(
            f"vigilance {verb} {share:.3g}, which gives {design.n_vigilance} attention checks"
            + ("" if design.n_vigilance >= MIN_CHECKS else f"; {MIN_CHECKS} checks need at least 6 trials")
        )
    lacking = sum(TRUTH not in files for files in sources.files.values())
    if lacking and design.protocol != "real_or_fake":
        notes.append(
            f"{lacking} of {len(sources.files)} photos lack a ground truth; attention checks on them show random colors"
        )
    return design, notes


_CONSENT_FACTS = {"contact": "who answers questions", "institution": "who runs the study"}


def consent_notes(design: Design) -> list[str]:
    """Return what the consent form does not say, and where to state it."""
    forms = [design.consent.text.get(language) for language in design.languages]
    lacking = {
        f"consent.{key}": fact
        for key, fact in _CONSENT_FACTS.items()
        if not getattr(design.consent, key) and any(not form or f"{{{key}}}" in form for form in forms)
    }
    if not lacking:
        return []
    are, them = ("is", "it") if len(lacking) == 1 else ("are", "them")
    note = f"{listing(lacking)} {are} empty, so the consent form does not say {listing(lacking.values())}"
    return [f"{note}; set {them} in the design, or in survey.json before `survey serve`"]


def _with_images_per_trial(design: Design, n_methods: int) -> Design:
    """Return a design for ranking with the number of images that a trial shows."""
    if n_methods < 3:
        raise UsageError(
            f"protocol rank_order needs at least three methods, but got {n_methods}; use protocol pairwise for two"
        )
    shown = design.n_shown(n_methods)
    if shown > n_methods:
        raise ConfigError(f"per_trial: {shown} images need as many methods, but there are {n_methods}; lower per_trial")
    return design.model_copy(update={"per_trial": shown})


def _prepare(folder: SurveyFolder, design: Design, name: str, files: Mapping[str, Path]) -> Scene:
    images: dict[str, NDArray[np.uint8]] = {}
    size: tuple[int, ...] | None = None
    for method, path in files.items():
        rgb = read_photo(path).rgb
        if size is not None and rgb.shape != size:
            raise UsageError(
                f"{path} has {rgb.shape[1]}x{rgb.shape[0]} px, but other images of {name} have "
                f"{size[1]}x{size[0]}; resize them to one size first"
            )
        size = rgb.shape
        images[method] = fit_image(rgb, design.size_px, square=design.square)
    first = next(iter(images.values()))
    if (design.vigilance > 0 or design.feedback) and design.protocol in DAMAGEABLE and TRUTH in images:
        images[DAMAGED] = damaged_colors(images[TRUTH], name)
    elif design.vigilance > 0:
        images[RANDOM] = random_colors(images.get(GREY, first), name)
    if design.reference:
        images[GREY] = to_gray(images[GREY])
    else:
        images.pop(GREY, None)
    files_of = dict(zip(images, pad_alike([stimulus_png(rgb) for rgb in images.values()]), strict=True))
    stimuli = {}
    for method, png in files_of.items():
        stimuli[method] = f"{sha256_bytes(png)[:32]}.png"
        write_bytes(folder.stimuli / stimuli[method], png)
    return Scene(name=name, width_px=first.shape[1], height_px=first.shape[0], stimuli=stimuli)
