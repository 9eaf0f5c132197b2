"""The contract of losses, as checks that run on any loss (`chromalab loss check`).

Gradients are taken with respect to everything that a loss takes from a network: the color of every pixel, the logits
over the ab bins, and the logits over classes. The test images are smooth random colors.
"""

from __future__ import annotations

import copy
import inspect
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from chromalab.color.bins import BIN_COUNT
from chromalab.core.errors import ChromalabError
from chromalab.core.python_file import describe_error
from chromalab.core.records import Record
from chromalab.core.wording import plural
from chromalab.losses.base import AdversarialTerm, LossEntry, Parameter
from chromalab.losses.bench import Bench, BrokenContractError, Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chromalab.losses.bench import Photos


AT_TARGET = 1e-3
"""Largest loss at the target that counts as 0, as a share of the loss of gray; conversions of colors round."""


DIFFERENCES_PX = 32
"""Side of the test image; larger if a loss needs more."""

DIFFERENCE_DIRECTIONS = 3
DIFFERENCE_STEPS = (1e-6, 1e-7, 1e-8)
"""Small steps hardly ever cross kinks (rectifiers, absolute values), while a wrong gradient is wrong for every step."""

DIFFERENCE_TOLERANCE = 2e-3
"""Tolerance relative to the norm of the gradient, the standard deviation of the slope in a random direction."""

DIFFERENCE_ROUNDING = 1e-7
"""Tolerance relative to the value of the loss, because a step of 1e-6 amplifies its rounding error a million times."""


class Check(Record):
    """The result of one check.

    Attributes:
        name: name of the check.
        passed: whether the loss passed.
        detail: the measured values, or what is wrong and a hint to its cause.
    """

    name: str
    passed: bool
    detail: str


def check_loss(
    entry: LossEntry,
    *,
    parameters: Mapping[str, float | str] | None = None,
    space: str = "lab",
    critic: nn.Module | None = None,
) -> list[Check]:
    """Check whether a loss fulfills the contract of `LossTerm`; checks that do not apply to it are left out.

    The arguments and errors are those of `Bench`, except that a broken contract is reported and not raised.
    """
    facts = _run("facts", lambda: check_facts(entry))
    with torch.random.fork_rng(devices=[]):  # a loss that draws random numbers must not affect other code
        try:
            bench = Bench(entry, parameters, space, critic)
        except ChromalabError:
            raise
        except BrokenContractError as error:
            return [facts, Check(name="build", passed=False, detail=str(error))]
        except Exception as error:  # the code of a plugin may raise anything, and the check reports it
            return [facts, Check(name="build", passed=False, detail=describe_error(error))]
        found = [_run(name, partial(check, bench), bench) for name, check in CHECKS if _concerns(name, bench)]
    return [facts, *found]


def check_facts(entry: LossEntry) -> str:
    """Return a summary of the facts in an entry, if they are complete and consistent.

    Raises:
        BrokenContractError: a fact is missing, or the default of a parameter is not that of `build`.
    """
    for fact in ("formula", "source"):
        if not getattr(entry, fact).strip():
            raise BrokenContractError(f"the entry states no {fact}")
    for key, parameter in entry.parameters.items():
        if not parameter.meaning.strip():
            raise BrokenContractError(f"the parameter {key} states no meaning")
        if isinstance(parameter, Parameter) and not parameter.low <= parameter.default <= parameter.high:
            raise BrokenContractError(
                f"{key}={parameter.default:g} is not between {parameter.low:g} and {parameter.high:g}"
            )
        if not isinstance(parameter, Parameter) and parameter.default not in parameter.options:
            raise BrokenContractError(
                f"{key}={parameter.default} is not one of its options: {', '.join(parameter.options)}"
            )
        _check_default(entry, key, parameter.default)
    count = len(entry.parameters)
    return f"formula, source, {plural(count, 'parameter')}"


def _check_default(entry: LossEntry, key: str, stated: float | str) -> None:
    """Compare a stated default with that of `build`, if its signature names the parameter."""
    taken = inspect.signature(entry.build).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    if key not in taken:
        raise BrokenContractError(f"the entry states a parameter {key}, but its build has no parameter of that name")
    default = taken[key].default
    if default is not inspect.Parameter.empty and default != stated:
        raise BrokenContractError(f"the entry states {key}={stated}, but its build has {key}={default}")


def _shape(bench: Bench) -> str:
    for count in (1, 2):
        values = bench.values(bench.photos(count))
        if values.shape != (count,):
            raise BrokenContractError(
                f"{count} images gave the shape {tuple(values.shape)} instead of ({count},): reduce over channels and "
                "pixels, not over images"
            )
    return "one value for each image"


def _finite_value(bench: Bench) -> str:
    values = bench.values(bench.photos()).detach()
    if not bool(values.isfinite().all()):
        raise BrokenContractError(f"the values are {_numbers(values)}")
    return _numbers(values)


