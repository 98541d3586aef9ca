"""The page of a text-to-motion evaluation, and its lines on a terminal."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.evaluation_page.model import Chart, Clip, Column, Page, Scene, Section, Table, Value
from models.evaluation.intervals import Interval
from models.evaluation.paper_figures import PAPER
from models.evaluation.scores import SCORES
from models.evaluation.text_to_motion_report import Row, TextToMotionReport
from models.matching.networks import MOST_ROWS
from pipeline.plausibility import FIGURES
from pipeline.skeletons import SKELETONS

GROUND_TRUTH_ROWS = frozenset({0})


@dataclass(frozen=True)
class Told:
    """What an evaluation's report does not know of itself."""

    data: str
    table_version: int | None
    """None: a plain file of motions."""
    datasets: tuple[str, ...]
    split: str
    device: str
    bf16: bool
    quick: bool
    code: str
    """Git commit; empty outside a checkout."""
    code_version: str


def text_page(report: TextToMotionReport, told: Told, fps: float) -> Page:
    """The whole page of one evaluation.

    Args:
        report: What was found.
        told: What else there is to say of it.
        fps: Of its motions.
    """
    names = ", ".join(row.label for row in report.rows[1:])
    return Page(
        title=f"Text to motion: {names}",
        facts=text_facts(report, told),
        warnings=(*_quick(told), *report.warnings),
        sections=text_sections(report, fps),
    )


def text_sections(report: TextToMotionReport, fps: float) -> tuple[Section, ...]:
    """Scores, physical figures, motions and seconds."""
    return (
        _scores(report),
        _physical(report),
        _motions(report, fps),
        _seconds(report),
    )


def text_facts(report: TextToMotionReport, told: Told) -> tuple[tuple[str, str], ...]:
    """How the scores were made: name and value."""
    plan, limits, settings = report.plan, report.limits, report.plan.settings
    mixture = f" from t = {settings.alpha} on" if settings.mode == "mixture" else ""
    version = "none: a plain file" if told.table_version is None else str(told.table_version)
    return (
        ("protocol", _protocol(report, told)),
        ("data", told.data),
        ("data sets", ", ".join(told.datasets) or "all in the file"),
        ("table version", version),
        ("split", told.split),
        ("motions", f"n = {limits.motions} of {limits.in_split}"),
        (
            "captions",
            f"{limits.captions}, {limits.distinct_captions} different; one of each motion is drawn "
            "in each replication",
        ),
        ("replications", str(plan.replications)),
        ("seed", f"{plan.seed}; replication r draws from the stream ({plan.seed}, r)"),
        ("intervals", "95 %: 1.96 standard deviations over the root of the replications"),
        ("pool size", str(plan.pool)),
        ("last batch", _last_batch(report)),
        ("Diversity", f"{min(plan.diversity_pairs, limits.motions)} pairs"),
        ("MultiModality", _multimodality(report)),
        ("lengths", _lengths(report)),
        ("sampler", f"{settings.sampler}, {settings.steps} steps"),
        ("mode", f"{settings.mode}{mixture}"),
        ("guidance", f"{settings.guidance:g}"),
        ("evaluators", "; ".join(f"{p}: {i}" for p, i in report.evaluator_ids.items())),
        ("text of the evaluators", _text_source(report)),
        ("checkpoints", "; ".join(row.checkpoint_id for row in report.rows[1:])),
        ("FID of the ground truth's halves", _halves(report)),
        ("device", f"{told.device}, {'bfloat16' if told.bf16 else 'float32'}"),
        ("code", f"{told.code_version} {told.code}".strip()),
    )


