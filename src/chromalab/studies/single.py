"""A single training from a recipe: photos, network, periodic validation, and the exported model.

The folder of a training holds

    training.json      TrainingRecord: the recipe as run, the photos, and the progress of the training
    skipped.csv        photos that were left out, each with the reason
    train.csv          log of the training loop, see `chromalab.studies.records`
    validation.csv     one row per validation: crops, minutes, and the mean of every validation metric
    bin_weights.npy    weights of the ab bins in the objective, if it has any
    checkpoint.pt      state from which the same command resumes; removed at the end
    best.safetensors   weights with the lowest validation CIEDE2000 so far
    model.safetensors  final weights, also exported as model.onnx with its record model.yaml
    metrics.csv        every metric of every validation photo at the end
    samples/           gray input, ground truth and output for some validation photos
"""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chromalab.color.bins import PriorRecord, load_prior
from chromalab.core.errors import UsageError
from chromalab.core.files import explain_write_errors, lock, make_folder, write_text
from chromalab.core.progress import progress
from chromalab.data.cache import open_cache
from chromalab.data.feed import CropFeed
from chromalab.data.library import FolderRecord, FolderShare, Library, LibraryRecord, open_library
from chromalab.data.photoset import WeightedPhotos
from chromalab.data.prior import count_bins
from chromalab.data.sources import sample_sources
from chromalab.data.split import split_photos
from chromalab.data.usable import COLOURLESS_THRESHOLD
from chromalab.evaluation.scoring import BASELINES, Scores, make_evaluator, score
from chromalab.losses.compose import build
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.resizing import resize_shortest_side
from chromalab.studies.config import SAMPLES
from chromalab.studies.objectives import resolve_objective
from chromalab.studies.opening import plugins_used
from chromalab.studies.photos import keep_prior, kept_prior, save_skipped
from chromalab.studies.recipe import (
    Recipe,
    TrainingRecord,
    Validation,
    best_of,
    flattened,
    validation_csv,
    without_paths,
)
from chromalab.training.build import build_colorizer, count_parameters
from chromalab.training.checkpoints import BEST, CHECKPOINT, MODEL, drawn_before, load_model, save_model
from chromalab.training.devices import make_fabric
from chromalab.training.export import export_colorizer, trained_bin_weights
from chromalab.training.job import Spent, TrainingJob
from chromalab.training.loop import train
from chromalab.training.models import check_schedules
from chromalab.weights.colorizers import SizeSpec, allowed_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.core.progress import Advance
    from chromalab.data.photoset import Photographs
    from chromalab.nets.unet import Colorizer
    from chromalab.studies.records import PluginFact
    from chromalab.training.settings import RuntimeSettings, TrainingSettings
    from chromalab.weights.colorizers import ColorizerSpec

VALIDATION_METRICS = ("psnr", "delta_e_2000", "lpips_alex", "chroma", "colorfulness")
"""Metrics of the validation photos, by which recipes are chosen; test photos are not used for this."""

SAMPLE_PHOTOS = 6
_PRIOR_CROPS = 1024
_PRIOR_PX = 64