def _repeatable(bench: Bench) -> str:
    photos = bench.photos()
    first, second = bench.values(photos).detach(), bench.values(photos).detach()
    if not torch.equal(first, second):
        raise BrokenContractError(
            f"the same batch gave {_numbers(first)}, then {_numbers(second)}: does it use random numbers or state?"
        )
    return "the same batch gives the same values"


def _input_left_alone(bench: Bench) -> str:
    batch = bench.batch(bench.photos())
    tensors = {name: part for name, part in vars(batch).items() if isinstance(part, Tensor)}
    before = {name: part.clone() for name, part in tensors.items()}
    bench.term(batch)
    for name, part in tensors.items():
        if getattr(batch, name) is not part or not torch.equal(part, before[name]):
            raise BrokenContractError(f"it changes batch.{name}, which the other terms of an objective also use")
    return "the batch is unchanged"


def _at_target(bench: Bench) -> tuple[Tensor, Tensor]:
    """Return the loss of a perfect prediction, and that of gray."""
    rgb = bench.photos().rgb
    lightness, target = bench.space.encode(rgb)
    perfect, grey = (bench.guess(rgb, color) for color in (target, bench.space.grey(lightness)))
    return bench.values(perfect).detach(), bench.values(grey).detach()


def _zero_at_target(bench: Bench) -> str:
    perfect, grey = _at_target(bench)
    limit = AT_TARGET * grey.abs() if bench.entry.compares else torch.full_like(grey, 1e-4)
    if not bool((perfect.abs() <= limit).all()):
        raise BrokenContractError(
            f"a perfect prediction has the loss {_numbers(perfect)}: fix it, or state zero_at_target=False"
        )
    return f"a perfect prediction has the loss {_numbers(perfect)}"


def _grey_costs_more(bench: Bench) -> str:
    perfect, grey = _at_target(bench)
    if not bool((grey > perfect).all()):
        raise BrokenContractError(
            f"gray has the loss {_numbers(grey)}, a perfect prediction {_numbers(perfect)}: does the loss depend on "
            "the target? If not, state compares=False"
        )
    return f"gray has the loss {_numbers(grey)}"


def _gradient_at_equality(bench: Bench) -> str:
    rgb = bench.photos().rgb
    return _finite_gradient(bench, bench.guess(rgb, bench.space.encode(rgb)[1]))


def _gradient_at_no_color(bench: Bench) -> str:
    rgb = bench.photos().rgb
    return _finite_gradient(bench, bench.guess(rgb, bench.space.grey(bench.space.encode(rgb)[0]).contiguous()))


def _gradient_on_flat(level: float) -> Callable[[Bench], str]:
    def check(bench: Bench) -> str:
        rgb = bench.flat(level)
        _, target = bench.space.encode(rgb)
        _finite_gradient(bench, bench.guess(rgb, target))
        return _finite_gradient(bench, bench.guess(rgb, target + 0.01))

    return check


def _finite_gradient(bench: Bench, photos: Photos) -> str:
    gradients = bench.gradients(photos)
    broken = sum(int((~gradient.isfinite()).sum()) for gradient in gradients)
    if broken:
        total = sum(gradient.numel() for gradient in gradients)
        raise BrokenContractError(
            f"{broken} of {total} numbers of the gradient are not finite: add a small constant to a square root, norm, "
            "logarithm or quotient that is taken at 0"
        )
    return f"finite, at most {max(float(gradient.abs().max()) for gradient in gradients):.3g}"


def _singles(bench: Bench) -> str:
    photos = bench.photos(3)
    together = bench.values(photos).detach()
    alone = torch.cat([bench.values(photo).detach().reshape(-1) for photo in photos.each()])
    if together.shape != alone.shape or not torch.allclose(together, alone, rtol=1e-4, atol=1e-6):
        raise BrokenContractError(f"a batch of 3 gave {_numbers(together)}, but its images alone {_numbers(alone)}")
    return "a batch gives the same values as its images alone"


def _precision(bench: Bench) -> str:
    value = bench.exact.values(bench.photos(1).double())
    if value.dtype != torch.float64:
        raise BrokenContractError(
            f"a batch in double precision gave {value.dtype}: convert tensors by `.to(batch.preds)`"
        )
    return "computes in the precision of its input"


def _critic_loss(bench: Bench) -> str:
    term = bench.term
    if not isinstance(term, AdversarialTerm) or bench.critic is None:
        raise BrokenContractError("it needs a critic but is not an AdversarialTerm, so nothing would train the critic")
    critic = copy.deepcopy(bench.critic).requires_grad_()
    total, facts = term.critic_loss(critic, bench.batch(bench.photos()), torch.Generator().manual_seed(0))
    missing = {"distance", "accuracy"} - set(facts)
    if missing:
        raise BrokenContractError(f"the critic's loss reports no {' and no '.join(sorted(missing))}")
    gradients = torch.autograd.grad(total, list(critic.parameters()), allow_unused=True)
    reached = [gradient for gradient in gradients if gradient is not None]
    if not bool(total.isfinite()) or not all(bool(gradient.isfinite().all()) for gradient in reached):
        raise BrokenContractError("the critic's loss or its gradient is not finite")
    if not any(bool(gradient.any()) for gradient in reached):
        raise BrokenContractError("the critic's loss gives the critic no gradient")
    return f"{float(total.detach()):.4g}, with a finite gradient"


