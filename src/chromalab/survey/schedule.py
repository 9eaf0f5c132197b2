"""Schedules: the trials of a participant, their order, and the side of each stimulus.

All random decisions come from a generator seeded by HMAC(secret of the survey, participant). Whoever holds the secret
can reproduce a schedule, and no one else can guess it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from chromalab.survey.design import DAMAGED, RANDOM, STAND_INS, TRUTH, Design

Kind = Literal["practice", "test", "repeat", "vigilance"]
Item = tuple[str, ...]
"""A photo and the methods shown: names in alphabetical order, or one name and ''."""

Usage = Mapping[Item, int]
"""How often each item has been or will be shown, over all participants."""

REPEAT_GAP = 4
"""Minimum number of trials between a pair and its repeat, if the schedule is long enough."""


@dataclass(frozen=True)
class Trial:
    """One trial of a schedule.

    Attributes:
        kind: purpose of the trial.
        scene: the photo; '' in an adaptive schedule until it is chosen.
        left: method on the left, shown first, or shown alone.
        right: method on the right or shown second; '' if one stimulus is shown alone.
        repeat_of: for a repeat, the position of its first presentation.
        others: methods on the third and further places of a trial that ranks images; left and right are the first two.
    """

    kind: Kind
    scene: str = ""
    left: str = ""
    right: str = ""
    repeat_of: int | None = None
    others: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The methods in the order of their places; the second is '' if one stimulus is shown alone."""
        return self.left, self.right, *self.others

    @property
    def item(self) -> Item:
        """The photo and methods shown, regardless of side."""
        return self.scene, *(sorted(self.shown) if self.right else self.shown)

    def flipped(self, repeat_of: int) -> Trial:
        """Return the repeat of this trial with its places in reverse order."""
        return trial_with(self.shown[::-1], "repeat", self.scene, repeat_of)


def trial_with(shown: Sequence[str], kind: Kind, scene: str, repeat_of: int | None = None) -> Trial:
    """Return a trial that shows methods in the order of their places."""
    return Trial(kind, scene, shown[0], shown[1], repeat_of, tuple(shown[2:]))