def run_training(
    recipe: Recipe, out: Path, runtime: RuntimeSettings, *, plugins: Sequence[PluginFact] = ()
) -> TrainingRecord:
    """Train by a recipe, or resume an interrupted training, and return the record.

    A finished training is not repeated. On several devices the network is validated only at the end.

    Args:
        recipe: network, objective, photos and budget.
        out: the folder of the training.
        runtime: device, precision and threads.
        plugins: loaded plugins; the record names those whose losses are used.

    Raises:
        UsageError: a name is wrong, there are no usable photos, weights are missing, another process trains in `out`,
            or `out` holds a training with other settings.
        NonFiniteError: the training diverged; the message names the term.
        OutputError: `out` cannot be written.
    """
    make_folder(out)
    with locked(out):
        return _Training(recipe, out, runtime, plugins).run()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder of a training against other processes.

    Raises:
        UsageError: another process trains in the folder.
        OutputError: the folder cannot be written.
    """
    path = folder / ".lock"
    with explain_write_errors(path):
        opened = path.open("w")
    with opened as file:
        try:
            lock(file, path)
        except BlockingIOError:
            path = folder / "training.json"
            status = f" ({TrainingRecord.load(path).summary})" if path.exists() else ""
            raise UsageError(
                f"another process trains in {folder}{status}; wait for it, or choose another --out"
            ) from None
        yield


class _Training:
    """A running training."""

    def __init__(self, recipe: Recipe, out: Path, runtime: RuntimeSettings, plugins: Sequence[PluginFact]) -> None:
        self.recipe, self.out, self.runtime = recipe, out, runtime
        self.fabric = make_fabric(runtime)
        self.objective = resolve_objective(recipe.loss, recipe.training, recipe.perceptual)
        self.settings = self.objective.training or recipe.training
        # Checked before the photos are opened, which may take long, so that wrong settings are reported at once.
        check_schedules(build(self.objective.formula), self.settings)
        needs = self.objective.needs
        network, self.encoder_start = build_colorizer(self.settings.network, recipe.color_space, recipe.seed, needs)
        self.parameters = count_parameters(network)
        self.library = open_photographs(recipe, self.settings.largest_crop_px)
        self.feed = feed_of(self.library, self.settings, recipe.seed)
        self.plugins = plugins_used(plugins, [self.objective.formula])
        self.earlier = self._earlier()
        prior = self._prior() if "prior" in needs else None
        formula, space, seed = self.objective.formula, recipe.color_space, recipe.seed
        self.job = TrainingJob(formula, space, seed, self.settings, runtime, out, prior, same_photos=False)
        self.evaluator = make_evaluator(metrics=VALIDATION_METRICS, device=self.fabric.device)
        self.record = self._opened()
        self._advance: Advance | None = None
        self._reported_s = 0

    def run(self) -> TrainingRecord:
        """Train to the end of the budget."""
        if self.record.finished:
            return self.record
        if self.settings.network.start is not None and self.earlier is None:
            sys.stderr.write(f"initial weights: {self.encoder_start}\n")
        minutes = self.settings.minutes
        total, unit = (self.settings.images, "crops") if minutes is None else (round(60 * minutes), "seconds")
        title = f"training {self.recipe.name}" + (", resumed" if drawn_before(self.out) else "")
        self._reported_s = round(60 * self.record.minutes)
        done = 0 if minutes is None else self._reported_s  # the loop counts the crops of its checkpoint
        with progress(title, total, unit=unit, done=done) as advance:
            self._advance = None if minutes is None else advance
            outcome = train(
                self.job,
                self.library.train,
                samples=sample_crops(self.library.val, self.settings.largest_crop_px),
                watch=self.watch if self.runtime.devices == 1 else None,
                advance=advance if minutes is None else None,
            )
        self._finish(outcome.colorizer, outcome.spent)
        return self.record

    def watch(self, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        """Validate the network if a validation is due; see `training.job.Watch`."""
        if self._advance is not None:
            now = min(round(spent.seconds), round(60 * (self.settings.minutes or 0)))
            if now > self._reported_s:
                self._advance(now - self._reported_s, note=f"{spent.drawn:,} crops")
            self._reported_s = now
        known = [each.minutes for each in self.record.validations if each.images < spent.drawn]
        if last:
            return True  # save a checkpoint of the trained network, from which the remaining steps can be repeated
        if not len(self.library.val) or spent.seconds / 60 - max(known, default=0.0) < self.recipe.validate_every_min:
            return False
        self._validate(spent, colorizer)
        return True

    def _validate(self, spent: Spent, colorizer: Colorizer) -> Scores:
        scores = self._measured(colorizer, spread(self.library.val, self.recipe.validate_on))
        metrics = means(scores)
        validation = Validation(images=spent.drawn, minutes=minutes_of(spent), metrics=metrics)
        # A killed training may have been validated after its last checkpoint; those validations are repeated.
        validations = [*(each for each in self.record.validations if each.images < spent.drawn), validation]
        if best_of(validations) is validation:
            save_model(self.out, colorizer, BEST)
        bounds = {} if self.record.grey else {name: self._bound(colorize) for name, colorize in BASELINES.items()}
        self._save(spent, validations=validations, **bounds)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        sys.stderr.write(f"validation at {spent.drawn:,} crops, {spent.seconds / 60:.0f} minutes: {shown}\n")
        return scores

    def _measured(self, colorizer: Colorizer, photos: Photographs) -> Scores:
        def colorize(rgb: Tensor) -> Tensor:
            lightness, _ = colorizer.space.encode(rgb)
            with self.fabric.autocast():
                color = colorizer.color(lightness)
            return colorizer.space.decode(lightness, color.float()).clamp(0, 1)

        return score(colorize, photos, self.evaluator)

    def _finish(self, colorizer: Colorizer, spent: Spent) -> None:
        """Validate the trained network, export it, and remove the checkpoint."""
        if len(self.library.val):
            self._validate(spent, colorizer).save(self.out / "metrics.csv")
        self._save(spent)
        export_training(self.out, self.out / "model.onnx")
        self._save(spent, finished=True)  # last, so that a training killed before this point repeats all steps above
        (self.out / CHECKPOINT).unlink(missing_ok=True)

    def _save(self, spent: Spent, **changes: object) -> None:
        self.record = self.record.model_copy(
            update={
                "steps": spent.steps,
                "images": spent.drawn,
                "minutes": minutes_of(spent),
                "drawn": self.feed.drawn(spent.drawn),
                **changes,
            }
        )
        self.record.save(self.out / "training.json")
        write_text(self.out / "validation.csv", validation_csv(self.record.validations))

    def _earlier(self) -> TrainingRecord | None:
        """Return the record of a training in this folder, if it is finished or can be resumed."""
        path = self.out / "training.json"
        record = TrainingRecord.load(path) if path.exists() else None
        return record if record is not None and (record.finished or (self.out / CHECKPOINT).exists()) else None

    def _opened(self) -> TrainingRecord:
        """Return the record of the interrupted or finished training in this folder, or a new one.

        Raises:
            UsageError: the folder holds another training, or one on photos of another size.
        """
        fingerprint = self.job.sha256(self.library.train)
        if self.earlier is not None:
            # Older records have no hash of their settings, but their checkpoint has one, which the loop checks.
            known = {fingerprint} if self.earlier.finished else {fingerprint, ""}
            other_data = self.earlier.finished and self.earlier.recipe.data != without_paths(self.recipe).data
            other_losses = self.earlier.plugins != self.plugins or self._other_networks(self.earlier)
            if self.earlier.settings_sha256 not in known or other_losses or other_data:
                differing = self._other_settings(self.earlier)
                raise UsageError(
                    f"{self.out} holds a training with other settings{differing}; choose another --out. To continue "
                    f"training its network, start from its weights (--start {self.out / MODEL})"
                )
            if self.earlier.finished:
                return self.earlier
            self._check_photo_size(self.earlier)
            save_skipped(self.out / "skipped.csv", self.library.skipped)
            return self.earlier.model_copy(update={"data": self.library.record})
        record = TrainingRecord(
            recipe=without_paths(self.recipe),
            formula=self.objective.formula,
            objective=self.objective,
            plugins=self.plugins,
            settings_sha256=fingerprint,
            data=self.library.record,
            parameters=self.parameters,
            encoder_start=self.encoder_start,
        )
        save_skipped(self.out / "skipped.csv", self.library.skipped)
        keep_prior(self.recipe.prior if "prior" in self.objective.needs else None, self.out)
        record.save(self.out / "training.json")
        return record

    def _check_photo_size(self, earlier: TrainingRecord) -> None:
        """Refuse to continue on photos of another size: earlier versions read them too large without `scale`."""
        there, here = earlier.data.size_px, self.library.record.size_px
        if self.settings.scale is None and there != here:
            raise UsageError(
                f"{self.out} holds a training on photos with a shorter side of {there} px, which this version reduces "
                f"to {here} px; choose another --out, or finish it with the version of chromalab that began it"
            )

    def _other_networks(self, earlier: TrainingRecord) -> bool:
        """Return whether an unfinished training has compared with other networks, as `class_kl(teacher=auto)` may."""
        there = earlier.objective
        return not earlier.finished and there is not None and there.trunks != self.objective.trunks

    def _other_settings(self, earlier: TrainingRecord) -> str:
        """Return the first settings in which an earlier training differs, such as `(seed: 0 there, 1 here)`."""
        there, here = flattened(earlier.recipe), flattened(without_paths(self.recipe))
        if earlier.objective is not None:
            there["networks of the losses"] = earlier.objective.listed_trunks
            here["networks of the losses"] = self.objective.listed_trunks
        changed = [
            f"{key}: {there.get(key)} there, {here.get(key)} here" for key in here if here[key] != there.get(key)
        ]
        return f" ({'; '.join(changed[:3])})" if changed else ""

    def _bound(self, colorize: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Return the validation metrics of a bound, which is scored once, with the first validation."""
        found = means(score(colorize, spread(self.library.val, self.recipe.validate_on), self.evaluator))
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _prior(self) -> NDArray[np.float64]:
        """Return the color distribution in the recipe's file or, without one, in the crops of this training."""
        if self.recipe.prior is not None:
            return load_prior(Path(self.recipe.prior))
        path = self.out / "prior.json"
        if self.earlier is None or not path.exists():
            side_px = min(_PRIOR_PX, self.settings.smallest_crop_px)
            counted = sum(count_bins(crop) for crop in self.feed.crops(0, _PRIOR_CROPS, side_px))
            PriorRecord(
                counts=np.asarray(counted).tolist(),
                n_photos=_PRIOR_CROPS,
                n_pixels=_PRIOR_CROPS * side_px**2,
                size_px=side_px,
            ).save(path)
        return PriorRecord.load(path).probabilities