def check_differences(bench: Bench) -> str:
    """Compare the gradient of a loss with central differences along a few random directions.

    Returns:
        The largest deviation, in words.

    Raises:
        BrokenContractError: the deviation exceeds the tolerance.
    """
    generator = torch.Generator().manual_seed(2)
    exact, photos = bench.exact, _rough(bench.photos(1, DIFFERENCES_PX).double(), generator)
    gradients = exact.gradients(photos)
    scale = float(torch.cat([gradient.flatten() for gradient in gradients]).norm())
    rounding = DIFFERENCE_ROUNDING * abs(float(exact.values(photos).detach().sum())) + 1e-12
    worst = 0.0
    for _ in range(DIFFERENCE_DIRECTIONS):
        ways = _random(photos, generator)
        stated = sum(float((gradient * way).sum()) for gradient, way in zip(gradients, ways, strict=True))
        measured = min(
            (_slope(exact, photos, ways, step) for step in DIFFERENCE_STEPS), key=lambda slope: abs(slope - stated)
        )
        if not abs(stated - measured) <= DIFFERENCE_TOLERANCE * max(abs(measured), scale) + rounding:
            raise BrokenContractError(
                f"along a random direction the gradient gives {stated:.6g}, finite differences {measured:.6g}: does "
                "the loss contain a detach, round or argmax?"
            )
        worst = max(worst, abs(stated - measured) / max(abs(measured), scale, 1e-300))
    return f"differs by at most {worst:.1e} of the gradient"


def _random(photos: Photos, generator: torch.Generator) -> list[Tensor]:
    return [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in photos.inputs]


def _rough(photos: Photos, generator: torch.Generator) -> Photos:
    """Return predictions with some noise, because a maximum over equal neighbors would have a kink."""
    return _moved(photos, _random(photos, generator), 0.01)


def _slope(bench: Bench, photos: Photos, ways: Sequence[Tensor], step: float) -> float:
    above, below = (bench.values(_moved(photos, ways, sign * step)).detach().sum() for sign in (1, -1))
    return float(above - below) / (2 * step)


def _moved(photos: Photos, ways: Sequence[Tensor], step: float) -> Photos:
    """Return the predictions moved by a step along `ways`."""
    return photos.given([part + step * way for part, way in zip(photos.inputs, ways, strict=True)])


def _bin_weights(bench: Bench) -> str:
    weights: object = bench.term.bin_weights()
    if weights is None:
        return "the loss states none"
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (BIN_COUNT,) or not (np.isfinite(found) & (found > 0)).all():
        raise BrokenContractError(
            f"bin_weights must return None or {BIN_COUNT} positive numbers: the exported model divides by them"
        )
    return f"{BIN_COUNT} positive numbers"


CHECKS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("shape", _shape),
    ("finite value", _finite_value),
    ("repeatable", _repeatable),
    ("input left alone", _input_left_alone),
    ("zero at target", _zero_at_target),
    ("gray costs more", _grey_costs_more),
    ("gradient at equality", _gradient_at_equality),
    ("gradient at no color", _gradient_at_no_color),
    ("gradient on black", _gradient_on_flat(0.0)),
    ("gradient on gray", _gradient_on_flat(0.5)),
    ("gradient on white", _gradient_on_flat(1.0)),
    ("batch equals singles", _singles),
    ("precision", _precision),
    ("finite differences", check_differences),
    ("critic's loss", _critic_loss),
    ("bin weights", _bin_weights),
)
"""The checks of a built loss by name, in order; each returns a description of its measurement."""


def _concerns(name: str, bench: Bench) -> bool:
    """Return whether a check applies; for example, perfect logits over bins or classes cannot be constructed."""
    over_colors = bench.entry.acts_on_colors
    return {
        "zero at target": over_colors and bench.entry.zero_at_target,
        "gray costs more": over_colors and bench.entry.zero_at_target and bench.entry.compares,
        "critic's loss": "critic" in bench.entry.needs,
        "bin weights": "prior" in bench.entry.needs,
    }.get(name, True)


def _run(name: str, check: Callable[[], str], bench: Bench | None = None) -> Check:
    try:
        return Check(name=name, passed=True, detail=check())
    except BrokenContractError as error:
        return Check(name=name, passed=False, detail=str(error))
    except Exception as error:  # the code of a plugin may raise anything, and the check reports it
        return Check(name=name, passed=False, detail=describe_error(error, _file(bench)))


def _file(bench: Bench | None) -> Path | None:
    """Return the source file of the loss."""
    if bench is None:
        return None
    module = sys.modules.get(type(bench.term).__module__)
    return Path(file) if (file := getattr(module, "__file__", None)) else None


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in values.flatten().tolist())
