"""`chromalab survey`: user studies, from the design to the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import wide_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.survey.analysis.records import SurveyAnalysis
    from chromalab.survey.folder import SurveyRecord
    from chromalab.survey.power import PowerTable
    from chromalab.survey.votes import VoteRow

app = typer.Typer(help="Run a user study: a blinded web survey and its statistics.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="The survey's folder.", show_default=False)]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CHROMALAB_SURVEY_DATABASE",
        metavar="URL",
        help="PostgreSQL database (postgresql://user:password@host/name); omit to use a SQLite file in the folder.",
        show_default=False,
    ),
]


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
    design: Annotated[
        Path,
        typer.Argument(
            metavar="DESIGN.yaml",
            help="A design file, or the name of a preset such as `preference`.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="STUDY", help="The survey's folder.", show_default=False)],
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=DIR", help="Folder with the images of a method; repeatable.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the gray photos.", show_default=False)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the ground-truth photos.", show_default=False)
    ] = None,
    from_compare: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Use the images of this finished study instead.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="With --from-compare: seed of the networks (default: the first seed).", show_default=False),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="With --from-compare: training color space (default: the first).", show_default=False),
    ] = None,
    common: Annotated[bool, typer.Option("--common", help="Leave out photos that any method lacks.")] = False,
    power: Annotated[
        bool, typer.Option("--power/--no-power", help="Simulate how many participants the survey needs.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a design, prepare blinded stimuli, and estimate how many participants it needs.

    Photos are matched by name across folders. Every stimulus becomes a lossless PNG without metadata, and all stimuli
    of one photo get the same byte length. An existing survey is never overwritten.
    """
    from chromalab.core.errors import UsageError
    from chromalab.survey.create import create_survey, sources_of_comparison, sources_of_folders
    from chromalab.survey.design import load_design
    from chromalab.survey.power import simulate_power

    plan = load_design(design)
    if (from_compare is None) == (not images):
        raise UsageError("give either --images METHOD=DIR for each method, or --from-compare DIR")
    if from_compare is not None:
        sources = sources_of_comparison(from_compare, seed=seed, space=space)
    else:
        sources = sources_of_folders(_folders(images or []), reference=reference, truth=truth, common=common)
    record = create_survey(plan, sources, out)
    names = [scene.name for scene in record.scenes]
    table = simulate_power(record.design, record.methods, names) if power else None
    if table is not None:
        table.save(out / "power.json")
    if as_json:
        typer.echo(_created_json(record, table))
    else:
        _print_created(record, table, out)


def _folders(images: Sequence[str]) -> dict[str, Path]:
    from chromalab.core.errors import UsageError

    found: dict[str, Path] = {}
    for text in images:
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder:
            raise UsageError(f"--images {text} is not METHOD=DIR; write for example --images l2=out/l2")
        if name in found:
            raise UsageError(f"--images gives the method {name} twice; use each name once")
        found[name] = Path(folder)
    return found


def _created_json(record: SurveyRecord, table: PowerTable | None) -> str:
    import json

    return json.dumps(
        {
            "sha256": record.sha256, "methods": record.methods, "photos": len(record.scenes), "notes": record.notes,
            "minutes": record.design.minutes, "power": None if table is None else table.model_dump(mode="json"),
        }
    )  # fmt: skip


def _print_created(record: SurveyRecord, table: PowerTable | None, out: Path) -> None:
    from rich.table import Table

    from chromalab.survey.power import expected_usage, trials_per_group

    design, console = record.design, wide_console()
    sizes = sorted({(scene.width_px, scene.height_px) for scene in record.scenes})
    pairs = "pair of methods" if design.protocol == "pairwise" else "method"
    balance = expected_usage(design, record.methods, [scene.name for scene in record.scenes])
    console.print(f"{len(record.methods)} methods: {', '.join(record.methods)}")
    console.print(
        f"{len(record.scenes)} photos of {sizes[0][0]}x{sizes[0][1]}"
        + (f" to {sizes[-1][0]}x{sizes[-1][1]}" if len(sizes) > 1 else "")
        + " px"
    )
    console.print(
        f"each participant: {design.practice} practice, {design.trials} scored, {design.n_vigilance} attention checks, "
        f"{design.n_repeats} repeats; about {design.minutes} minutes"
    )
    votes = trials_per_group(design, record.methods) * design.stop.participants
    spread = f"; each item {balance['fewest']:.0f} to {balance['most']:.0f} times after 20 participants"
    console.print(
        f"{design.stop.participants} participants give {votes:.0f} votes on each {pairs}"
        + (spread if design.pairs != "adaptive" else "")
    )
    for note in record.notes:
        console.print(f"note: {note}")
    if table is not None:
        rows = Table(title=f"power for a difference of {table.difference:g} ({table.test})", title_justify="left")
        for heading in ("participants", "power", "false alarms"):
            rows.add_column(heading, justify="right")
        for row in table.rows:
            rows.add_row(str(row.participants), f"{row.power:.0%}", f"{row.false_alarms:.0%}")
        console.print(rows)
        console.print(
            f"80% power needs about {table.needed} participants"
            if table.needed
            else "none of these numbers of participants reaches 80% power; plan more trials or photos"
        )
    console.print(f"next: chromalab survey serve {out}")


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (0 = any free port).")] = 8010,
    database: DatabaseUrl = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Number of server processes; more than one needs PostgreSQL.")
    ] = 1,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Public address of the server, used in links.", show_default=False)
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name to answer to, besides localhost; repeatable (default: any)."),
    ] = None,
    proxies: Annotated[
        str, typer.Option(help="Addresses of proxies whose X-Forwarded headers are trusted.")
    ] = "127.0.0.1",
    joins_per_minute: Annotated[
        int, typer.Option(min=1, help="Participants who may join per minute from one address.")
    ] = 30,
) -> None:
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
    run_server(settings, host, port, workers=workers, proxies=proxies)


