"""`chromalab survey`: the study with people, from its design to its report."""

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

app = typer.Typer(help="Ask people: a blinded web survey, and the statistics behind it.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="The survey's folder.", show_default=False)]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CHROMALAB_SURVEY_DATABASE",
        metavar="URL",
        help="PostgreSQL, as postgresql://user:password@host/name; a SQLite file in the folder where it is left out.",
        show_default=False,
    ),
]


@app.callback()
def survey() -> None:
    """Ask people: a blinded web survey, and the statistics behind it."""
    from importlib.util import find_spec

    from chromalab.core.errors import UsageError

    missing = [name for name in ("alembic", "fastapi", "httpx2", "matplotlib", "sqlalchemy") if find_spec(name) is None]
    if missing:
        raise UsageError(f"surveys need {missing[0]}: pip install 'chromalab[survey]'")


@app.command()
def create(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.yaml", help="As preference.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="STUDY", help="The survey's folder.", show_default=False)],
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=DIR", help="Pictures of a method; repeatable.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The gray photographs.", show_default=False)
    ] = None,
    truth: Annotated[Path | None, typer.Option(metavar="DIR", help="The true photographs.", show_default=False)] = None,
    from_compare: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Take the pictures of a finished comparison instead.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of a comparison: whose networks; its first one.", show_default=False)
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Of a comparison: training space; its first one.", show_default=False)
    ] = None,
    common: Annotated[bool, typer.Option("--common", help="Leave out photos that some method lacks.")] = False,
    power: Annotated[bool, typer.Option("--power/--no-power", help="Simulate how many people are needed.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a design, prepare blinded pictures, and say how many people it needs.

    Photos are matched by name over all folders. Every picture becomes a lossless PNG without metadata; all pictures of
    one photo get one byte length. Nothing of an existing survey is ever overwritten.
    """
    from chromalab.core.errors import UsageError
    from chromalab.survey.create import create_survey, sources_of_comparison, sources_of_folders
    from chromalab.survey.design import load_design
    from chromalab.survey.power import simulate_power

    plan = load_design(design)
    if (from_compare is None) == (not images):
        raise UsageError("give --images METHOD=DIR for each method, or --from-compare DIR, not both")
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
            raise UsageError(f"--images takes METHOD=DIR, as --images l2=out/l2, not '{text}'")
        if name in found:
            raise UsageError(f"--images names {name} twice")
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
        f"each person: {design.practice} practice, {design.trials} scored, {design.n_vigilance} attention, "
        f"{design.n_repeats} repeats; about {design.minutes} minutes"
    )
    votes = trials_per_group(design, record.methods) * design.stop.participants
    spread = f"; each item {balance['fewest']:.0f} to {balance['most']:.0f} times after 20 people"
    console.print(
        f"{design.stop.participants} people give {votes:.0f} votes on each {pairs}"
        + (spread if design.pairs != "adaptive" else "")
    )
    for note in record.notes:
        console.print(f"note: {note}")
    if table is not None:
        rows = Table(title=f"power for a difference of {table.difference:g} ({table.test})", title_justify="left")
        for heading in ("people", "finds it", "false alarms"):
            rows.add_column(heading, justify="right")
        for row in table.rows:
            rows.add_row(str(row.participants), f"{row.power:.0%}", f"{row.false_alarms:.0%}")
        console.print(rows)
        console.print(
            f"80% power needs about {table.needed} people"
            if table.needed
            else "none of these numbers of people has 80% power: more trials, more photos, or a larger difference"
        )
    console.print(f"next: chromalab survey serve {out}")


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8010,
    database: DatabaseUrl = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; more than one needs PostgreSQL.")] = 1,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where people reach the server, for links.", show_default=False)
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Answer under this name only (and on this machine); repeatable."),
    ] = None,
    proxies: Annotated[str, typer.Option(help="Proxies whose X-Forwarded headers are believed.")] = "127.0.0.1",
    joins_per_minute: Annotated[int, typer.Option(min=1, help="People who may begin from one address.")] = 30,
) -> None:
    """Open the survey to people, and its dashboard to the researcher.

    A vote is acknowledged when it is on the disk, and stored once however often it is sent. Stop with Ctrl-C and start
    again as you like: nothing is lost.
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
            metavar="STUDY|VOTES.csv", help="A survey, or votes in the export's format.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write the report here; STUDY/analysis as a rule.", show_default=False
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write scores, order effect and ties here.", show_default=False),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            metavar="SD|none",
            help="Spread of the prior on log-abilities; none: maximum likelihood.",
            show_default=False,
        ),
    ] = None,
    order_effect: Annotated[
        bool | None,
        typer.Option(
            "--order-effect/--no-order-effect", help="Estimate the left side's advantage.", show_default=False
        ),
    ] = None,
    draws: Annotated[int | None, typer.Option(min=100, help="Of each bootstrap.", show_default=False)] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|DIR", help="What `evaluate --csv` wrote, or a comparison's folder.", show_default=False
        ),
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Turn votes into scores with intervals over people and photographs, and a report.

    Options that change the frozen plan are named in the report.
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
    from chromalab.survey.analysis.agreement import metric_agreements, read_metric_values

    try:
        from chromalab.metrics.registry import METRICS
    except ImportError as error:
        raise UsageError(f"values of metrics need the laboratory: pip install 'chromalab[lab]' ({error})") from error
    values = read_metric_values(path, analysis.methods)
    directions = {name: METRICS[name].direction for name in values if name in METRICS}
    return analysis.model_copy(update={"metrics": metric_agreements(kept, values, directions)})