def score_lines(report: TextToMotionReport) -> list[str]:
    """The scores as aligned text, the warnings below."""
    names = [name for name in SCORES if any(name in row.scores for row in report.rows)]
    table = [["", *(SCORES[name].label for name in names)]]
    for row in report.rows:
        table.append([row.label, *(str(row.scores.get(name, "-")) for name in names)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    ]
    return [*lines, *(f"note: {warning}" for warning in report.warnings)]


def _protocol(report: TextToMotionReport, told: Told) -> str:
    if told.quick:
        return "quick: not the published one"
    if report.limits.departures:
        return "not the published one, see the warnings"
    return f"published settings; differs in: {'; '.join(report.limits.differs)}"


def _lengths(report: TextToMotionReport) -> str:
    shortest, longest = SKELETONS[report.skeleton].clip_rows
    which = (
        "motions of any length (--all-lengths)"
        if report.plan.all_lengths
        else f"motions of {shortest} to {longest} rows (frames less one)"
    )
    return (
        f"{which}; drawn as long as the ground truth's, cut to a multiple of 4 rows, at most "
        f"{MOST_ROWS}: of a clip of 200 frames {MOST_ROWS} rows count"
    )


def _halves(report: TextToMotionReport) -> str:
    if not report.chance:
        return "unknown: too few motions"
    values = ", ".join(f"{SCORES[n].label} {value}" for n, value in report.chance.items())
    return (
        f"{values}; two halves of n/2 motions each, a motion and its mirror image in the same one: "
        "at equal n chance gives about half of it"
    )


def _quick(told: Told) -> tuple[str, ...]:
    if not told.quick:
        return ()
    return ("a quick look (--quick): these scores are not the paper's protocol, do not cite them",)


def _last_batch(report: TextToMotionReport) -> str:
    limits = report.limits
    if not limits.left_over:
        return f"{limits.pools} full pools a replication, no motion left over"
    return (
        f"{limits.pools} full pools a replication; the last, partial one ({limits.left_over} "
        "motions, others each time) is left out of R-Precision and MM Dist, as published; all "
        "other scores count all motions"
    )


def _multimodality(report: TextToMotionReport) -> str:
    plan = report.plan
    if not plan.multimodality_texts:
        return "left out"
    texts = min(plan.multimodality_texts, report.limits.motions)
    return (
        f"{plan.multimodality_pairs} pairs of {plan.multimodality_samples} motions of each of "
        f"{texts} captions"
    )


def _text_source(report: TextToMotionReport) -> str:
    if report.imported_networks:
        files = "; ".join(f"{part}: {file}" for part, file in report.imported_networks.items())
        return f"glove: words and parts of speech; networks imported, not verified ({files})"
    if report.text_source == "glove":
        return "glove: words and parts of speech; not the published networks"
    return (
        f"offline text encoder {report.text_source}: not comparable with published scores, and "
        "not to be mixed with them"
    )


def _scores(report: TextToMotionReport) -> Section:
    names = [name for name in SCORES if any(name in row.scores for row in report.rows)]
    columns = [
        Column(SCORES[n].label, better=SCORES[n].better, meaning=SCORES[n].meaning) for n in names
    ]
    rows = [_cells(row.label, row.scores, names) for row in report.rows]
    table = Table(
        f"Mean and 95 % interval, {report.plan.replications} replications",
        (Column("motions"), *columns),
        tuple(rows),
        note="The ground truth's FID is 0 by definition: it is compared with itself.",
        unranked=GROUND_TRUTH_ROWS,
    )
    charts = tuple(
        Chart(SCORES[name].label, "", _points(report, name), note=SCORES[name].meaning)
        for name in names
    )
    return Section("scores", "Scores", tables=(table, *_paper(report)), charts=charts)


def _paper(report: TextToMotionReport) -> tuple[Table, ...]:
    """The paper's figures, only where our networks may be those that they were measured with."""
    known = PAPER.get(report.skeleton, {})
    if not report.imported_networks or not known:
        return ()
    names = [name for name in SCORES if any(name in figures for figures in known.values())]
    columns = [Column(SCORES[n].label) for n in names]
    rows = [_cells(method, figures, names) for method, figures in known.items()]
    return (
        Table(
            "As the paper prints them; our evaluators are imported and not verified",
            (Column("method"), *columns),
            tuple(rows),
            note="On the licensed data sets, with the published networks. They compare only on "
            "those data, and where the imported files are the published ones "
            f"({'; '.join(report.imported_networks.values())}).",
        ),
    )


def _physical(report: TextToMotionReport) -> Section:
    columns = [
        Column(figure.label, figure.unit, meaning=figure.meaning) for figure in FIGURES.values()
    ]
    truth, *others = report.rows
    once = {name: value.mean for name, value in truth.physical.items()}  # always the same motions
    table = Table(
        f"Means over the motions, {report.plan.replications} replications",
        (Column("motions"), *columns),
        (
            _cells(truth.label, once, list(FIGURES)),
            *(_cells(row.label, row.physical, list(FIGURES)) for row in others),
        ),
        note="Real motion has no zeros: the ground truth's figures are what to come near."
        f"{_unstanding(report)}",
        unranked=GROUND_TRUTH_ROWS,
    )
    charts = tuple(
        Chart(
            figure.label,
            figure.unit,
            tuple((row.label, row.physical[name]) for row in report.rows if name in row.physical),
            note=figure.meaning,
        )
        for name, figure in FIGURES.items()
    )
    return Section("physical", "Physical plausibility", tables=(table,), charts=charts)


def _unstanding(report: TextToMotionReport) -> str:
    """Over how many motions the mean skating is not."""
    known = [(row.label, row.unstanding) for row in report.rows if row.unstanding is not None]
    without = [f"{label} {count.mean:g}" for label, count in known if any(count.values)]
    if not without:
        return ""
    return f" Motions in which no foot stands, left out of skating: {', '.join(without)}."


def _motions(report: TextToMotionReport, fps: float) -> Section:
    scenes = tuple(
        Scene(
            f"“{scene.caption}”",
            tuple(Clip(label, joints, fps) for label, joints in scene.motions),
        )
        for scene in report.scenes
    )
    said = "From the first replication; chosen by the seed, not by how they look."
    return Section("motions", "Ground truth and samples", text=(said,), scenes=scenes)


def _seconds(report: TextToMotionReport) -> Section:
    rows: tuple[tuple[Value, ...], ...] = tuple(report.seconds.items())
    table = Table(
        "Seconds by stage",
        (Column("stage"), Column("time", "s", digits=2)),
        rows,
        note="Motions that an earlier run had drawn count with the seconds that they took then.",
    )
    return Section("seconds", "Seconds", tables=(table,))


def _cells(
    label: str, values: Mapping[str, Interval] | Mapping[str, float], names: list[str]
) -> tuple[Value, ...]:
    return (label, *(values.get(name) for name in names))


def _points(report: TextToMotionReport, name: str) -> tuple[tuple[str, Interval | float], ...]:
    def known(row: Row) -> bool:
        return name in row.scores

    return tuple((row.label, row.scores[name]) for row in report.rows if known(row))