@app.command()
def analyze(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY|VOTES.csv",
            help="A survey folder, or a CSV file of votes in the export format.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for the report (default: STUDY/analysis).", show_default=False
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="JSON file for scores, order effect and ties.", show_default=False),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            metavar="SD|none",
            help="Standard deviation of the prior on log-abilities (none = maximum likelihood).",
            show_default=False,
        ),
    ] = None,
    order_effect: Annotated[
        bool | None,
        typer.Option(
            "--order-effect/--no-order-effect", help="Estimate the advantage of the left side.", show_default=False
        ),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=100, help="Number of draws of each bootstrap.", show_default=False)
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|DIR",
            help="Metric values: a CSV file of `evaluate --csv`, or a study folder.",
            show_default=False,
        ),
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Compute scores with intervals over participants and photos, and write a report.

    The report lists every option that changes the registered plan.
    """
    from chromalab.survey.analysis.analyze import analyze_source

    analysis, kept = analyze_source(source, database=database, prior=prior, order_effect=order_effect, draws=draws)
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

    console = wide_console()
    names = {"pairwise": "log-ability", "real_or_fake": "fooling rate", "rating": "mean opinion"}
    rows = Table(
        title=f"{analysis.n_votes} votes by {analysis.n_participants} participants on {analysis.n_photos} photos"
    )
    for heading in ("method", names[analysis.protocol], "interval", "SE", "votes"):
        rows.add_column(heading, justify="left" if heading == "method" else "right")
    for name in sorted(analysis.scores, key=lambda name: -analysis.scores[name].value):
        row = analysis.scores[name]
        rows.add_row(name, f"{row.value:.3f}", f"[{row.low:.3f}, {row.high:.3f}]", f"{row.se:.3f}", str(row.n))
    console.print(rows)
    if analysis.order_effect is not None:
        effect = analysis.order_effect
        console.print(f"order effect {effect.value:.3f} [{effect.low:.3f}, {effect.high:.3f}]")
    if analysis.tie is not None:
        console.print(f"ties: nu {analysis.tie:.3f}")
    out = [rater.observer for rater in analysis.raters if rater.excluded]
    if out:
        console.print(f"excluded by the rules: {len(out)} of {len(analysis.raters)} participants")
    for note in (*analysis.notes, *(f"changed since the first vote: {change}" for change in analysis.changes)):
        console.print(f"note: {note}", markup=False)


@app.command()
def simulate(
    folder: Folder,
    people: Annotated[int, typer.Option(min=1, max=100_000, help="Number of simulated participants.")] = 20,
    ability: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=X", help="Ability of a method in log-odds; repeatable.", show_default=False),
    ] = None,
    rater_sd: Annotated[
        float, typer.Option(min=0, help="Standard deviation of abilities between participants, in log-odds.")
    ] = 0.5,
    photo_sd: Annotated[float, typer.Option(min=0, help="Standard deviation over photos, in log-odds.")] = 0.4,
    left_bias: Annotated[float, typer.Option(help="Advantage of the left side, in log-odds.")] = 0.0,
    lapses: Annotated[float, typer.Option(min=0, max=1, help="Share of answers that are random guesses.")] = 0.02,
    clickers: Annotated[float, typer.Option(min=0, max=1, help="Share of participants who always guess.")] = 0.0,
    think: Annotated[float, typer.Option(min=0, help="Mean response time in seconds (0 = answer immediately).")] = 0.0,
    at_a_time: Annotated[int, typer.Option(min=1, help="Number of simultaneous participants.")] = 50,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address of a running server; omit to start one.", show_default=False),
    ] = None,
    database: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
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
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="CSV file with one row per vote.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="JSON file with the whole survey, without secrets.", show_default=False),
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Export the votes as a long CSV file, or the whole survey as JSON with a checksum."""
    from chromalab.core.errors import UsageError
    from chromalab.core.files import write_text
    from chromalab.survey.analysis.analyze import open_survey
    from chromalab.survey.votes import export_json, votes_of_database, votes_text

    if csv_file is None and json_file is None:
        raise UsageError("nothing to export; give --csv FILE, --json FILE or both")
    record, found = open_survey(folder, database)
    votes = votes_of_database(found)
    if csv_file is not None:
        write_text(csv_file, votes_text(votes))
    if json_file is not None:
        write_text(json_file, export_json(record, found))
    typer.echo(f"{len(votes)} answers written", err=True)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="SURVEY.json", help="A file written by `survey export --json`.", show_default=False),
    ],
    folder: Folder,
    database: DatabaseUrl = None,
) -> None:
    """Import an exported survey into an empty folder; its analysis stays the same."""
    from chromalab.core.files import make_folder
    from chromalab.survey.database import open_database
    from chromalab.survey.folder import SurveyFolder
    from chromalab.survey.votes import import_json

    make_folder(folder)
    place = SurveyFolder(folder)
    record = import_json(file, place, lambda: open_database(place, database))
    typer.echo(f"{folder}: {record.design.title}, {len(record.methods)} methods, {len(record.scenes)} photos", err=True)