def open_photographs(recipe: Recipe, size_px: int) -> Library:
    """Open the photos of a recipe.

    Args:
        recipe: the recipe.
        size_px: shorter side of the photos, twice that for random-resized crops. Crops without resizing are cut from
            photos of the size for which the network is exported.

    Raises:
        UsageError: a folder is missing or holds too few usable photos.
    """
    if recipe.data == [SAMPLES]:
        return sample_library(size_px)
    if SAMPLES in recipe.data and not Path(SAMPLES).exists():
        raise UsageError(
            f"data: '{SAMPLES}' stands for the built-in photographs, which can't be combined with folders; leave it out"
        )
    return open_library(
        [FolderShare.parse(entry) for entry in recipe.data],
        validation=recipe.validation,
        size_px=size_px if recipe.training.scale is None else 2 * size_px,
        colourless_threshold=recipe.colorless_threshold,
        exclude=recipe.exclude,
    )


def sample_library(size_px: int) -> Library:
    """Return the built-in photos as a library, with the test photos of studies as its validation set."""
    photos = open_cache(sample_sources(), size_px=size_px)
    split = split_photos(photos)
    row = FolderRecord(
        name=SAMPLES,
        weight=1.0,
        n_found=len(photos) + len(photos.skipped),
        n_usable=len(photos),
        skipped=dict(Counter(each.kind for each in photos.skipped)),
        n_val=len(split.test),
        n_near_val=0,
    )
    record = LibraryRecord(
        folders=[row],
        size_px=size_px,
        colourless_threshold=COLOURLESS_THRESHOLD,
        n_excluded=0,
        n_train=len(split.train),
        n_val=len(split.test),
        sha256=photos.data_sha256,
    )
    return Library((WeightedPhotos(SAMPLES, split.train),), split.test, photos.skipped, record)


