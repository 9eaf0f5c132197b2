"""Objectives as weighted sums of losses, and their formulas, such as `l2 + 0.1*wgan_gp(penalty=10)`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from torch import Tensor, nn

from chromalab.core.errors import ConfigError, UsageError, suggestion
from chromalab.losses.base import AdversarialTerm, LossTerm, Parameter
from chromalab.losses.plugins import explain_plugin_errors
from chromalab.losses.registry import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from chromalab.losses.base import Choice, ColorBatch

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(rf"\s*(?:(?P<number>{_NUMBER})|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>[-+*(),=]))")


@dataclass(frozen=True)
class TermSpec:
    """One term of a formula: a weight, the name of a loss, and its parameters."""

    weight: float
    name: str
    parameters: tuple[tuple[str, float | str], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(
            f"{key}={value if isinstance(value, str) else _shortest(value)}" for key, value in self.parameters
        )
        call = f"{self.name}({inside})" if inside else self.name
        return call if self.weight == 1 else f"{_shortest(self.weight)}*{call}"

    def scaled(self, factor: float) -> TermSpec:
        """Return the term with `factor` times its weight; a product of two weights is rounded to 12 digits.

        >>> str(TermSpec(0.2, "l1").scaled(0.1))
        '0.02*l1'
        """
        weight = self.weight * factor
        return replace(self, weight=weight if 1 in {self.weight, factor} else float(f"{weight:.12g}"))


def _shortest(number: float) -> str:
    """Return the shortest text that gives the same number: 10, 0.1, 1.000001."""
    brief = f"{number:g}"
    return brief if float(brief) == number else repr(number)


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse_formula(
    written: str | Sequence[object], aliases: Mapping[str, TermSpec] | None = None, presets: Collection[str] = ()
) -> tuple[TermSpec, ...]:
    """Parse an objective: terms `[WEIGHT*]NAME[(PARAMETER=NUMBER or WORD, ...)]` joined by `+`.

    Args:
        written: a formula, or a list of terms as a YAML file holds them: formulas, or mappings of `loss`, `weight` and
            parameters.
        aliases: words that stand for a weighted loss, such as `perceptual` for `lpips_squeeze`.
        presets: names that can replace a whole formula, suggested for an unknown word.

    Raises:
        ConfigError: the formula cannot be parsed; the message gives the position and the closest known name.

    >>> [str(term) for term in parse_formula("l2 + .10*wgan_gp(penalty=10.0)")]
    ['l2', '0.1*wgan_gp(penalty=10)']
    >>> [str(term) for term in parse_formula(["l2", {"loss": "wgan_gp", "weight": 0.1, "penalty": 5}])]
    ['l2', '0.1*wgan_gp(penalty=5)']
    """
    return _Parser(_one_formula(written), aliases or {}, presets).read()


def names_in(written: str | Sequence[object]) -> set[str]:
    """Return every word in a formula: the names of losses, aliases and parameters.

    >>> sorted(names_in("l2 + 0.1*perceptual"))
    ['l2', 'perceptual']
    """
    return {token.text for token in _tokens(_one_formula(written)) if token.kind == "name"}


def _one_formula(written: str | Sequence[object]) -> str:
    if isinstance(written, str):
        return written
    return " + ".join(item if isinstance(item, str) else _as_formula(item) for item in written)


def _as_formula(item: object) -> str:
    if not isinstance(item, Mapping) or not isinstance(item.get("loss"), str):
        raise ConfigError(f"{item!r}: a term must be a formula, or a mapping with the key 'loss' (its name)")
    weight = item.get("weight", 1)
    values = {str(key): value for key, value in item.items() if key not in {"loss", "weight"}}
    for key, value in {"weight": weight, **values}.items():
        kinds = int | float if key == "weight" else int | float | str
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ConfigError(f"{item['loss']}: {key} must be a number, not {value!r}")
        if not isinstance(value, str) and not abs(value) <= sys.float_info.max:
            raise ConfigError(f"{item['loss']}: {key} must be a finite number, not {str(value)[:20]}")
    return str(TermSpec(float(weight), item["loss"], tuple(values.items())))


def _tokens(formula: str) -> Iterator[_Token]:
    position, end = 0, len(formula.rstrip())
    while position < end:
        match = _TOKEN.match(formula, position)
        if match is None or match.lastgroup is None:
            position = end - len(formula[position:end].lstrip())
            stranger = _Token("", formula[position], position)
            raise _unexpected(formula, "a loss, a number or one of + * ( ) , =", stranger)
        yield _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        position = match.end()


def _unexpected(formula: str, expected: str, token: _Token) -> ConfigError:
    came = token.text if token.kind == "end" else f"'{token.text}'"
    return ConfigError(f"objective '{formula}': expected {expected} at position {token.position + 1}, got {came}")


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, formula: str, aliases: Mapping[str, TermSpec], presets: Collection[str]) -> None:
        self._formula = formula
        self._aliases = aliases
        self._presets = presets
        self._tokens = [*_tokens(formula), _Token("end", "the end", len(formula))]
        self._next = 0

    def read(self) -> tuple[TermSpec, ...]:
        specs = [self._term()]
        while self._peek().text == "+":
            self._take()
            specs.append(self._term())
        if self._peek().kind != "end":
            raise _unexpected(self._formula, "'+' or the end", self._peek())
        names = [spec.name for spec in specs]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"the objective '{self._formula}' contains {name} twice; add up its weights")
        return tuple(specs)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str = "sign", text: str | None = None, wanted: str = "") -> _Token:
        token = self._peek()
        if token.kind != kind or (text is not None and token.text != text):
            raise _unexpected(self._formula, wanted or f"'{text}'", token)
        self._next += 1
        return token

    def _term(self) -> TermSpec:
        weight = 1.0
        if self._peek().kind == "number":
            weight = self._number(self._take("number"))
            self._take(text="*")
        name, factor = self._name()
        return TermSpec(factor, name, tuple(self._parameters(name))).scaled(weight)

    def _number(self, token: _Token) -> float:
        number = float(token.text)
        if not math.isfinite(number):
            raise ConfigError(
                f"objective '{self._formula}': the number {token.text} at position {token.position + 1} is too large"
            )
        return number

    def _name(self) -> tuple[str, float]:
        token = self._take("name", wanted="the name of a loss")
        if token.text in self._aliases:
            alias = self._aliases[token.text]
            return alias.name, alias.weight
        if token.text not in LOSSES:
            raise self._unknown_loss(token)
        return token.text, 1.0

    def _unknown_loss(self, token: _Token) -> ConfigError:
        known = [*LOSSES, *self._aliases]
        if self._presets and self._formula.strip() == token.text:
            return ConfigError(
                f"unknown loss or preset '{token.text}'{suggestion(token.text, [*known, *self._presets])}"
            )
        return ConfigError(
            f"unknown loss '{token.text}' at position {token.position + 1} of '{self._formula}'"
            f"{suggestion(token.text, known)}"
        )

    def _parameters(self, loss: str) -> Iterator[tuple[str, float | str]]:
        if self._peek().text != "(":
            return
        self._take()
        given: set[str] = set()
        while self._peek().text != ")":
            key = self._take("name", wanted="the name of a parameter")
            known = LOSSES[loss].parameters
            if key.text not in known:
                hint = suggestion(key.text, known) if known else "; it has no parameters"
                raise ConfigError(f"unknown parameter '{key.text}' of {loss} in '{self._formula}'{hint}")
            if key.text in given:
                raise ConfigError(f"the parameter {key.text} of {loss} is given twice in '{self._formula}'; drop one")
            given.add(key.text)
            self._take(text="=")
            yield key.text, self._value(loss, key.text, known[key.text])
            if self._peek().text != ")":
                self._take(text=",", wanted="',' or ')'")
        self._take()

    def _value(self, loss: str, key: str, parameter: Parameter | Choice) -> float | str:
        if isinstance(parameter, Parameter):
            sign = -1 if self._peek().text == "-" else 1
            if sign < 0:
                self._take()
            return checked_number(loss, key, sign * self._number(self._take("number", wanted="a number")), parameter)
        return checked_word(loss, key, self._take("name", wanted=f"one of {_listed(parameter)}").text, parameter)


def checked_number(loss: str, key: str, value: float, parameter: Parameter) -> float:
    """Return `value` if it is allowed for `parameter` of `loss`.

    Raises:
        ConfigError: the value is out of range.
    """
    if not parameter.low <= value <= parameter.high or (parameter.integer and value != int(value)):
        kind = "a whole number" if parameter.integer else "a number"
        raise ConfigError(f"{key}={value:g} of {loss}: expected {kind} from {parameter.low:g} to {parameter.high:g}")
    return value


def checked_word(loss: str, key: str, word: str, choice: Choice) -> str:
    """Return `word` if it is one of the options of `choice` of `loss`.

    Raises:
        ConfigError: the word is not an option.
    """
    if word not in choice.options:
        raise ConfigError(f"{key}={word} of {loss}: expected one of {_listed(choice)}")
    return word


def _listed(choice: Choice) -> str:
    return ", ".join(choice.options)


def build_term(spec: TermSpec) -> LossTerm:
    """Build the loss of a term.

    Raises:
        MissingWeightsError: the loss needs a network that is not installed.
        UsageError: the loss is that of a plugin, and could not be built.
    """
    with explain_plugin_errors(spec.name):
        term: object = LOSSES[spec.name].build(**dict(spec.parameters))
    if not isinstance(term, LossTerm):
        raise UsageError(f"the loss {spec.name}: build returned a {type(term).__name__} instead of a LossTerm")
    return term


class Objective(nn.Module):
    """A weighted sum of loss terms.

    Args:
        specs: the terms, of which at most one is adversarial because there is only one critic.

    Raises:
        ConfigError: two terms are adversarial.
        MissingWeightsError: a term needs a network that is not installed.
    """

    def __init__(self, specs: tuple[TermSpec, ...]) -> None:
        super().__init__()
        self.specs = specs
        self.terms = nn.ModuleDict({spec.name: build_term(spec) for spec in specs})
        adversarial_terms = [term for term in self.terms.values() if isinstance(term, AdversarialTerm)]
        if len(adversarial_terms) > 1:
            raise ConfigError(f"the objective '{self.formula}' has two adversarial terms but only one critic; drop one")
        self.adversarial = adversarial_terms[0] if adversarial_terms else None

    @property
    def adversarial_name(self) -> str | None:
        """The name of the adversarial term, or None."""
        return next((spec.name for spec in self.specs if isinstance(self.term(spec.name), AdversarialTerm)), None)

    @property
    def formula(self) -> str:
        """The formula with every name and number resolved."""
        return " + ".join(str(spec) for spec in self.specs)

    @property
    def networks(self) -> list[str]:
        """Networks whose outputs the objective is trained on."""
        found = ((self.term(spec.name).network or LOSSES[spec.name].network) for spec in self.specs)
        return list(dict.fromkeys(network for network in found if network is not None))

    @property
    def needs(self) -> set[str]:
        """Requirements of its terms, see `LossEntry`; of alternative networks, the one in use."""
        found = set()
        for spec in self.specs:
            entry, own = LOSSES[spec.name], self.term(spec.name).network
            found |= {own if own is not None and need == entry.network else need for need in entry.needs}
        return found

    @property
    def acts_on_colors(self) -> bool:
        """Whether a term acts on the color of every pixel, and not only on logits over bins or classes."""
        return any(LOSSES[spec.name].acts_on_colors for spec in self.specs)

    @property
    def smallest_px(self) -> int:
        """The shortest side of an image for which every term is defined."""
        return max(self.term(spec.name).smallest_px for spec in self.specs)

    def term(self, name: str) -> LossTerm:
        """Return the term named `name`."""
        return cast("LossTerm", self.terms[name])

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Pass the distribution of the training photos' colors over the ab bins, shape (313,), to every term."""
        for spec in self.specs:
            with explain_plugin_errors(spec.name):
                self.term(spec.name).use_prior(prior)

    def bin_weights(self) -> NDArray[np.float64] | None:
        """Return the weights of the ab bins, (313,), of the first term that has any; None if none has."""
        for spec in self.specs:
            with explain_plugin_errors(spec.name):
                if (weights := self.term(spec.name).bin_weights()) is not None:
                    return np.asarray(weights, dtype=np.float64)
        return None

    def forward(self, batch: ColorBatch, names: Collection[str] | None = None) -> dict[str, Tensor]:
        """Return the unweighted value of every term for every image, shape (B,) each.

        Args:
            batch: the input of the terms.
            names: terms to compute; None computes all.

        Raises:
            UsageError: a term is that of a plugin, and failed.
        """
        wanted = [spec.name for spec in self.specs if names is None or spec.name in names]
        return {name: self._values(name, batch) for name in wanted}

    def _values(self, name: str, batch: ColorBatch) -> Tensor:
        with explain_plugin_errors(name):
            values: object = self.term(name)(batch)
        if not isinstance(values, Tensor):
            raise UsageError(
                f"the loss {name} returned a {type(values).__name__} instead of a tensor with one value per image"
            )
        return values

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every term in the formula."""
        return {spec.name: spec.weight for spec in self.specs}

    def total(self, values: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> Tensor:
        """Return the weighted sum of the terms, averaged over images. Losses are reduced only here.

        Args:
            values: the result of `forward`.
            weights: weights that replace those of the formula.
        """
        weights = weights or self.weights
        parts = [weights[name] * values[name].mean() for name in values]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


def bin_weights(formula: str, prior: Callable[[], NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """Return the weights w of the ab bins under which an objective trains a distribution p, (313,).

    A network that is trained under weights predicts w p / sum(w p), so its logits minus log(w) are those of p.

    Args:
        formula: the objective in its canonical form.
        prior: returns the smoothed distribution of the training photos' colors over the bins, (313,), or None.

    Returns:
        The weights, or None if no term has any or the distribution is unknown.
    """
    # Term by term, because the formula may name losses of a plugin that is not loaded.
    weighted = [term for term in formula.split(" + ") if _needs_prior(term)]
    found = prior() if weighted else None
    if found is None:
        return None
    for specs in map(parse_formula, weighted):
        objective = Objective(specs)
        objective.use_prior(found)
        if (weights := objective.bin_weights()) is not None:
            return weights
    return None


def _needs_prior(term: str) -> bool:
    return any(name in LOSSES and "prior" in LOSSES[name].needs for name in names_in(term))


def build(formula: str, aliases: Mapping[str, TermSpec] | None = None) -> Objective:
    """Build the objective that a formula describes (see `parse_formula`).

    >>> import torch
    >>> from chromalab.losses import ColorBatch, build
    >>> from chromalab.color.spaces import SPACES
    >>> photo, colorized = torch.ones(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5)
    >>> batch = ColorBatch.of(SPACES["rgb"], colorized, photo)
    >>> objective = build("l1 + 0.1*ssim")
    >>> values = objective(batch)
    >>> round(float(values["l1"]), 3), round(float(objective.total(values)), 3)
    (1.0, 1.02)

    Raises:
        ConfigError: the formula cannot be parsed.
        MissingWeightsError: a term needs a network that is not installed.
    """
    return Objective(parse_formula(formula, aliases))
