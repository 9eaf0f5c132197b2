"""The objectives of a study with all names resolved: formulas, presets, critics, substitutes for missing weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, MissingWeightsError
from chromalab.losses.compose import Objective, TermSpec, build_term, names_in, parse_formula
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import METRICS
from chromalab.nets.critics import CRITICS
from chromalab.studies.config import ObjectiveSettings
from chromalab.studies.records import ObjectiveRecord
from chromalab.training.models import check_schedules
from chromalab.training.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from chromalab.studies.config import StudyConfig
    from chromalab.training.presets import Preset
    from chromalab.training.settings import CriticSettings, OptimizerSettings, TrainingSettings

PERCEPTUAL = "perceptual"
_AUTO_ORDER = ("lpips_squeeze", "perceptual_lite0")
_LITE0_WEIGHT = 0.1
"""On photos at 96 px the gradient of the Lite0 distance has 9 to 18 times the norm of that of LPIPS-Squeeze. With this
weight, the terms of a formula are balanced alike whichever of the two the word `perceptual` stands for."""


def resolve_objectives(config: StudyConfig) -> list[ObjectiveRecord]:
    """Build every objective once, so that a wrong name or a missing weight file is found before any training.

    Raises:
        ConfigError: a formula cannot be read, an objective needs larger crops than those of the study or trains no head
            from which the color would come, or a schedule belongs to none of its terms.
        MissingWeightsError: a term needs weights that are not installed and has no substitute.
        UnknownNameError: unknown preset, critic or perceptual loss.
    """
    meaning = meaning_of(config.perceptual)
    return [_resolve(name, written, meaning, config.training) for name, written in config.objectives.items()]


def resolve_objective(
    written: str | ObjectiveSettings, training: TrainingSettings, perceptual: str = "auto"
) -> ObjectiveRecord:
    """Build the objective of a single training, with the same checks as `resolve_objectives`."""
    return _resolve("objective", written, meaning_of(perceptual), training)


def objective_of(written: str | ObjectiveSettings, config: StudyConfig) -> Objective:
    """Return the objective that `written` stands for in a study, with the weights that are installed.

    Raises:
        ConfigError: as `resolve_objectives`.
        MissingWeightsError: as `resolve_objectives`.
    """
    return Objective(_resolved_terms(_as_settings(written), meaning_of(config.perceptual))[0])


def meaning_of(setting: str) -> TermSpec:
    """Return the weighted loss that the word `perceptual` stands for, see `resolve_perceptual`."""
    perceptual = resolve_perceptual(setting)
    return TermSpec(_LITE0_WEIGHT if perceptual == "perceptual_lite0" else 1.0, perceptual)


def in_words(formula: str, meaning: TermSpec) -> str:
    """Return a formula with the word `perceptual` for the loss that it stands for.

    >>> in_words("l2 + 0.02*perceptual_lite0", TermSpec(0.1, "perceptual_lite0"))
    'l2 + 0.2*perceptual'
    """
    terms = [
        TermSpec(1.0, PERCEPTUAL).scaled(term.weight).scaled(1 / meaning.weight) if term.name == meaning.name else term
        for term in parse_formula(formula)
    ]
    return " + ".join(map(str, terms))


def resolve_perceptual(setting: str) -> str:
    """Return the loss that the word `perceptual` stands for.

    Args:
        setting: the name of a perceptual loss, or `auto`: LPIPS-Squeeze if its trunk is installed, otherwise the Lite0
            distance. LPIPS-Alex is reserved for evaluation.

    Raises:
        UnknownNameError: unknown loss.
    """
    if setting != "auto":
        LOSSES[setting]
        return setting
    return next(name for name in _AUTO_ORDER if can_build(TermSpec(1.0, name)))


def can_build(spec: TermSpec) -> bool:
    """Return whether the weights that a term needs are installed."""
    try:
        build_term(spec)
    except MissingWeightsError:
        return False
    return True


def _resolve(
    name: str, written: str | ObjectiveSettings, meaning: TermSpec, training: TrainingSettings
) -> ObjectiveRecord:
    settings = _as_settings(written)
    preset = PRESETS[settings.preset] if settings.preset is not None else None
    specs, stand_ins = _resolved_terms(settings, meaning)
    objective = Objective(specs)
    own = _own_training(settings, preset, training)
    critic = own.critic if objective.adversarial is not None else None
    _check_crops(name, objective, critic, training.smallest_crop_px)
    _check_heads(name, objective, own.network.color_from)
    check_schedules(objective, own)
    return ObjectiveRecord(
        id=name,
        formula=objective.formula,
        perceptual=meaning.name if preset is None and _uses_word(settings) else None,
        preset=settings.preset,
        source=preset.source if preset else None,
        stand_ins=stand_ins,
        choices=list(preset.choices) if preset else [],
        needs=sorted(objective.needs),
        training=own if own != training else None,
        critic=describe_critic(critic, own.optimizer) if critic is not None else None,
        optimizer=describe_optimizer(own.optimizer) if own.optimizer != training.optimizer else None,
        trunks=objective.networks,
        judges_trained_on=[metric for metric, entry in METRICS.items() if entry.network in objective.networks],
    )


def _check_crops(name: str, objective: Objective, critic: CriticSettings | None, crop_px: int) -> None:
    """Raise an error if the crops are too small for a term or the critic."""
    sizes = {f"'{objective.formula}'": objective.smallest_px}
    if critic is not None:
        sizes[f"the critic {critic.network}"] = CRITICS[critic.network].smallest_px
    for what, smallest_px in sizes.items():
        if smallest_px > crop_px:
            raise ConfigError(f"{name}: {what} needs images of at least {smallest_px} px, and crops have {crop_px}")


def _check_heads(name: str, objective: Objective, color_from: str) -> None:
    """Raise an error if no term trains a head from which the color would come."""
    untrained = []
    if color_from in {"head", "mean"} and not objective.acts_on_colors:
        untrained.append("a color head, and no term of '{}' acts on colors")
    if color_from == "mean" and "bins" not in objective.needs:
        untrained.append("a bins head, and no term of '{}' acts on bins")
    if untrained:
        raise ConfigError(
            f"{name}: color_from '{color_from}' takes the color from {untrained[0].format(objective.formula)}; pass "
            "--color-from auto, or set color_from: auto"
        )


def _as_settings(written: str | ObjectiveSettings) -> ObjectiveSettings:
    if isinstance(written, ObjectiveSettings):
        return written
    if written.strip() in PRESETS:
        return ObjectiveSettings(preset=written.strip())
    return ObjectiveSettings(loss=written)


def _uses_word(settings: ObjectiveSettings) -> bool:
    return settings.loss is not None and PERCEPTUAL in names_in(settings.loss)


def _resolved_terms(settings: ObjectiveSettings, meaning: TermSpec) -> tuple[tuple[TermSpec, ...], dict[str, str]]:
    """Return the terms of an objective with substitutes for missing weights, and published -> substitute term."""
    if settings.preset is not None:
        return _preset_terms(PRESETS[settings.preset])
    return parse_formula(settings.loss or "", {PERCEPTUAL: meaning}, presets=list(PRESETS)), {}


def _preset_terms(preset: Preset) -> tuple[tuple[TermSpec, ...], dict[str, str]]:
    specs: list[TermSpec] = []
    stand_ins: dict[str, str] = {}
    for published in parse_formula(preset.formula):
        trained = _trainable(published, preset)
        if trained != published:
            stand_ins[str(published)] = str(trained)
        specs.append(trained)
    return tuple(specs), stand_ins


def _trainable(published: TermSpec, preset: Preset) -> TermSpec:
    if can_build(published):
        return published
    for formula in preset.stand_ins.get(published.name, ()):
        (other,) = parse_formula(formula)
        if can_build(other):
            return other.scaled(published.weight)
    return published


def _own_training(settings: ObjectiveSettings, preset: Preset | None, training: TrainingSettings) -> TrainingSettings:
    """Return the training settings of the study, changed by those of the objective."""
    published = settings.optimizer == "published"
    optimizer = preset.optimizer if preset and published else settings.optimizer
    critic = _published_critic(preset.critic, training.critic, rates=published) if preset and preset.critic else None
    chroma = preset.target_chroma if preset and training.target_chroma == 1 else training.target_chroma
    color_from = settings.color_from or (preset.color_from if preset else training.network.color_from)
    return training.model_copy(
        update={
            "optimizer": optimizer or training.optimizer,
            "critic": settings.critic or critic or training.critic,
            "network": training.network.model_copy(update={"color_from": color_from}),
            "target_chroma": settings.target_chroma or chroma,
            "balance": training.balance if settings.balance is None else settings.balance,
        }
    )


def with_given_settings(
    written: str | ObjectiveSettings, training: TrainingSettings, keys: Collection[str]
) -> str | ObjectiveSettings:
    """Return an objective in which given settings of a training replace those of the objective and of its preset.

    Args:
        written: the objective.
        training: settings of the training, with the given ones.
        keys: dotted keys of the given settings, such as `optimizer.ema_decay`.

    Raises:
        UnknownNameError: unknown preset.
    """
    settings = _as_settings(written)
    preset = PRESETS[settings.preset] if settings.preset is not None else None
    own = _own_training(settings, preset, training)
    changed: dict[str, object] = {}
    for name in ("optimizer", "critic"):
        given = {key: value for key, value in getattr(training, name) if f"{name}.{key}" in keys}
        if (replaced := getattr(own, name).model_copy(update=given)) != getattr(own, name):
            changed[name] = replaced
    for key in ("balance", "target_chroma"):
        if key in keys and getattr(own, key) != getattr(training, key):
            changed[key] = getattr(training, key)
    if "network.color_from" in keys and own.network.color_from != training.network.color_from:
        changed["color_from"] = training.network.color_from
    if (
        "optimizer" in changed
        and settings.optimizer == "published"
        and preset is not None
        and preset.critic is not None
    ):
        changed.setdefault("critic", own.critic)  # its published rates come only with the word 'published'
    return settings.model_copy(update=changed) if changed else written


def _published_critic(published: CriticSettings, study: CriticSettings, *, rates: bool) -> CriticSettings:
    """Return a preset's critic at the study's width; its published optimizer needs that of the colorizer.

    The learning rate of a published critic is tuned to that of the published colorizer; beside a colorizer that learns
    fifty times as fast it would hardly change. A critic of full width would take longer than a small colorizer.
    """
    if rates:
        return published.model_copy(update={"width": study.width})
    return study.model_copy(update={"network": published.network, "sees": published.sees})


def describe_critic(critic: CriticSettings, colorizer: OptimizerSettings) -> str:
    """Return a description of a critic in one line."""
    sees = {"pair": "color with lightness", "color": "color alone", "rgb": "the image in RGB"}[critic.sees]
    rate = critic.learning_rate or colorizer.learning_rate
    width = "" if critic.width == 1 else f" at width {critic.width:g}"
    return f"{critic.network}{width}, sees {sees}; {critic.optimizer} at {rate:g}, betas {_pair(critic.betas)}"


def describe_optimizer(optimizer: OptimizerSettings) -> str:
    """Return a description of an optimizer in one line."""
    decay = f", weight decay {optimizer.weight_decay:g}" if optimizer.weight_decay else ""
    return f"{optimizer.name} at {optimizer.learning_rate:g}, betas {_pair(optimizer.betas)}{decay}"


def _pair(betas: Iterable[float]) -> str:
    return "({})".format(", ".join(f"{beta:g}" for beta in betas))