def feed_of(library: Library, settings: TrainingSettings, seed: int) -> CropFeed:
    """Return the feed of training crops."""
    stage = settings.schedule[0]
    return CropFeed(
        library.train,
        crop_px=settings.largest_crop_px,
        batch_size=stage.batch_size,
        seed=seed,
        scale=settings.scale,
    )


def export_training(
    folder: Path, path: Path, *, name: str | None = None, size_px: int | None = None, half: bool = True
) -> ColorizerSpec:
    """Export the network of a training as an ONNX file: the final one, or that of the best validation so far.

    Args:
        folder: the folder of the training.
        path: the ONNX file.
        name: name of the model; None takes that of the folder, without characters that a name cannot have.
        size_px: shorter side of the network's input; None takes that of the largest crops.
        half: store weights at half precision.

    Raises:
        UsageError: there are no weights yet, or `path` does not end in .onnx.
    """
    if path.suffix != ".onnx":
        raise UsageError(f"{path}: the name of an exported model must end in .onnx")
    record = TrainingRecord.load(folder / "training.json")
    recipe = record.recipe
    return export_colorizer(
        load_network(folder),
        path,
        name=name or allowed_name(folder.resolve().name),
        half=half,
        size=SizeSpec(px=size_px or max(32, recipe.training.largest_crop_px), multiple_of=16),
        bin_weights=trained_bin_weights(folder, record.formula, partial(kept_prior, folder, recipe.prior)),
        title=recipe.title or f"{record.formula}, trained in {recipe.color_space}",
        trained_on=f"{record.data.n_train:,} photographs",
        record={
            "formula": record.formula,
            "color_space": recipe.color_space,
            "seed": recipe.seed,
            "images": record.images,
            "parameters": record.parameters,
        },
    )


