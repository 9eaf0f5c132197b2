"""`chromalab survey`: user studies, from the design to the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import (
    INPUT,
    LIMITS,
    OUTPUT,
    PERFORMANCE,
    SERVER,
    AsJson,
    Default,
    OptionsFile,
    named_folders,
    option,
    switch,
    wide_console,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.survey.analysis.records import SurveyAnalysis
    from chromalab.survey.design import Design
    from chromalab.survey.folder import SurveyRecord
    from chromalab.survey.plan import SubgroupPlan
    from chromalab.survey.power import PowerTable
    from chromalab.survey.votes import VoteRow

app = typer.Typer(help="Run a user study: a blinded web survey and its statistics.", no_args_is_help=True)

PARTICIPANTS, STUDY, STORAGE = "Simulated participants", "Images of a study", "Storage"
_SERVER = "chromalab.survey.server.state:ServerSettings"
_POPULATION = "chromalab.survey.simulate:Population"

Folder = Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder of the survey.")]
DatabaseUrl = Annotated[str | None, option(STORAGE, "URL",
    "PostgreSQL database (postgresql://user:password@host/name); omit to use a SQLite file in the folder.",
    "--database", envvar="CHROMALAB_SURVEY_DATABASE")]  # fmt: skip


@app.callback()
def survey() -> None:
    """Run a user study: a blinded web survey and its statistics."""
    from importlib.util import find_spec

    from chromalab.core.errors import UsageError

    missing = [name for name in ("alembic", "fastapi", "httpx2", "matplotlib", "sqlalchemy") if find_spec(name) is None]
    if missing:
        raise UsageError(f"surveys need the package {missing[0]}; run pip install 'chromalab[survey]'")


@app.command()
def create(
    design: Annotated[Path, typer.Argument(metavar="DESIGN",
        help="YAML file of a design, or the name of a built-in one such as preference.")],
    *,
    out: Annotated[Path, option(OUTPUT, "SURVEY", "Folder of the survey.", "--out", "-o")],
    power: Annotated[bool, switch(OUTPUT, "Simulate how many participants the survey needs.",
        "--power/--no-power")] = True,
    as_json: AsJson = False,
    images: Annotated[list[str] | None, option(INPUT, "NAME=DIR",
        "Name and image folder of a method; repeatable.")] = None,
    reference: Annotated[Path | None, option(INPUT, "DIR", "Folder of the gray photos.")] = None,
    truth: Annotated[Path | None, option(INPUT, "DIR", "Folder of the ground-truth photos.")] = None,
    common: Annotated[bool, switch(INPUT, "Leave out photos that any method lacks.", "--common")] = False,
    from_compare: Annotated[Path | None, option(STUDY, "DIR",
        "Finished study whose images to use; --images adds other methods for its photos.")] = None,
    methods: Annotated[list[str] | None, option(STUDY, "NAME",
        "Objective of that study to use; repeatable; omit to use all.", "--method")] = None,
    seed: Annotated[int | None, option(STUDY, "N",
        "Seed of the networks in that study; omit to use the first.")] = None,
    space: Annotated[str | None, option(STUDY, "NAME",
        "Training color space in that study; omit to use the first.")] = None,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Check a design, prepare blinded stimuli, and estimate how many participants it needs.

    Photos are matched by name across folders. Every stimulus becomes a lossless PNG without metadata, and all stimuli
    of one photo get the same byte length. An existing survey is never overwritten.
    """
    from chromalab.core.errors import UsageError
    from chromalab.core.records import names_preset
    from chromalab.survey.create import (
        create_survey,
        only_methods,
        sources_of_comparison,
        sources_of_folders,
        with_methods,
    )
    from chromalab.survey.design import load_design
    from chromalab.survey.power import simulate_power

    plan = load_design(design)
    folders = named_folders(images or [], "--images")
    if from_compare is not None:
        if reference or truth:
            raise UsageError("--from-compare has its own gray and true photos; remove --reference and --truth")
        study = sources_of_comparison(from_compare, seed=seed, space=space)
        sources = with_methods(only_methods(study, methods) if methods else study, folders, common=common)
    elif folders:
        sources = sources_of_folders(folders, reference=reference, truth=truth, common=common)
    else:
        raise UsageError("give --images NAME=DIR for each method, or --from-compare DIR")
    record = create_survey(plan, sources, out, preset=design.name if names_preset(design) else None)
    names = [scene.name for scene in record.scenes]
    table = simulate_power(record.design, record.methods, names) if power else None
    if table is not None:
        table.save(out / "power.json")
    if as_json:
        typer.echo(_created_json(record, table))
    else:
        _print_created(record, table, out)


