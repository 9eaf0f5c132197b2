"""What the analysis leaves on disk."""

from __future__ import annotations

from pydantic import FiniteFloat

from chromalab.core.records import Record

SCHEMA_VERSION = 1


class Score(Record):
    """A method's score with its headline interval.

    Attributes:
        value: log-ability (mean 0), fooling rate, or mean opinion score.
        se: standard error over people and photographs.
        low: lower end of the interval.
        high: upper end.
        n: votes behind it.
        participants_se: over people, these photographs held fixed.
        photos_se: over photographs, these people held fixed.
        naive_se: as if votes were independent; never to be used.
    """

    value: FiniteFloat
    se: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    n: int
    participants_se: FiniteFloat | None = None
    photos_se: FiniteFloat | None = None
    naive_se: FiniteFloat | None = None


class Estimate(Record):
    """A number with its interval."""

    value: FiniteFloat
    se: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Difference(Record):
    """Two methods compared: `first - second`.

    Attributes:
        p: two-sided.
        p_holm: after Holm's correction over all pairs.
        winner: the better one after correction, or None.
        preferred: share of votes between the two, ties halved, that chose the first; None where they never met.
    """

    first: str
    second: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    p: FiniteFloat
    p_holm: FiniteFloat
    winner: str | None
    preferred: FiniteFloat | None = None


class Fooling(Record):
    """What real-or-fake says of a method.

    Attributes:
        fooled: colored photographs that were taken for the true ones.
        n: trials.
        wilson: naive interval of the rate.
        clopper_pearson: another.
        d_prime: sensitivity, 0 where people can't tell, with the interval over people and photographs.
        criterion: bias, likewise.
    """

    fooled: int
    n: int
    wilson: tuple[FiniteFloat, FiniteFloat]
    clopper_pearson: tuple[FiniteFloat, FiniteFloat]
    d_prime: Estimate
    criterion: Estimate


class Rater(Record):
    """What is known of a person's answers.

    Attributes:
        excluded: the rules that leave them out; empty where none does.
        n: scored votes.
        vigilance: right attention checks, and how many there were.
        repeats: repeats answered alike, and how many there were.
        fast_share: of answers.
        left_share: of answers that chose the left one.
        left_p: two-sided binomial test of that against a half.
        median_s: median response time in seconds.
        log_likelihood: mean, of this person's votes under everybody else's scores.
        outlier_distance: below the first quartile, in interquartile ranges.
        bias: of ratings (P.910).
        inconsistency: of ratings (P.910).
        screening_passed: of color vision.
        blurs: answers during which the window lost its focus.
    """

    observer: str
    excluded: list[str] = []
    n: int
    vigilance: tuple[int, int] = (0, 0)
    repeats: tuple[int, int] = (0, 0)
    fast_share: FiniteFloat | None = None
    left_share: FiniteFloat | None = None
    left_p: FiniteFloat | None = None
    median_s: FiniteFloat | None = None
    log_likelihood: FiniteFloat | None = None
    outlier_distance: FiniteFloat | None = None
    bias: FiniteFloat | None = None
    inconsistency: FiniteFloat | None = None
    screening_passed: bool | None = None
    blurs: int = 0


class MetricAgreement(Record):
    """How far a metric follows the people of this survey.

    Attributes:
        srcc: Spearman's correlation over all pictures, turned so that 1 is agreement; its interval is over photographs.
        scene_srcc: the mean of the photographs' own.
        krcc: Kendall's tau-b.
        plcc: Pearson's after a logistic fit.
        two_afc: share of votes that chose the picture which the metric holds for the better one.
        method_srcc: over the methods' means.
        n: pictures.
    """

    srcc: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    scene_srcc: FiniteFloat | None = None
    krcc: FiniteFloat | None = None
    plcc: FiniteFloat | None = None
    two_afc: FiniteFloat | None = None
    method_srcc: FiniteFloat | None = None
    n: int


class ParticipantAgreement(Record):
    """How far people follow each other: what a metric can be asked to reach.

    Attributes:
        split_half: rank correlation of two halves of the people, over pictures.
        corrected: by Spearman and Brown, for all people.
        ceiling: its root.
        one_against_rest: rank correlation of a single person's choices with everybody else's.
        repeats: share of flipped repeats that were answered alike.
    """

    split_half: FiniteFloat | None = None
    corrected: FiniteFloat | None = None
    ceiling: FiniteFloat | None = None
    one_against_rest: FiniteFloat | None = None
    repeats: FiniteFloat | None = None


class SurveyAnalysis(Record):
    """Everything that the analysis says.

    Attributes:
        protocol: of the survey.
        title: of the survey.
        methods: as compared.
        n_participants: people whose votes count.
        n_photos: photographs they judged.
        n_votes: scored votes of theirs.
        scores: by method, people left out by the rules left out.
        scores_all: by method, everybody.
        jod: Thurstone's scores in just-objectionable differences, with intervals (pairwise).
        mos: qualities of ITU-T P.910's rater model by method (rating).
        differences: every pair of methods.
        order_effect: advantage of the left side in logits (pairwise), None where it can't be told.
        tie: Davidson's nu, None without ties.
        components: groups of methods that votes connect; more than one can't be compared.
        fooling: by method (real_or_fake).
        raters: every person.
        people: how far they agree.
        metrics: how far metrics follow them.
        changes: what changed in the design after the first vote.
        design_sha256: of the design as it was fixed before the first vote.
        withdrawn: how many withdrew.
        notes: what a reader must know.
        settings: level, draws, prior and the like.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str
    title: str
    methods: list[str]
    n_participants: int
    n_photos: int
    n_votes: int
    scores: dict[str, Score]
    scores_all: dict[str, Score] = {}
    jod: dict[str, Estimate] = {}
    mos: dict[str, FiniteFloat] = {}
    differences: list[Difference] = []
    order_effect: Estimate | None = None
    tie: FiniteFloat | None = None
    components: list[list[str]] = []
    fooling: dict[str, Fooling] = {}
    raters: list[Rater] = []
    people: ParticipantAgreement = ParticipantAgreement()
    metrics: dict[str, MetricAgreement] = {}
    changes: list[str] = []
    design_sha256: str | None = None
    withdrawn: int = 0
    notes: list[str] = []
    settings: dict[str, FiniteFloat | str | None] = {}