def load_network(folder: Path) -> Colorizer:
    """Return the network of a training on the CPU: the final one, or that of the best validation so far.

    Raises:
        UsageError: there are no weights yet.
    """
    record = TrainingRecord.load(folder / "training.json")
    recipe = record.recipe
    objective = record.objective or resolve_objective(recipe.loss, recipe.training, recipe.perceptual)
    network = (objective.training or recipe.training).network
    network = network.model_copy(update={"start": None})  # the trained weights are all loaded below
    colorizer, _ = build_colorizer(network, recipe.color_space, recipe.seed, objective.needs)
    load_model(folder, colorizer, MODEL if (folder / MODEL).exists() else BEST)
    return colorizer.eval()


def spread(photos: Photographs, count: int) -> Photographs:
    """Return at most `count` photos, evenly spread over a set because neighbors tend to be of one kind."""
    if len(photos) <= count:
        return photos
    return photos.subset([index * len(photos) // count for index in range(count)])


def means(scores: Scores) -> dict[str, float]:
    """Return the mean of every metric over the photos with a finite value."""
    found = {name: [value for value in values if math.isfinite(value)] for name, values in scores.per_photo.items()}
    return {name: statistics.fmean(values) for name, values in found.items() if values}


def sample_crops(photos: Photographs, size_px: int) -> NDArray[np.uint8] | None:
    """Return central squares of a few photos, (K, size_px, size_px, 3), whose colorizations show the progress."""
    chosen, crops = spread(photos, SAMPLE_PHOTOS), []
    for index in range(len(chosen)):
        with contextlib.suppress(UnreadablePhotoError):  # reported when the photos are scored
            crops.append(central_square(chosen.photo(index), size_px))
    return np.stack(crops) if crops else None


def central_square(photo: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return the central square of a photo (H, W, 3), resized to `size_px`."""
    resized = resize_shortest_side(photo, size_px)
    top, left = ((side - size_px) // 2 for side in resized.shape[:2])
    return resized[top : top + size_px, left : left + size_px]


def minutes_of(spent: Spent) -> float:
    """Return the minutes of training, rounded to much less than the duration of a step."""
    return round(spent.seconds / 60, 6)