def _created_json(record: SurveyRecord, table: PowerTable | None) -> str:
    import json

    from chromalab.survey.create import consent_notes

    notes = [*record.notes, *consent_notes(record.design)]
    return json.dumps(
        {
            "sha256": record.sha256, "methods": record.methods, "photos": len(record.scenes), "notes": notes,
            "minutes": record.design.minutes, "power": None if table is None else table.model_dump(mode="json"),
        }
    )  # fmt: skip


def _print_created(record: SurveyRecord, table: PowerTable | None, out: Path) -> None:
    from rich.table import Table

    from chromalab.core.wording import plural
    from chromalab.survey.create import consent_notes
    from chromalab.survey.power import PAIRS, power_words, trials_per_group

    design, console = record.design, wide_console()
    sizes = sorted({(scene.width_px, scene.height_px) for scene in record.scenes})
    pairs = "pair of methods" if design.protocol in PAIRS else "method"
    console.print(f"{len(record.methods)} methods: {', '.join(record.methods)}")
    console.print(
        f"{len(record.scenes)} photos of {sizes[0][0]}x{sizes[0][1]}"
        + (f" to {sizes[-1][0]}x{sizes[-1][1]}" if len(sizes) > 1 else "")
        + " px"
    )
    console.print(
        f"each participant: {design.practice} practice, {design.trials} scored, "
        f"{plural(design.n_vigilance, 'attention check')}, {plural(design.n_repeats, 'repeat')}; "
        f"about {plural(design.minutes, 'minute')}"
    )
    if design.allowed_misses < design.n_vigilance:
        console.print(
            f"attention checks: {_exclusion_of_checks(design)} (exclusions.vigilance_share: "
            f"{design.exclusions.vigilance_share:g})"
        )
    votes = trials_per_group(design, record.methods) * design.stop.participants
    console.print(
        f"{design.stop.participants} participants give {votes:.0f} votes on each {pairs}"
        + (f"; {_spread(record)}" if design.pairs != "adaptive" else "")
    )
    for note in (*record.notes, *consent_notes(design)):
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if table is not None:
        rows = Table(title=f"power for a difference of {table.difference:g} ({table.test})", title_justify="left")
        for heading in ("participants", "power", "false alarms", f"within {table.margin:g}"):
            rows.add_column(heading, justify="right")
        for row in table.rows:
            rows.add_row(
                str(row.participants), f"{row.power:.0%}", f"{row.false_alarms:.0%}", f"{row.equivalence or 0:.0%}"
            )
        console.print(rows)
        for sentence in power_words(table):
            console.print(sentence, soft_wrap=True)
    console.print(f"next: chromalab survey serve {out}")


def _exclusion_of_checks(design: Design) -> str:
    """Return which participants the attention checks exclude."""
    checks, fails = design.n_vigilance, design.allowed_misses + 1
    least = "at least " if fails < checks else ""
    return f"participants who fail {least}{fails} of {checks} are excluded"


def _spread(record: SurveyRecord) -> str:
    """Return how evenly the trials cover the items."""
    from chromalab.core.wording import plural
    from chromalab.survey.power import expected_usage

    balance = expected_usage(record.design, record.methods, [scene.name for scene in record.scenes])
    fewest, most = round(balance["fewest"]), round(balance["most"])
    times = plural(most, "time") if fewest == most else f"{fewest} to {most} times"
    return f"each item {times} after {plural(min(record.design.stop.participants, 20), 'participant')}"


