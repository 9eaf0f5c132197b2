"""The first pass over a film: predicted chroma, cuts, known colors, and the steady chroma of one segment after another.

Known colors come from hints, which belong to one frame, and from references. A reference with a time decides the colors
of the shot at that time and of the shots that show the same scene; one without a time is compared with every shot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chromalab.colorization.alignment import align
from chromalab.colorization.records import ShotRecord
from chromalab.colorization.reference import transfer
from chromalab.colorization.small import OwnColors, adjusted, measured_own_colors, tone_of
from chromalab.colorization.video.flow import TRUSTED, mean_change
from chromalab.colorization.video.shots import OWN_STEP, Seen, Viewer, own_colors, spans_of_shots
from chromalab.colorization.video.source import Damage, Film, Frame, frames
from chromalab.colorization.video.stabilize import Average, Known, Moment, average
from chromalab.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.hints import Hint
    from chromalab.colorization.options import Job
    from chromalab.colorization.reference import Reference

SHORTEST, LONGEST = 96, 240
"""Frames after which a segment ends with its shot, and after which it ends within a shot."""

AHEAD = 40
"""Later frames that contribute to the colors at a segment's end within a shot."""

LONGEST_WAIT = 1500
"""Frames of a segment that waits for a known color in a later frame of its shot."""

REFERENCE_STEP = 24
"""Frames between those that are compared with a reference place by place."""

ALIGNED, SUGGESTED = 0.9, 0.75
"""Strength of the colors of references for frames that are compared place by place, and for all other frames."""

_LEAST_SHARE = np.float32(1e-3)
_WAIT_S = 60.0
_ROUNDING_S = 0.02
"""Longest time before a frame that is taken for the frame's own: half a frame of 25 per second."""

_TONED = 4.0
"""Mean chroma, in CIELAB units, above which a film of one tone is toned or tinted."""


@dataclass(frozen=True)
class Part:
    """A segment after the first pass.

    Attributes:
        first: index of its first frame.
        times: time and duration of each frame, in units of the film's time base.
        chroma: steady chroma of each frame, upright, (h, w, 2).
        shots: its shots.
        measures: of each frame what `_measures` returns.
        state: what the next segment needs to continue the shot.
        is_last: the film ends with it.
        damage: what was damaged up to its end.
    """

    first: int
    times: list[tuple[int, int]]
    chroma: list[NDArray[np.float16]]
    shots: list[ShotRecord]
    measures: list[dict[str, float]]
    state: State
    is_last: bool
    damage: Damage


@dataclass(frozen=True)
class State:
    """What a segment needs of the one before.

    Attributes:
        first: index of its first frame.
        carry: the average of the frame before, if the shot has begun earlier.
        active: indices of the references that decide the colors of this shot.
    """

    first: int = 0
    carry: Average | None = None
    active: tuple[int, ...] = ()


def parts(engine: Engine, film: Film, job: Job, state: State) -> Iterator[Part]:
    """Yield the segments of a film after the first pass.

    Args:
        engine: the network.
        film: the film.
        job: settings of the colors.
        state: where to begin.

    Raises:
        ConfigError: a hint or a reference has a time behind the last frame.
    """
    damage, viewer, known = Damage(), Viewer(engine, film, job.options), _KnownColors(film, job)
    seen: list[Seen] = []
    times: list[tuple[int, int]] = []
    for index, (frame, following) in enumerate(_with_next(frames(film, damage))):
        hints, references = known.of(frame, following, is_whole=damage.frames >= film.frames)
        if index < state.first:
            if index == state.first - 1:
                viewer.skip(frame)
            continue
        own = own_colors(frame) if index % OWN_STEP == 0 else None
        seen.append(viewer.see(frame, hints)._replace(references=references, own=own))
        times.append((frame.pts, frame.duration))
        count = _finished(seen, waits=known.follow_soon())
        if count:
            part = _part(job, seen, times, count, state, damage, is_last=False)
            yield part
            state = part.state
            del seen[:count], times[:count]
    known.check_end()
    if seen:
        yield _part(job, seen, times, len(seen), state, damage, is_last=True)


def _with_next(pictures: Iterator[Frame]) -> Iterator[tuple[Frame, Frame | None]]:
    """Yield every frame with the next one; the last with None."""
    before: Frame | None = None
    for frame in pictures:
        if before is not None:
            yield before, frame
        before = frame
    if before is not None:
        yield before, None