def seeded(secret: bytes, participant: str, purpose: str) -> np.random.Generator:
    """Return the generator of a participant's random decisions for one purpose."""
    digest = hmac.new(secret, f"{participant}\x1f{purpose}".encode(), hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def largest_number_of_trials(design: Design, n_methods: int, n_scenes: int) -> int:
    """Return the largest number of scored trials per participant without repetition."""
    per_scene = {"pairwise": n_methods * (n_methods - 1) // 2, "rating": n_methods}.get(design.protocol, 1)
    return n_scenes * per_scene


def make_schedule(
    design: Design,
    methods: Sequence[str],
    scenes: Sequence[str],
    usage: Usage,
    generator: np.random.Generator,
    *,
    method: str = "",
    damaged: Collection[str] = (),
) -> list[Trial]:
    """Return the trials of a participant in order.

    Pairs, photos and methods are balanced within the participant, and items that others have seen least come first.
    Left and right differ by at most 1 for each pair of methods and for each method, and so do the places of each method
    in trials that rank images. A photo never follows itself if another one is available. Each item occurs once, apart
    from flipped repeats.

    Args:
        design: the design of the survey.
        methods: the compared methods.
        scenes: the photos.
        usage: how often each item is already taken.
        generator: generator of the participant's decisions.
        method: for real-or-fake, the one method that the participant sees.
        damaged: photos with a damaged version of their true colors.
    """
    if design.protocol == "pairwise" and design.pairs == "adaptive":
        return _slots(design, generator)
    tests = _tests(design, methods, scenes, usage, generator, method)
    quiet = _check_scenes(design, scenes, tests, generator, damaged)
    checks = [
        truth_check(scene, generator, pair=design.two_stimuli)
        if scene in damaged
        else _check(design, scene, method or None, methods, generator)
        for scene in quiet
    ]
    ordered = in_order([*tests, *checks], generator)
    with_repeats = _insert_repeats(ordered, design.n_repeats, generator)
    rehearsed = [scene for scene in scenes if scene in damaged] if design.feedback else scenes
    practice = _practice(design, methods, rehearsed, tests, generator, method)
    if practice and with_repeats and practice[-1].scene == with_repeats[0].scene:
        near = {with_repeats[0].scene, *(trial.scene for trial in practice[-2:-1])}
        others = [scene for scene in rehearsed if scene not in near] or [practice[-1].scene]
        practice[-1] = replace(practice[-1], scene=others[int(generator.integers(len(others)))])
    shift = len(practice)
    moved = [
        trial if trial.repeat_of is None else replace(trial, repeat_of=trial.repeat_of + shift)
        for trial in with_repeats
    ]
    return [*practice, *moved]


def _tests(
    design: Design,
    methods: Sequence[str],
    scenes: Sequence[str],
    usage: Usage,
    generator: np.random.Generator,
    method: str,
) -> list[Trial]:
    if design.protocol == "pairwise":
        groups: list[tuple[str, str]] = [(a, b) for a, b in combinations(sorted(methods), 2)]
        return balanced_sides(_choose(groups, scenes, design.trials, usage, generator), generator)
    if design.protocol == "rating":
        chosen = _choose([(name, "") for name in sorted(methods)], scenes, design.trials, usage, generator)
        return [Trial("test", scene, name) for scene, name, _ in chosen]
    if design.protocol == "rank_order":
        size = design.n_shown(len(methods))
        return balanced_places(_choose_sets(methods, scenes, size, design.trials, usage, generator), generator)
    if design.form == "yes_no":
        half = design.trials // 2
        chosen = _choose([(method, "")], scenes, design.trials, usage, generator)
        real = set(generator.permutation(design.trials)[:half].tolist())
        return [Trial("test", scene, TRUTH if place in real else method) for place, (scene, _, _) in enumerate(chosen)]
    first, second = sorted((method, TRUTH))
    chosen = _choose([(first, second)], scenes, design.trials, usage, generator)
    sides = _coin_flips(len(chosen), generator)
    return [
        Trial("test", scene, *((TRUTH, method) if left else (method, TRUTH)))
        for (scene, _, _), left in zip(chosen, sides, strict=True)
    ]


def _coin_flips(n: int, generator: np.random.Generator) -> list[bool]:
    """Return n shuffled coin flips with n / 2 heads; an odd n is rounded up or down at random."""
    heads = n // 2 + (int(generator.integers(2)) if n % 2 else 0)
    flips = np.arange(n) < heads
    generator.shuffle(flips)
    return [bool(flip) for flip in flips]


def _choose(
    groups: Sequence[tuple[str, str]], scenes: Sequence[str], count: int, usage: Usage, generator: np.random.Generator
) -> list[Item]:
    """Return the items that this participant, and then all participants, have seen least."""
    cells = np.array([[usage.get((scene, *group), 0) for scene in scenes] for group in groups], dtype=np.float64)
    totals = cells.sum(axis=1)
    own_group, own_scene = np.zeros(len(groups)), np.zeros(len(scenes))
    taken = np.zeros(cells.shape, dtype=bool)
    chance = generator.random(cells.shape)
    found: list[Item] = []
    for _ in range(count):
        keys = (own_group[:, None], own_scene[None, :], totals[:, None], cells, chance)
        place = _least([np.broadcast_to(key, cells.shape) for key in keys], ~taken)
        group, scene = divmod(place, len(scenes))
        taken[group, scene] = True
        own_group[group] += 1
        own_scene[scene] += 1
        found.append((scenes[scene], *groups[group]))
    return found


def _choose_sets(
    methods: Sequence[str], scenes: Sequence[str], size: int, count: int, usage: Usage, generator: np.random.Generator
) -> list[Item]:
    """Return different photos with sets of methods that this participant, and then all participants, have seen least.

    Each set is filled with the method that the participant has seen least, then least often beside those of the set.
    """
    seen = Counter({(scene, name): 0 for scene in scenes for name in methods})
    for (scene, *names), n in usage.items():
        seen.update({(scene, name): n for name in names})
    totals = {scene: sum(seen[scene, name] for name in methods) for scene in scenes}
    own: Counter[str] = Counter()
    beside: Counter[frozenset[str]] = Counter()
    found: list[Item] = []
    mixed = [scenes[k] for k in generator.permutation(len(scenes))]
    for scene in sorted(mixed, key=lambda scene: totals[scene])[:count]:
        waiting = [methods[k] for k in generator.permutation(len(methods))]
        chosen: list[str] = []
        while len(chosen) < size:
            keys = {
                name: (own[name], sum(beside[frozenset((name, other))] for other in chosen), seen[scene, name])
                for name in waiting
            }
            chosen.append(min(waiting, key=keys.__getitem__))
            waiting.remove(chosen[-1])
        own.update(chosen)
        beside.update(frozenset(pair) for pair in combinations(chosen, 2))
        found.append((scene, *sorted(chosen)))
    return found


def _least(keys: Sequence[np.ndarray], allowed: np.ndarray) -> int:
    """Return the flat index of the lexicographically smallest allowed entry."""
    inside = allowed.copy()
    for key in keys:
        inside &= key == key[inside].min()
    return int(np.flatnonzero(inside)[0])


def balanced_sides(items: Sequence[Item], generator: np.random.Generator) -> list[Trial]:
    """Assign sides so that left and right differ by at most 1 for each pair of methods and for each method.

    A pair that occurs twice is shown once in each order. The remaining pairs form a graph of methods. Closed trails
    along its edges, with odd vertices joined to one extra vertex, leave every method as often as they enter it, apart
    from the edge to the extra vertex. The start of each edge goes left.
    """
    trials: list[Trial | None] = [None] * len(items)
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (_, a, b) in enumerate(items):
        by_pair[a, b].append(place)
    rest: dict[tuple[str, str], int] = {}
    for (a, b), places in by_pair.items():
        mixed = [places[k] for k in generator.permutation(len(places))]
        if len(mixed) % 2:
            rest[a, b] = mixed.pop()
        for k, place in enumerate(mixed):
            trials[place] = Trial("test", items[place][0], *((a, b) if k % 2 else (b, a)))
    for left, right in _trails(list(rest), generator):
        place = rest[min(left, right), max(left, right)]
        trials[place] = Trial("test", items[place][0], left, right)
    return [trial for trial in trials if trial is not None]


def balanced_places(items: Sequence[Item], generator: np.random.Generator) -> list[Trial]:
    """Assign places on the screen so that each method has all places equally often, up to a difference of 1.

    Trials and methods are the vertices of a bipartite graph, in which each method is split into parts with as many
    trials as there are places. By König's theorem its edges can be colored with the places, so that no trial and no
    part of a method has a place twice: an edge takes a place that is free at one end, and where it is not free at the
    other, a path with two alternating places is flipped.
    """
    size = len(items[0]) - 1
    at_trial: list[dict[int, tuple[str, int]]] = [{} for _ in items]
    at_part: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for trial in (int(k) for k in generator.permutation(len(items))):
        for name in (items[trial][1 + k] for k in generator.permutation(size)):
            part = (name, counts[name] // size)
            counts[name] += 1
            free = [place for place in range(size) if place not in at_trial[trial]]
            both = [place for place in free if place not in at_part[part]]
            place = (both or free)[int(generator.integers(len(both or free)))]
            if not both:
                other = next(k for k in range(size) if k not in at_part[part])
                _flip(at_trial, at_part, part, place, other)
            at_trial[trial][place], at_part[part][place] = part, trial
    return [
        trial_with([places[place][0] for place in range(size)], "test", scene)
        for (scene, *_), places in zip(items, at_trial, strict=True)
    ]


def _flip(
    at_trial: list[dict[int, tuple[str, int]]], at_part: dict[tuple[str, int], dict[int, int]],
    part: tuple[str, int], place: int, other: int,
) -> None:  # fmt: skip
    """Exchange two places along the path that starts at a part of a method with an edge of the first place."""
    path = []
    here = part
    while place in at_part[here]:
        trial = at_part[here][place]
        path.append((trial, here, place))
        if other not in at_trial[trial]:
            break
        here = at_trial[trial][other]
        path.append((trial, here, other))
    for trial, name, old in path:
        at_trial[trial].pop(old)
        at_part[name].pop(old)
    for trial, name, old in path:
        new = other if old == place else place
        at_trial[trial][new], at_part[name][new] = name, trial


def _trails(edges: list[tuple[str, str]], generator: np.random.Generator) -> list[tuple[str, str]]:
    """Return the edges of a simple graph, directed so that in- and out-degrees differ by at most 1."""
    around: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        around[a].add(b)
        around[b].add(a)
    for vertex in [name for name, others in around.items() if len(others) % 2]:
        around[vertex].add("")
        around[""].add(vertex)
    directed = []
    vertices = sorted(around)
    for start in (vertices[k] for k in generator.permutation(len(vertices))):
        here = start
        while around[here]:
            others = sorted(around[here])
            there = others[int(generator.integers(len(others)))]
            around[here].discard(there)
            around[there].discard(here)
            if here and there:
                directed.append((here, there))
            here = there
    return directed


def in_order(trials: Sequence[Trial], generator: np.random.Generator) -> list[Trial]:
    """Return trials in random order, without a photo directly after itself if possible."""
    waiting: dict[str, list[Trial]] = defaultdict(list)
    for k in generator.permutation(len(trials)):
        waiting[trials[k].scene].append(trials[k])
    found: list[Trial] = []
    while waiting:
        left = sum(map(len, waiting.values()))
        last = found[-1].scene if found else None
        names = sorted(name for name in waiting if name != last) or sorted(waiting)
        most = max(names, key=lambda name: len(waiting[name]))
        if 2 * len(waiting[most]) <= left:
            shares = np.array([len(waiting[name]) for name in names], dtype=np.float64)
            most = names[int(generator.choice(len(names), p=shares / shares.sum()))]
        found.append(waiting[most].pop())
        if not waiting[most]:
            del waiting[most]
    return found


def _check_scenes(
    design: Design, scenes: Sequence[str], tests: Sequence[Trial], generator: np.random.Generator,
    damaged: Collection[str],
) -> list[str]:  # fmt: skip
    """Return photos for attention checks, preferring those with damaged true colors, then those seen least."""
    seen = Counter(trial.scene for trial in tests)
    order = [scenes[k] for k in generator.permutation(len(scenes))]
    order.sort(key=lambda scene: (scene not in damaged, seen[scene]))
    return [order[k % len(order)] for k in range(design.n_vigilance)]


def _check(
    design: Design, scene: str, method: str | None, methods: Sequence[str], generator: np.random.Generator
) -> Trial:
    """Return an attention check: random colors, against the ground truth or methods if more stimuli are shown."""
    if design.protocol == "rank_order":
        rivals = [methods[k] for k in generator.permutation(len(methods))[: design.n_shown(len(methods)) - 1]]
        names = [*rivals, RANDOM]
        return trial_with([names[k] for k in generator.permutation(len(names))], "vigilance", scene)
    if not design.two_stimuli:
        return Trial("vigilance", scene, RANDOM)
    good = TRUTH if design.protocol == "real_or_fake" else method or methods[int(generator.integers(len(methods)))]
    return Trial("vigilance", scene, *((good, RANDOM) if generator.integers(2) else (RANDOM, good)))


def truth_check(scene: str, generator: np.random.Generator, *, pair: bool, kind: Kind = "vigilance") -> Trial:
    """Return a trial with a known answer: true colors beside damaged ones, or damaged ones alone."""
    if not pair:
        return Trial(kind, scene, DAMAGED)
    return Trial(kind, scene, *((TRUTH, DAMAGED) if generator.integers(2) else (DAMAGED, TRUTH)))


POOR = 2
"""Highest rating that counts as poor."""


def is_right(shown: Sequence[str], choice: str) -> bool:
    """Return whether an answer to a trial with a known answer is right.

    Args:
        shown: the conditions in the order of their places; the second is '' if one was shown alone.
        choice: `left`, `right` or `tie`, `real` or `fake`, a rating from 1 to 5 or on a slider, or a ranking.
    """
    first, second, *others = shown
    if others:
        return shown[int(choice[-1]) - 1] == RANDOM
    rating, _, scale = choice.partition("/")
    if rating.isdigit():
        return (int(rating) <= POOR * int(scale or 5) / 5) == (first != TRUTH)
    if not second:
        return (choice == "real") == (first == TRUTH)
    return choice == ("left" if first == TRUTH or second in STAND_INS else "right")


def _insert_repeats(trials: list[Trial], count: int, generator: np.random.Generator) -> list[Trial]:
    """Insert flipped repeats of pairs from the first half, later and not next to the same photo if photos are known."""
    tests = [place for place, trial in enumerate(trials) if trial.kind == "test"]
    early = tests[: max(1, len(tests) // 2)]
    chosen = [early[k] for k in generator.permutation(len(early))[:count]]
    marked: list[tuple[Trial, int | None]] = [(trial, place) for place, trial in enumerate(trials)]
    for original in chosen:
        repeat = trials[original].flipped(original)
        marked.insert(_place_for(marked, repeat, original, generator), (repeat, None))
    places = {before: now for now, (_, before) in enumerate(marked) if before is not None}
    return [
        trial if trial.repeat_of is None else replace(trial, repeat_of=places[trial.repeat_of]) for trial, _ in marked
    ]


def _place_for(
    marked: list[tuple[Trial, int | None]], repeat: Trial, original: int, generator: np.random.Generator
) -> int:
    origin = next(now for now, (_, before) in enumerate(marked) if before == original)
    scenes = [trial.scene for trial, _ in marked]
    for gap in range(REPEAT_GAP, -1, -1):
        free = [
            place
            for place in range(origin + 1 + gap, len(marked) + 1)
            if not repeat.scene
            or repeat.scene not in (scenes[place - 1], scenes[place] if place < len(scenes) else None)
        ]
        if free:
            return free[int(generator.integers(len(free)))]
    return len(marked)


def _practice(
    design: Design, methods: Sequence[str], scenes: Sequence[str], tests: Sequence[Trial],
    generator: np.random.Generator, method: str,
) -> list[Trial]:  # fmt: skip
    """Return practice trials, if possible on photos that the participant does not see again."""
    used = {trial.scene for trial in tests}
    order = [scenes[k] for k in generator.permutation(len(scenes))]
    order.sort(key=lambda scene: scene in used)
    if design.feedback:
        chosen = [order[k % len(order)] for k in range(design.practice)]
        return known_practice(chosen, generator, pair=design.two_stimuli)
    found = []
    for k in range(design.practice):
        scene = order[k % len(order)]
        if design.protocol == "pairwise":
            names = [methods[place] for place in generator.permutation(len(methods))[:2]]
        elif design.protocol == "rank_order":
            names = [methods[place] for place in generator.permutation(len(methods))[: design.n_shown(len(methods))]]
        elif design.protocol == "rating":
            names = [methods[int(generator.integers(len(methods)))], ""]
        elif design.form == "yes_no":
            names = [TRUTH if generator.integers(2) else method, ""]
        else:
            names = [TRUTH, method] if generator.integers(2) else [method, TRUTH]
        found.append(trial_with(names, "practice", scene))
    return found


def known_practice(scenes: Sequence[str], generator: np.random.Generator, *, pair: bool) -> list[Trial]:
    """Return practice trials with known answers: true beside damaged colors, or one of both alone."""
    names = [(TRUTH, DAMAGED) if flip else (DAMAGED, TRUTH) for flip in _coin_flips(len(scenes), generator)]
    return [Trial("practice", scene, *(both if pair else both[:1])) for scene, both in zip(scenes, names, strict=True)]


def _slots(design: Design, generator: np.random.Generator) -> list[Trial]:
    """Return an adaptive schedule: the kinds of trials, whose photos and pairs are chosen when they are due."""
    slots = [*[Trial("test")] * design.trials, *[Trial("vigilance")] * design.n_vigilance]
    mixed = [slots[k] for k in generator.permutation(len(slots))]
    marked = _insert_repeats(mixed, design.n_repeats, generator)
    shift = design.practice
    moved = [t if t.repeat_of is None else replace(t, repeat_of=t.repeat_of + shift) for t in marked]
    return [*[Trial("practice")] * design.practice, *moved]