@app.command()
def serve(
    folder: Folder,
    *,
    host: Annotated[str, option(SERVER, "ADDRESS", "Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, option(SERVER, "N", "Port to listen on (0 = any free port).", min=0, max=65535)] = 8010,
    public_url: Annotated[str | None, option(SERVER, "URL", "Public address of the server, used in links.")] = None,
    allow_host: Annotated[list[str] | None, option(SERVER, "NAME", "Host name to answer to, besides "
        "localhost; repeatable; omit to answer to any.")] = None,
    proxies: Annotated[str, option(SERVER, "ADDRESS,...", "Addresses of proxies whose X-Forwarded "
        "headers are trusted.")] = "127.0.0.1",
    joins_per_minute: Annotated[int, option(LIMITS, "N", "Participants who may join per minute from one address.",
        min=1, default=Default(f"{_SERVER}.joins_per_minute"))],
    workers: Annotated[int, option(PERFORMANCE, "N", "Number of server processes; more than one needs PostgreSQL.",
        min=1, max=64)] = 1,
    new_password: Annotated[bool, switch(SERVER, "Delete the dashboard's password, and print a link for setting a new "
        "one.", "--new-password")] = False,
    database: DatabaseUrl = None,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Serve the survey to participants and its dashboard to the researcher.

    A vote is acknowledged once it is on disk, and is stored once no matter how often it is sent. Stop with Ctrl-C and
    restart at any time without losing votes.
    """
    from chromalab.survey.server.app import run_server
    from chromalab.survey.server.state import ServerSettings

    settings = ServerSettings(
        folder=str(folder), database=database, public_url=public_url.rstrip("/") if public_url else None,
        joins_per_minute=joins_per_minute, hosts=allow_host or [],
    )  # fmt: skip
    run_server(settings, host, port, workers=workers, proxies=proxies, new_password=new_password)


@app.command()
def analyze(
    source: Annotated[Path, typer.Argument(metavar="SURVEY|VOTES.csv",
        help="Folder of a survey, or CSV file of votes in the export format.")],
    out: Annotated[Path | None, option(None, "DIR", "Folder for the report; omit for SURVEY/analysis. Without it, "
        "votes from a CSV file get no report.", "--out", "-o")] = None,
    json_file: Annotated[Path | None, option(None, "FILE", "JSON file for scores, order effect and ties.",
        "--json")] = None,
    prior: Annotated[str | None, option(None, "SD|none", "Standard deviation of the prior on log-abilities "
        "(none = maximum likelihood).")] = None,
    order_effect: Annotated[bool | None, switch(None, "Estimate the advantage of the left side.",
        "--order-effect/--no-order-effect")] = None,
    draws: Annotated[int | None, option(None, "N", "Number of draws of each bootstrap.", min=100)] = None,
    margin: Annotated[float | None, option(None, "X", "Equivalence margin: the largest difference without practical "
        "meaning, in the unit of the scores.")] = None,
    subgroup: Annotated[list[str] | None, option(None, "NAME[=X]", "Question whose answers give groups of "
        "participants; age=30,50 sets the edges between groups of numbers; repeatable.")] = None,
    metrics: Annotated[Path | None, option(None, "FILE|DIR", "Metric values: CSV file of `evaluate --csv`, "
        "or folder of a study.")] = None,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Compute scores with intervals over participants and photos, and write a report.

    The report lists every option that changes the registered plan.
    """
    from chromalab.core.errors import UsageError
    from chromalab.survey.analysis.analyze import analyze_source

    if margin is not None and not 0 < margin < float("inf"):
        raise UsageError(f"--margin must be a number above 0, not {margin:g}")
    analysis, kept = analyze_source(
        source, database=database, prior=prior, order_effect=order_effect, draws=draws, margin=margin,
        subgroups=[_subgroup(text) for text in subgroup or []],
    )  # fmt: skip
    if metrics is not None:
        analysis = _with_metrics(analysis, kept, metrics)
    target = out or (source / "analysis" if source.is_dir() else None)
    if json_file is not None:
        from chromalab.core.files import write_text
        from chromalab.survey.analysis.analyze import scores_json

        write_text(json_file, scores_json(analysis))
    if target is not None:
        from chromalab.survey.analysis.page import write_survey_report

        typer.echo(f"report: {write_survey_report(analysis, target)}", err=True)
    _print_analysis(analysis)


def _subgroup(text: str) -> SubgroupPlan:
    from chromalab.core.errors import UsageError
    from chromalab.survey.plan import SubgroupPlan

    name, _, edges = text.partition("=")
    try:
        bins = [float(edge) for edge in edges.split(",")] if edges else []
        return SubgroupPlan(question=name, bins=bins)
    except ValueError:
        raise UsageError(
            f"--subgroup {text} is not QUESTION or QUESTION=EDGE,... with ascending numbers; write for example "
            "--subgroup age=30,50"
        ) from None


def _with_metrics(analysis: SurveyAnalysis, kept: Sequence[VoteRow], path: Path) -> SurveyAnalysis:
    from chromalab.core.errors import UsageError
    from chromalab.survey.analysis.raters import metric_agreements, read_metric_values

    try:
        from chromalab.metrics.registry import METRICS
    except ImportError as error:
        raise UsageError(f"--metrics needs the extra [lab]; run pip install 'chromalab[lab]' ({error})") from error
    values = read_metric_values(path, analysis.methods)
    directions = {name: METRICS[name].direction for name in values if name in METRICS}
    return analysis.model_copy(update={"metrics": metric_agreements(kept, values, directions)})


def _print_analysis(analysis: SurveyAnalysis) -> None:
    from rich.table import Table

    from chromalab.survey.analysis.verdicts import NAMES, ranked_groups, verdict_of_subgroups, verdicts

    console = wide_console()
    for fault in analysis.faults:
        held = "; these scores follow the registered design" if analysis.design_sha256 else ""
        console.print(f"warning: {fault}{held}", markup=False, soft_wrap=True)
    rows = Table(
        title=f"{analysis.n_votes} votes by {analysis.n_participants} participants on {analysis.n_photos} photos"
    )
    for heading in ("method", NAMES[analysis.protocol], "interval", "SE", "votes"):
        rows.add_column(heading, justify="left" if heading == "method" else "right")
    for group in ranked_groups(analysis):
        for name in group:
            row = analysis.scores[name]
            rows.add_row(name, f"{row.value:.3f}", f"[{row.low:.3f}, {row.high:.3f}]", f"{row.se:.3f}", str(row.n))
        rows.add_section()
    console.print(rows)
    findings = [verdict.sentence for verdict in verdicts(analysis)]
    for sentence in [*findings, *map(verdict_of_subgroups, analysis.subgroups)]:
        console.print(sentence, markup=False, soft_wrap=True)
    if analysis.order_effect is not None:
        effect = analysis.order_effect
        console.print(f"order effect {effect.value:.3f} [{effect.low:.3f}, {effect.high:.3f}]")
    if analysis.tie is not None:
        console.print(f"ties: nu {analysis.tie:.3f}")
    out = [rater.observer for rater in analysis.raters if rater.excluded]
    if out:
        console.print(f"excluded by the rules: {len(out)} of {len(analysis.raters)} participants")
    for note in (*analysis.notes, *(f"changed since the first vote: {change}" for change in analysis.changes)):
        console.print(f"note: {note}", markup=False, soft_wrap=True)


@app.command()
def simulate(
    folder: Folder,
    *,
    people: Annotated[int, option(PARTICIPANTS, "N", "Number of participants.", min=1, max=100000)] = 20,
    ability: Annotated[list[str] | None, option(PARTICIPANTS, "METHOD=X",
        "Ability of a method in log-odds; repeatable.")] = None,
    rater_sd: Annotated[float, option(PARTICIPANTS, "X", "Standard deviation of abilities between participants, in "
        "log-odds.", min=0, default=Default(f"{_POPULATION}.rater_sd"))],
    photo_sd: Annotated[float, option(PARTICIPANTS, "X", "Standard deviation of abilities between photos, in log-odds.",
        min=0, default=Default(f"{_POPULATION}.photo_sd"))],
    left_bias: Annotated[float, option(PARTICIPANTS, "X", "Advantage of the left side, in log-odds.",
        default=Default(f"{_POPULATION}.left_bias"))],
    lapses: Annotated[float, option(PARTICIPANTS, "X", "Share of answers that are random guesses.", min=0, max=1,
        default=Default(f"{_POPULATION}.lapses"))],
    clickers: Annotated[float, option(PARTICIPANTS, "X", "Share of participants who always guess.", min=0, max=1,
        default=Default(f"{_POPULATION}.clickers"))],
    think: Annotated[float, option(PARTICIPANTS, "SECONDS", "Mean response time in seconds (0 = immediate).", min=0,
        default=Default(f"{_POPULATION}.think_s"))],
    seed: Annotated[int, option(PARTICIPANTS, "N", "Random seed.", default=Default(f"{_POPULATION}.seed"))],
    at_a_time: Annotated[int, option(SERVER, "N", "Number of simultaneous participants.", min=1,
        default=Default("chromalab.survey.simulate:AT_A_TIME"))],
    url: Annotated[str | None, option(SERVER, "URL", "Address of a running server; omit to start one.")] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Send simulated participants through the real server to test a design.

    Their votes are stored like real votes, so use a copy of the survey or delete the votes afterwards.
    """
    from chromalab.survey.simulate import Population, run_simulation

    described = Population(
        abilities=_abilities(ability or []), rater_sd=rater_sd, photo_sd=photo_sd, left_bias=left_bias,
        lapses=lapses, clickers=clickers, think_s=think, seed=seed,
    )  # fmt: skip
    outcome = run_simulation(folder, described, people, url=url, database=database, at_a_time=at_a_time)
    if as_json:
        import json

        typer.echo(json.dumps(outcome.facts()))
        return
    facts = outcome.facts()
    typer.echo(
        f"{facts['finished']} of {people} participants finished, {facts['turned_away']} were turned away, "
        f"{facts['votes']} votes in {facts['seconds']:.1f} s; 95% of votes took at most "
        f"{1000 * facts['vote_p95_s']:.0f} ms"
    )
    for fault in outcome.failed[:3]:
        typer.echo(f"failed: {fault}", err=True)


def _abilities(texts: Sequence[str]) -> dict[str, float]:
    from chromalab.core.errors import UsageError

    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise UsageError(f"--ability {text} is not METHOD=NUMBER; write for example --ability l2=-0.4") from None
    return found


@app.command()
def export(
    folder: Folder,
    csv_file: Annotated[Path | None, option(None, "FILE", "CSV file with one row per vote.", "--csv")] = None,
    participants: Annotated[Path | None, option(None, "FILE", "CSV file with one row per participant and the "
        "answers to questions.")] = None,
    json_file: Annotated[Path | None, option(None, "FILE", "JSON file with the whole survey, without secrets.",
        "--json")] = None,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Export the votes and the participants as CSV files, or the whole survey as JSON with a checksum."""
    from chromalab.core.errors import UsageError
    from chromalab.core.files import write_text
    from chromalab.survey.analysis.analyze import open_survey
    from chromalab.survey.analysis.raters import label_exclusions, report_raters
    from chromalab.survey.participants import participants_text
    from chromalab.survey.transfer import export_json
    from chromalab.survey.votes import votes_of_database
    from chromalab.survey.votes_csv import votes_text

    if csv_file is None and participants is None and json_file is None:
        raise UsageError("nothing to export; give --csv FILE, --participants FILE or --json FILE")
    frozen, found = open_survey(folder, database)
    _print_faults(frozen.faults)
    record = frozen.record
    rules, votes = record.design.exclusions, votes_of_database(found)
    raters = report_raters(votes, record.methods, rules, record.design.protocol)
    if csv_file is not None:
        write_text(csv_file, votes_text(label_exclusions(votes, raters, rules)))
    if participants is not None:
        excluded = {rater.observer: rater.excluded for rater in raters}
        write_text(participants, participants_text(found, record.design, excluded))
    if json_file is not None:
        write_text(json_file, export_json(record, found))
    typer.echo(f"{len(votes)} answers written", err=True)


def _print_faults(faults: Sequence[str]) -> None:
    for fault in faults:
        typer.echo(f"warning: {fault}", err=True)


@app.command()
def approve(
    folder: Folder,
    out: Annotated[Path, option(None, "FILE", "CSV file with the columns id, code, status, reason and minutes.",
        "--out", "-o")],
    *,
    ids: Annotated[Path | None, option(None, "FILE", "Text file with a platform ID on each line; omit for a row for "
        "every participant, without the platform's IDs.")] = None,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """List whom to approve on a recruitment platform, whom the rules exclude, who was screened out, and who returned.

    Nothing is sent to a platform, and the rules of the design decide; look at every rejection before you act on it.
    """
    from collections import Counter

    from chromalab.core.files import write_text
    from chromalab.survey.analysis.analyze import open_survey
    from chromalab.survey.analysis.raters import excluded_by_rules
    from chromalab.survey.folder import SurveyFolder
    from chromalab.survey.links import read_ids
    from chromalab.survey.participants import approvals, approvals_text
    from chromalab.survey.votes import votes_of_database

    frozen, opened = open_survey(folder, database)
    _print_faults(frozen.faults)
    record = frozen.record
    excluded = excluded_by_rules(record.design, record.methods, votes_of_database(opened))
    wanted = None if ids is None else read_ids(ids)
    rows = approvals(opened, SurveyFolder(folder).secret(), record.design.recruitment, excluded, wanted)
    write_text(out, approvals_text(rows))
    counts = Counter(row.status for row in rows)
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.items()) or "nobody has consented yet")


@app.command()
def links(
    folder: Folder,
    *,
    public_url: Annotated[str, option(None, "URL", "Public address of the server, with which the links "
        "begin.")] = "http://127.0.0.1:8010",
    count: Annotated[int, option(None, "N", "Number of personal links to create, for a survey with access: invited.",
        min=1, max=10_000)] = 1,
    ids: Annotated[Path | None, option(None, "FILE", "Text file with a platform ID on each line, for a survey with "
        "signed links.")] = None,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Print the links that admit participants, one on each line.

    A survey with access: invited gets new personal links. With signed links, every ID gets its own. All other surveys
    have one link for everyone.
    """
    from chromalab.survey.links import participant_links

    for link in participant_links(folder, public_url.rstrip("/"), count=count, ids=ids, database=database):
        typer.echo(link)


@app.command()
def preregister(
    folder: Folder,
    out: Annotated[Path | None, option(None, "DIR", "Folder for both files; omit for SURVEY.", "--out", "-o")] = None,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Write the preregistration as YAML, and as text for the form of the Open Science Framework (OSF).

    Both state the hash, the exclusion rules, the primary contrasts, the stopping rule and the analysis plan.
    """
    from chromalab.survey.analysis.analyze import open_survey
    from chromalab.survey.folder import SurveyFolder
    from chromalab.survey.registration import Frozen, write_preregistration

    place = SurveyFolder(folder)
    if database is None and not place.database.exists():
        frozen = Frozen(place.load(), [], None, None)
    else:
        frozen, _ = open_survey(folder, database)
    _print_faults(frozen.faults)
    for path in write_preregistration(frozen, out or folder):
        typer.echo(str(path))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="SURVEY.json", help="File written by `survey export --json`.")],
    folder: Folder,
    database: DatabaseUrl = None,
) -> None:  # fmt: skip
    """Import an exported survey into an empty folder; its analysis stays the same."""
    from chromalab.core.files import make_folder
    from chromalab.survey.database import open_database
    from chromalab.survey.folder import SurveyFolder
    from chromalab.survey.registration import frozen_design
    from chromalab.survey.transfer import import_json

    make_folder(folder)
    place = SurveyFolder(folder)
    record = import_json(file, place, lambda: open_database(place, database))
    _print_faults(frozen_design(record, open_database(place, database)).faults)
    typer.echo(f"{folder}: {record.design.title}, {len(record.methods)} methods, {len(record.scenes)} photos", err=True)