class _KnownColors:
    """The hints and references of a film by their times.

    Args:
        film: the film.
        job: the hints and references.
    """

    def __init__(self, film: Film, job: Job) -> None:
        self._film = film
        self._hints = sorted(job.options.hints, key=lambda hint: hint.time_s or 0.0)
        timed = [(item.time_s, number) for number, item in enumerate(job.references) if item.time_s is not None]
        self._references = sorted(timed)
        self._start: int | None = None
        self._now = 0.0

    def of(self, frame: Frame, following: Frame | None, *, is_whole: bool) -> tuple[list[Hint], tuple[int, ...]]:
        """Return the hints of a frame, and the indices of its references.

        They are those with a time at which the frame is shown. Times just before the next frame belong to that one,
        because users round them.

        Args:
            frame: the frame.
            following: the next frame; None after the last.
            is_whole: the film has no further frames by its header, either.
        """
        if self._start is None:
            self._start = frame.pts
        self._now = self._since_start_s(frame.pts)
        if following is None:
            end = self._end_s(frame, is_whole=is_whole) + _ROUNDING_S
        else:
            next_s = self._since_start_s(following.pts)
            end = next_s - min(_ROUNDING_S, (next_s - self._now) / 2)
        hints = [hint for hint in self._hints if (hint.time_s or 0.0) < end]
        references = [item for item in self._references if item[0] < end]
        del self._hints[: len(hints)], self._references[: len(references)]
        return hints, tuple(number for _, number in references)

    def _since_start_s(self, pts: int) -> float:
        return float((pts - (self._start or 0)) * self._film.time_base)

    def _end_s(self, last: Frame, *, is_whole: bool) -> float:
        """Return the time until which the last frame is shown, including a held one."""
        film = self._film
        end = self._now + float(max(last.duration * film.time_base, 1 / film.rate))
        if is_whole and film.end_s is not None:  # in MP4 files, the last frame may have the duration of another one
            end = max(end, film.end_s + self._since_start_s(0))
        return end

    def _next_s(self) -> float | None:
        times = [hint.time_s or 0.0 for hint in self._hints[:1]] + [time for time, _ in self._references[:1]]
        return min(times, default=None)

    def follow_soon(self) -> bool:
        """Return whether known colors follow that may belong to the shot of the last frame."""
        following = self._next_s()
        return following is not None and following < self._now + _WAIT_S

    def check_end(self) -> None:
        """Refuse times behind the last frame."""
        following = self._next_s()
        if following is not None:
            raise ConfigError(
                f"the hint or reference at {following:g} s comes after the last frame of {self._film.path.name}, which "
                f"is at {self._now:.2f} s"
            )


def _finished(seen: Sequence[Seen], *, waits: bool) -> int:
    """Return the number of frames that form a finished segment; 0 if there is none yet."""
    if seen[-1].begins_shot and len(seen) > SHORTEST:
        return len(seen) - 1
    if len(seen) < (LONGEST_WAIT if waits else LONGEST) + AHEAD:
        return 0
    return len(seen) - AHEAD


def _part(
    job: Job,
    seen: Sequence[Seen],
    times: Sequence[tuple[int, int]],
    count: int,
    state: State,
    damage: Damage,
    *,
    is_last: bool,
) -> Part:
    """Average the chroma of the first `count` frames, shot by shot."""
    raw: list[Moment] = []
    chroma: list[NDArray[np.float16]] = []
    shots = []
    carry, active = state.carry, state.active
    for begin, end in spans_of_shots(seen):
        if begin >= count:
            break
        shot, wanted = seen[begin:end], min(end, count) - begin
        if shot[0].begins_shot:
            carry, active = None, ()
        active = _active(job, shot, active)
        moments = _moments(job, shot, active)
        steady, carry = average(moments, wanted, carry)
        raw += moments
        chroma += _toned(shot, steady) if job.options.keep_tone else steady
        shots.append(ShotRecord(first=state.first + begin, frames=wanted, begins=shot[0].begins_shot))
    continues = len(seen) > count and not seen[count].begins_shot
    return Part(
        first=state.first,
        times=list(times[:count]),
        chroma=chroma,
        shots=shots,
        measures=_measures(raw, chroma, [item.own for item in seen]),
        state=State(state.first + count, carry if continues else None, active if continues else ()),
        is_last=is_last,
        damage=replace(damage),  # it grows with the frames of the next segments
    )


