"""Records of the analysis of a survey."""

from __future__ import annotations

from pydantic import FiniteFloat

from chromalab.core.records import Record

SCHEMA_VERSION = 1


class Score(Record):
    """The score of a method with its interval.

    Attributes:
        value: log-ability (mean 0; pairwise, rank_order), fooling rate, or mean opinion score.
        se: standard error over participants and photos.
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of votes.
        participants_se: standard error over participants for these photos; None if the votes are too alike to show it.
        photos_se: standard error over photos for these participants, likewise.
        naive_se: standard error if votes were independent, for comparison only.
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
    """A value with its standard error and interval."""

    value: FiniteFloat
    se: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Difference(Record):
    """The difference between two methods, `first - second`.

    Attributes:
        p: two-sided p-value.
        p_holm: p-value after Holm's correction over all pairs.
        winner: the better method after correction, or None.
        preferred: share of votes on this pair that chose the first method, with ties halved, or of the rankings that
            put it above the second; None without such votes.
        lacking: why no winner can be named, such as too few participants, or None.
        primary: whether the plan names this comparison as primary. Holm's correction covers the primary comparisons
            alone, and for all others all comparisons.
        within: smallest margin within which the methods are equivalent at the level of the intervals.
        p_equivalence: p-value of two one-sided tests that the difference is smaller than the margin of the plan.
        equivalent: whether these tests show it, or None without a margin.
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
    lacking: str | None = None
    primary: bool = False
    within: FiniteFloat | None = None
    p_equivalence: FiniteFloat | None = None
    equivalent: bool | None = None


class Fooling(Record):
    """Real-or-fake results of a method.

    Attributes:
        fooled: number of trials in which generated colors were taken for true ones.
        n: number of trials.
        wilson: Wilson interval of the rate, which treats trials as independent.
        clopper_pearson: Clopper-Pearson interval of the rate, which does so, too.
        d_prime: sensitivity with its interval over participants and photos; 0 means that participants cannot tell.
        criterion: response bias with its interval.
    """

    fooled: int
    n: int
    wilson: tuple[FiniteFloat, FiniteFloat]
    clopper_pearson: tuple[FiniteFloat, FiniteFloat]
    d_prime: Estimate
    criterion: Estimate


class Rater(Record):
    """Quality measures of a participant's answers.

    Attributes:
        excluded: rules that exclude the participant.
        n: number of scored votes.
        vigilance: passed attention checks and their total number.
        repeats: consistent repeats and their total number.
        fast_share: share of fast answers.
        left_share: share of answers that chose the left image, or ranked the image shown first above that shown last.
        left_p: p-value of the two-sided binomial test of `left_share` against one half.
        median_s: median response time in seconds.
        log_likelihood: mean log-likelihood of the votes under the scores of all others.
        outlier_distance: distance of `log_likelihood` below the first quartile, in interquartile ranges.
        bias: bias of the ratings (ITU-T P.910).
        inconsistency: inconsistency of the ratings (ITU-T P.910).
        screening_passed: whether the participant passed the color-vision screening.
        blurs: number of answers during which the window lost focus.
        conditions: measured conditions of viewing, without those that were skipped.
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
    conditions: dict[str, FiniteFloat] = {}


class MetricAgreement(Record):
    """Agreement of a metric with the participants.

    Attributes:
        srcc: Spearman's correlation over all images, signed so that 1 means agreement.
        low: lower end of its interval over photos.
        high: upper end of its interval over photos.
        scene_srcc: mean of the correlations within photos, see `stats.agreement.scene_srcc`.
        krcc: Kendall's tau-b.
        plcc: Pearson's correlation after a logistic fit, without sign.
        two_afc: share of votes that chose the image with the better value of the metric.
        method_srcc: Spearman's correlation over the means of the methods.
        n: number of images.
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


class ImageScore(Record):
    """The score of one image.

    Attributes:
        photo: the photo.
        method: the method that colored it.
        value: share of comparisons won (pairwise), share of the other images that it was ranked above (rank_order),
            share taken for real (real_or_fake), or mean rating (rating).
        votes: number of votes behind it.
    """

    photo: str
    method: str
    value: FiniteFloat
    votes: int