def _print_analysis(analysis: SurveyAnalysis) -> None:
    from rich.table import Table

    console = wide_console()
    names = {"pairwise": "log-ability", "real_or_fake": "fooling rate", "rating": "mean opinion"}
    rows = Table(title=f"{analysis.n_votes} votes of {analysis.n_participants} people on {analysis.n_photos} photos")
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
        console.print(f"left out by the rules: {len(out)} of {len(analysis.raters)} people")
    for note in (*analysis.notes, *(f"changed since the first vote: {change}" for change in analysis.changes)):
        console.print(f"note: {note}", markup=False)


@app.command()
def simulate(
    folder: Folder,
    people: Annotated[int, typer.Option(min=1, max=100_000, help="How many come.")] = 20,
    ability: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=X", help="A method's ability in log-odds; repeatable.", show_default=False),
    ] = None,
    rater_sd: Annotated[float, typer.Option(min=0, help="Spread of people's own abilities.")] = 0.5,
    photo_sd: Annotated[float, typer.Option(min=0, help="Spread over photographs.")] = 0.4,
    left_bias: Annotated[float, typer.Option(help="Advantage of the left side, in log-odds.")] = 0.0,
    lapses: Annotated[float, typer.Option(min=0, max=1, help="Share of blind guesses.")] = 0.02,
    clickers: Annotated[float, typer.Option(min=0, max=1, help="Share of people who only guess.")] = 0.0,
    think: Annotated[float, typer.Option(min=0, help="Mean seconds to an answer; 0 answers at once.")] = 0.0,
    at_a_time: Annotated[int, typer.Option(min=1, help="People there together.")] = 50,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A server that runs already; else one is started.", show_default=False),
    ] = None,
    database: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send simulated people through the real server, to try a design before anybody is paid.

    Their votes are stored like everybody's: use a copy of the survey, or delete its votes afterwards.
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
        f"{facts['finished']} of {people} people finished, {facts['turned_away']} were turned away, "
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
            raise UsageError(f"--ability takes METHOD=NUMBER, as --ability l2=-0.4, not '{text}'") from None
    return found


@app.command()
def export(
    folder: Folder,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Votes, a row each.", show_default=False)] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Everything but secrets.", show_default=False)
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Write votes as a long CSV file that R reads, and the whole survey as JSON with a checksum."""
    from chromalab.core.errors import UsageError
    from chromalab.core.files import write_text
    from chromalab.survey.analysis.analyze import open_survey
    from chromalab.survey.export import export_json
    from chromalab.survey.votes import votes_of_database, votes_text

    if csv_file is None and json_file is None:
        raise UsageError("say what to write: --csv FILE, --json FILE, or both")
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
        Path, typer.Argument(metavar="SURVEY.json", help="What `export --json` wrote.", show_default=False)
    ],
    folder: Folder,
    database: DatabaseUrl = None,
) -> None:
    """Bring an exported survey back into an empty folder; its analysis is the same."""
    from chromalab.core.files import make_folder
    from chromalab.survey.export import import_json
    from chromalab.survey.folder import SurveyFolder
    from chromalab.survey.storage.database import open_database

    make_folder(folder)
    place = SurveyFolder(folder)
    record = import_json(file, place, lambda: open_database(place, database))
    typer.echo(f"{folder}: {record.design.title}, {len(record.methods)} methods, {len(record.scenes)} photos", err=True)