def _active(job: Job, shot: Sequence[Seen], earlier: tuple[int, ...]) -> tuple[int, ...]:
    """Return the indices of the references for a shot.

    Args:
        job: the references.
        shot: the frames of the shot or of a part of it.
        earlier: the references of its earlier part.
    """
    own = {number for item in shot for number in item.references} | set(earlier)
    if own:  # a reference for this very shot is better than others of its scene
        return tuple(sorted(own))
    views = [shot[index].levels.astype(np.float32) for index in sorted({0, len(shot) // 2, len(shot) - 1})]
    return tuple(
        number
        for number, reference in enumerate(job.references)
        if reference.time_s is None or any(align(view, reference.levels) is not None for view in views)
    )


def _moments(job: Job, shot: Sequence[Seen], active: tuple[int, ...]) -> list[Moment]:
    """Return the frames of a shot with the settings of the colors applied, and with the colors of references."""
    references = [job.references[number] for number in active]
    moments = []
    for index, item in enumerate(shot):
        levels = item.levels.astype(np.float32)
        plain = item.moment.chroma.astype(np.float32).transpose(2, 0, 1)
        known = item.moment.known
        if references:
            known = _over(known, _suggested(job, references, item, plain, aligns=index % REFERENCE_STEP == 0))
        chroma = adjusted(plain, levels, job.options).transpose(1, 2, 0).astype(np.float16)
        moments.append(replace(item.moment, chroma=chroma, known=known))
    return moments


def _suggested(
    job: Job, references: Sequence[Reference], item: Seen, chroma: NDArray[np.float32], *, aligns: bool
) -> Known:
    """Return the colors that references suggest for a frame.

    Those of a reference's own frame, and of frames that are aligned with it, are strong where the motion can be
    trusted, so that they travel. Elsewhere all frames are equally strong, because a stronger one would flash.
    """
    levels = item.levels.astype(np.float32)
    mixed, share = transfer(references, levels, chroma, aligns=aligns or bool(item.references))
    colors = chroma + (mixed - chroma) / np.maximum(share, _LEAST_SHARE)
    known = adjusted(np.asarray(colors, dtype=np.float32), levels, job.options).transpose(1, 2, 0)
    most = 1.0 if item.references else ALIGNED if aligns else SUGGESTED
    trust = np.ones(levels.shape) if item.moment.back is None else item.moment.back.trust / 255
    return Known(known, (share * (SUGGESTED + (most - SUGGESTED) * trust)).astype(np.float32))


def _over(hints: Known | None, references: Known) -> Known:
    """Return the known colors of a frame's references, and over them those of its hints."""
    if hints is None:
        return references
    share = hints.strength[..., None]
    return Known(
        references.chroma + share * (hints.chroma - references.chroma),
        np.maximum(references.strength, hints.strength),
    )


def _toned(shot: Sequence[Seen], steady: Sequence[NDArray[np.float16]]) -> list[NDArray[np.float16]]:
    """Return steady chroma with the shot's own tone beneath it."""
    own = [item.own for item in shot if item.own is not None]
    if not own:
        return list(steady)
    tone, toned = tone_of(np.concatenate(own)), []
    for item, chroma in zip(shot, steady, strict=False):
        planes = chroma.astype(np.float32)
        tone.add(item.levels.astype(np.float32), planes[..., 0], planes[..., 1])
        toned.append(planes.astype(np.float16))
    return toned


def _own_measures(own: NDArray[np.float32]) -> dict[str, float]:
    """Return the mean a* and b* of a frame's own colors, and how far they are from those of a print of one tone."""
    return {f"own_{name}": round(value, 2) for name, value in measured_own_colors(own)._asdict().items()}


def own_color_warnings(measures: Sequence[dict[str, float]]) -> list[str]:
    """Return what a film's own colors are, if it has any, in a sentence for the user."""
    own = [item for item in measures if "own_a" in item]
    if not own:
        return []
    mean = OwnColors(*(float(np.mean([item[f"own_{name}"] for item in own])) for name in OwnColors._fields))
    if mean.several:
        return ["the film has colors of its own, which are replaced"]
    if np.hypot(mean.a, mean.b) > _TONED:
        tone = f"mean a* {mean.a:.0f}, b* {mean.b:.0f}"
        return [
            f"the film seems toned or tinted ({tone}): its tone is replaced; --keep-tone keeps it beneath the colors"
        ]
    return []


def _measures(
    moments: Sequence[Moment], steady: Sequence[NDArray[np.float16]], own: Sequence[NDArray[np.float32] | None]
) -> list[dict[str, float]]:
    """Return measures of every frame.

    They are the mean chroma, the change of chroma along the motion before and after averaging, and of some frames
    their own colors.
    """
    plain = [moment.chroma for moment in moments]
    found = []
    for index, chroma in enumerate(steady):
        measure = {"chroma": round(float(np.hypot(*chroma.astype(np.float32).transpose(2, 0, 1)).mean()), 3)}
        motion = moments[index].back
        trusted = motion.trust >= TRUSTED if motion is not None else np.zeros((), dtype=np.bool_)
        if index and motion is not None and trusted.any():
            for name, planes in (("before", plain), ("after", steady)):
                measure[name] = round(mean_change(planes[index - 1], planes[index], motion, trusted), 4)
        colors = own[index]
        found.append(measure if colors is None else measure | _own_measures(colors))
    return found