class ParticipantAgreement(Record):
    """Agreement among participants, which bounds the agreement that a metric can reach.

    Attributes:
        split_half: rank correlation of two halves of the participants, over images.
        corrected: the same for all participants, by the Spearman-Brown formula.
        ceiling: square root of `corrected`.
        one_against_rest: rank correlation of one participant with all others.
        repeats: share of flipped repeats that were answered consistently.
    """

    split_half: FiniteFloat | None = None
    corrected: FiniteFloat | None = None
    ceiling: FiniteFloat | None = None
    one_against_rest: FiniteFloat | None = None
    repeats: FiniteFloat | None = None


class Subgroup(Record):
    """The scores of a group of participants.

    Attributes:
        name: the answer that the group has in common.
        n_participants: number of its participants who are not excluded.
        n_photos: number of photos that they saw.
        n_votes: number of their scored votes.
        scores: scores by method, with intervals; empty if the data are too few.
        lacking: why there are no scores, or None.
    """

    name: str
    n_participants: int
    n_photos: int
    n_votes: int
    scores: dict[str, Score] = {}
    lacking: str | None = None


class SubgroupComparison(Record):
    """The groups of participants by one question.

    Attributes:
        question: name of the question.
        planned: whether the plan named it before the first vote; otherwise the comparison is exploratory.
        groups: the groups in the order of the answers.
        unanswered: number of participants who did not answer the question.
        p: p-value of a permutation test that answers do not depend on the group; None without two groups that have
            enough data.
        p_holm: p-value after Holm's correction over planned questions alone, and for others over all questions.
    """

    question: str
    planned: bool
    groups: list[Subgroup]
    unanswered: int = 0
    p: FiniteFloat | None = None
    p_holm: FiniteFloat | None = None


class SurveyAnalysis(Record):
    """The analysis of a survey.

    Attributes:
        protocol: protocol of the survey.
        title: title of the survey.
        methods: compared methods.
        n_participants: number of participants who are not excluded.
        n_photos: number of photos that they saw.
        n_votes: number of their scored votes.
        n_unfinished: number of these participants who did not answer all trials; their votes count.
        scores: scores by method, without excluded participants.
        scores_all: scores by method, with all participants.
        jod: Thurstone scores in just-objectionable differences, with intervals (pairwise).
        mos: quality by method in the rater model of ITU-T P.910 (rating).
        scale: highest rating: 5 (from 1), or 100 (from 0) on a slider (rating).
        differences: differences of all pairs of methods that votes connect.
        order_effect: advantage of the left side in logits (pairwise), or None if it cannot be estimated.
        order_inseparable: whether the same methods always stood on the left, so that preference includes the side.
        tie: Davidson's nu, or None without ties.
        components: groups of methods that votes connect; methods of different groups cannot be compared, and scores are
            relative to their group.
        fooling: results by method (real_or_fake).
        images: scores of every image, without excluded participants.
        raters: all participants.
        people: agreement among participants.
        subgroups: scores by groups of participants, for each question of the plan.
        metrics: agreement of each metric with the participants.
        faults: differences between the survey's files and the design that was frozen at the first vote.
        changes: changes of the design after the first vote.
        interim: widest half width at each declared interim look, by number of finished participants; None if the votes
            had no finite interval.
        design_sha256: hash of the design as registered before the first vote.
        withdrawn: number of participants who withdrew after they had consented.
        notes: remarks for the reader.
        settings: level, draws, prior and similar settings.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str
    title: str
    methods: list[str]
    n_participants: int
    n_photos: int
    n_votes: int
    n_unfinished: int = 0
    scores: dict[str, Score]
    scores_all: dict[str, Score] = {}
    jod: dict[str, Estimate] = {}
    mos: dict[str, FiniteFloat] = {}
    scale: int = 5
    differences: list[Difference] = []
    order_effect: Estimate | None = None
    order_inseparable: bool = False
    tie: FiniteFloat | None = None
    components: list[list[str]] = []
    fooling: dict[str, Fooling] = {}
    images: list[ImageScore] = []
    raters: list[Rater] = []
    people: ParticipantAgreement = ParticipantAgreement()
    subgroups: list[SubgroupComparison] = []
    metrics: dict[str, MetricAgreement] = {}
    faults: list[str] = []
    changes: list[str] = []
    interim: dict[str, FiniteFloat | None] = {}
    design_sha256: str | None = None
    withdrawn: int = 0
    notes: list[str] = []
    settings: dict[str, FiniteFloat | str | None] = {}
