"""What makes a judge of photos, as plain facts: they can be sent to another machine, and make the same judge there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.evaluation.protocols import find_protocol
from chromalab.evaluation.scoring import Judge
from chromalab.metrics.scorer import PhotoScorer
from chromalab.metrics.semantic import own_classifier
from chromalab.training.hardware import choose_device

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.metrics.facts import Reference


@dataclass(frozen=True)
class JudgeFacts:
    """Everything that decides what a judge is, but for the labels of photos.

    Attributes:
        protocol: name of the rules.
        metrics: registry names, all where it is None.
        references: what is at hand beside the predictions.
        classifier: Python file with a classifier of one's own.
        bounds: judge the gray and the true photographs, too.
        device: `cpu`, `cuda` or `auto`.
    """

    protocol: str
    metrics: tuple[str, ...] | None
    references: frozenset[Reference]
    classifier: Path | None = None
    bounds: bool = False
    device: str = "auto"

    def judge(self) -> Judge:
        """Return the judge.

        Raises:
            UsageError: no metric can be judged here, or the device is missing.
            UnknownNameError: a metric's or protocol's name is unknown.
            ConfigError: the classifier is none.
        """
        protocol = find_protocol(self.protocol)
        own = [own_classifier(self.classifier)] if self.classifier else []
        scorer = PhotoScorer(
            self.metrics,
            device=choose_device(self.device),
            references=self.references,
            variants=(*protocol.variants, *own),
        )
        return Judge(scorer, protocol, self.bounds)
