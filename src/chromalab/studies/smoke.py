"""Smoke tests of studies: the whole way from photos to report in seconds, with meaningless numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.studies.objectives import objective_of

if TYPE_CHECKING:
    from chromalab.studies.config import ObjectiveSettings, StudyConfig
    from chromalab.training.settings import CriticSettings, NetworkSettings

_CROP_PX = 32
_CRITIC_WIDTH = 0.125


def smoke(config: StudyConfig) -> StudyConfig:
    """Return the study reduced to two steps on crops of a few photos, as small as its objectives allow.

    Raises:
        ConfigError: an objective cannot be read.
    """
    config = config.model_copy(update={"perceptual": "auto"})
    smallest_px = max(objective_of(written, config).smallest_px for written in config.objectives.values())
    training = config.training.model_copy(
        update={
            "crop_px": max(_CROP_PX, smallest_px),
            "batch_size": 4,
            "images": 8,
            "minutes": None,
            "stages": (),
            "critic": _narrow(config.training.critic),
            "network": config.training.network.model_copy(update=smoke_network(config.training.network)),
        }
    )
    return config.model_copy(
        update={
            "title": f"{config.title} (smoke test)",
            "note": "A smoke test: two steps on tiny crops, with whichever perceptual loss is installed. "
            "Its numbers mean nothing.",
            "objectives": {name: smoke_objective(written) for name, written in config.objectives.items()},
            "data": config.data.model_copy(update={"max_photos": min(config.data.max_photos or 24, 24)}),
            "seeds": config.seeds[:2],
            "training": training,
            "pictured": min(config.pictured, 3) if isinstance(config.pictured, int) else 3,
        }
    )


def smoke_network(network: NetworkSettings) -> dict[str, object]:
    """Return the changes that make a network small; a full-width VGG16 would take minutes."""
    if network.encoder == "vgg16":
        return {"width": 0.125, "pretrained": False, "start": None}  # no initial weights fit the narrow network
    return {}


def smoke_objective(written: str | ObjectiveSettings) -> str | ObjectiveSettings:
    """Return an objective with a narrow critic, if it has a critic of its own."""
    if isinstance(written, str) or written.critic is None:
        return written
    return written.model_copy(update={"critic": _narrow(written.critic)})


def _narrow(critic: CriticSettings) -> CriticSettings:
    return critic.model_copy(update={"width": _CRITIC_WIDTH})
