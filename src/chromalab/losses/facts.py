"""Facts about losses as records, for lists, pages and other programs."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

from chromalab.core.errors import ChromalabError
from chromalab.core.records import Record
from chromalab.losses.base import Choice, LossTerm, Parameter
from chromalab.losses.plugins import explain_plugin_errors, plugin_of
from chromalab.weights.status import list_weights

if TYPE_CHECKING:
    from chromalab.losses.base import LossEntry


class ParameterFacts(Record):
    """A parameter of a loss: a number with its range, or a word with its options.

    Attributes:
        default: default value.
        low: smallest number.
        high: largest number.
        integer: whether it must be a whole number.
        options: allowed words.
        meaning: effect of the parameter.
    """

    default: float | str
    low: float | None = None
    high: float | None = None
    integer: bool = False
    options: list[str] | None = None
    meaning: str

    @property
    def domain(self) -> str:
        """The allowed values, in words."""
        if self.options is not None:
            return " or ".join(self.options)
        return f"{self.low:g} to {self.high:g}" + (", whole" if self.integer else "")


class LossFacts(Record):
    """Facts about a loss, see `LossEntry`.

    Attributes:
        plugin: the plugin that provides the loss; None for chromalab's own.
    """

    name: str
    family: str
    formula: str
    parameters: dict[str, ParameterFacts]
    needs: list[str]
    zero_at_target: bool
    compares: bool
    source: str
    network: str | None
    plugin: str | None


class Need(Record):
    """A requirement of a loss.

    Attributes:
        name: name in the entry of the loss.
        meaning: description.
        here: whether it is available on this machine; heads, critics and priors are part of every training.
        how_to_get: the command that installs it, if it is missing.
    """

    name: str
    meaning: str
    here: bool
    how_to_get: str | None = None


COMES_ALONG = {
    "critic": "a critic, trained along with the network",
    "bins": "a head of the network with logits over the ab bins; the training space is lab",
    "prior": "the distribution of the training photos' colors over the ab bins, counted before training",
    "classes": "a head of the network with logits over ImageNet's classes",
}
"""Requirements that every training provides by itself."""


def loss_facts(entry: LossEntry) -> LossFacts:
    """Return the facts about a loss."""
    plugin = plugin_of(entry.name)
    return LossFacts(
        name=entry.name,
        family=entry.family,
        formula=entry.formula,
        parameters={key: _parameter(parameter) for key, parameter in entry.parameters.items()},
        needs=list(entry.needs),
        zero_at_target=entry.zero_at_target,
        compares=entry.compares,
        source=entry.source,
        network=entry.network,
        plugin=plugin.name if plugin is not None else None,
    )


def _parameter(parameter: Parameter | Choice) -> ParameterFacts:
    if isinstance(parameter, Choice):
        return ParameterFacts(default=parameter.default, options=list(parameter.options), meaning=parameter.meaning)
    return ParameterFacts(
        default=parameter.default,
        low=parameter.low,
        high=parameter.high,
        integer=parameter.integer,
        meaning=parameter.meaning,
    )


def needs_of(entry: LossEntry) -> list[Need]:
    """Return the requirements of a loss, and whether they are available on this machine.

    Raises:
        ConfigError: a record in the weights folder cannot be read.
    """
    weights = {status.name: status for status in list_weights()}
    needs = []
    for name in entry.needs:
        if name in COMES_ALONG:
            needs.append(Need(name=name, meaning=COMES_ALONG[name], here=True))
        else:
            status = weights[name]
            command = None if status.present else status.how_to_get
            needs.append(Need(name=name, meaning=status.what, here=status.present, how_to_get=command))
    return needs


def documentation(entry: LossEntry) -> str:
    """Return the docstring of a loss's class, or of its build function if its weights are not installed."""
    build = entry.build.func if isinstance(entry.build, partial) else entry.build
    text = build.__doc__
    if not inspect.isclass(build):
        text = _term_documentation(entry) or text
    return inspect.cleandoc(text or "")


def _term_documentation(entry: LossEntry) -> str | None:
    try:
        with explain_plugin_errors(entry.name):
            term = entry.build()
    except ChromalabError:
        return None
    return type(term).__doc__ if type(term) is not LossTerm else None
