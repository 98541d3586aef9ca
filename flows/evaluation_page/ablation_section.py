"""The page of an ablation: our table beside the paper's, and which of its orderings hold here."""

from collections import Counter
from dataclasses import dataclass

from flows.evaluation_page.model import Chart, Clip, Column, Page, Scene, Section, Table, Value
from flows.evaluation_page.text_section import Told, text_facts
from flows.evaluation_page.text_table import table_text
from models.evaluation.ablation import AblationReport, Judged, RowOutcome
from models.evaluation.ablation_lift import LIFT_FIGURES
from models.evaluation.ablation_rows import (
    CLAIM_SCORES,
    CLAIMS,
    PAPER_SCORES,
    PAPER_SOURCE,
    ROWS,
    UNKNOWN_CODE,
    run_name,
)
from models.evaluation.intervals import Interval
from models.evaluation.scores import SCORES
from models.evaluation.seeds import Difference
from models.evaluation.text_to_motion_report import TextToMotionReport

GROUND_TRUTH = "ground truth"
NOT_OURS = frozenset({"checkpoints", "intervals", "replications", "seed"})
"""Facts of a text-to-motion page that are told otherwise here."""


@dataclass(frozen=True)
class TrainedHow:
    """What all rows were trained with."""

    preset: str
    steps: int
    batch_size: int
    stage_2: bool
    code: tuple[str, ...]
    """Version and commit of the code that trained, each that differs."""


def ablation_page(
    report: AblationReport, text: TextToMotionReport, how: TrainedHow, told: Told, fps: float
) -> Page:
    """The whole page.

    Args:
        report: What was found.
        text: How the scores were made, and the motions; its rows are named by `run_name`.
        how: What was trained.
        told: What the scores were read from.
        fps: Of the motions.
    """
    protocol = [fact for fact in text_facts(text, told) if fact[0] not in NOT_OURS]
    return Page(
        title="Ablations of CrossDiff",
        facts=(*_facts(report, text, how), *protocol),
        warnings=(*_warnings(report, how), *text.warnings),
        sections=(
            Section(
                "orderings", "The paper's orderings", tuple(_verdicts(report)), orderings(report)
            ),
            Section("scores", "Scores", tables=(scores(report), _more(report))),
            Section("charts", "Over seeds", charts=_charts(report)),
            _trained_on(report),
            Section("runs", "Every training", tables=(_runs(report),)),
            Section("motions", "Samples of seed 1", scenes=_scenes(report, text, fps)),
        ),
    )


def scores(report: AblationReport) -> Table:
    """Our figures beside the paper's."""
    pairs = [
        column
        for name in PAPER_SCORES
        for column in (
            Column(SCORES[name].label, better=SCORES[name].better, meaning=SCORES[name].meaning),
            Column(f"{SCORES[name].label}, paper", better=SCORES[name].better),
        )
    ]
    truth = [cell for name in PAPER_SCORES for cell in (report.ground_truth[name], None)]
    rows: list[tuple[Value, ...]] = [(GROUND_TRUTH, *truth)]
    for outcome in report.rows:
        ours, paper = outcome.scores, ROWS[outcome.row].paper_scores
        both = [cell for name in PAPER_SCORES for cell in (ours[name], paper[name])]
        rows.append((_label(outcome), *both))
    return Table(
        "Our table beside the paper's",
        (Column("trained with"), *pairs),
        tuple(rows),
        note=f"Paper: {PAPER_SOURCE}. Other data, other evaluators and another budget: only the "
        "orderings compare, never a figure with a figure.",
        unranked=frozenset({0}),
    )


def orderings(report: AblationReport) -> tuple[Table, ...]:
    """Every claim that the trained rows can judge, by every score."""
    rows = [_judged_row(judged) for judged in report.judged]
    columns = (
        Column("claim of the paper's table"),
        Column("by"),
        Column("gain, paper", meaning="By how much the paper's figure is the better one."),
        Column("gain, here", meaning="Difference of the means over seeds, with its 95 % interval."),
        Column("verdict here"),
    )
    note = (
        "A gain is positive where the claim is right. It holds, or does not, where "
        "the 95 % interval of the difference (Welch's, over seeds) leaves out 0. Each is judged "
        "alone, without a correction for their number: of twenty true zeros one is left out by "
        "chance."
    )
    if not rows:
        return ()
    return (Table("Which orderings hold", columns, tuple(rows), note),)


def report_lines(report: AblationReport) -> list[str]:
    """The tables for a terminal, and how many orderings hold."""
    tables = (scores(report), _more(report), *orderings(report))
    return [
        *(line for table in tables for line in (*table_text(table), "")),
        *_verdicts(report),
    ]


def _verdicts(report: AblationReport) -> list[str]:
    judged = report.judged
    counts = Counter(each.verdict for each in judged)
    if not judged:
        return ["No claim of the paper has both of its rows here."]
    lines = [
        f"Of {len(judged)} orderings (claims times scores) {counts['holds']} hold here, "
        f"{counts['does not hold']} do not, {counts['undecided']} are undecided.",
        f"Decided: {_decided(report)}.",
    ]
    turned = [each for each in judged if each.verdict == "does not hold"]
    return [*lines, *(f"Does not hold by {SCORES[e.score].label}: {e.claim}." for e in turned)]


def _decided(report: AblationReport) -> str:
    """How many verdicts there are, beside how many chance alone would give."""
    if not report.judged:
        return "no claim has both of its rows here"
    return (
        f"{report.decided} of {len(report.judged)}, where chance alone would decide about "
        f"{report.decided_by_chance:.2g} ({report.tested} tested at 5 % each, uncorrected)"
    )


def _judged_row(judged: Judged) -> tuple[Value, ...]:
    return (
        str(judged.claim),
        SCORES[judged.score].label,
        _interval(judged.paper),
        _interval(judged.here),
        judged.verdict,
    )


def _interval(gain: Difference) -> Value:
    return gain.mean if gain.half_width is None else Interval(gain.mean, gain.half_width, ())


def _label(outcome: RowOutcome) -> str:
    return ROWS[outcome.row].label


def _more(report: AblationReport) -> Table:
    """Scores that the paper's table does not have, and the lift."""
    names = [
        name
        for name in SCORES
        if name not in PAPER_SCORES and all(name in outcome.scores for outcome in report.rows)
    ]
    lifts = [Column(label, "mm", "lower", meaning, 1) for label, meaning in LIFT_FIGURES.values()]
    columns = [Column(SCORES[n].label, better=SCORES[n].better) for n in names]
    rows: list[tuple[Value, ...]] = [
        (GROUND_TRUTH, *(report.ground_truth.get(n) for n in names), *(None for _ in lifts))
    ]
    for outcome in report.rows:
        ours, lift = outcome.scores, outcome.lift
        figures = (lift.get(name) for name in LIFT_FIGURES)
        rows.append((_label(outcome), *(ours[n] for n in names), *figures))
    return Table(
        "What the paper's table does not have",
        (Column("trained with"), *columns, *lifts),
        tuple(rows),
        note="The lift is Stage I's, measured where 2D was trained: Stage II trains another path.",
        unranked=frozenset({0}),
    )


def _charts(report: AblationReport) -> tuple[Chart, ...]:
    by_score = tuple(
        Chart(
            SCORES[name].label,
            "",
            tuple((_label(outcome), outcome.scores[name]) for outcome in report.rows),
            note=SCORES[name].meaning,
        )
        for name in CLAIM_SCORES
    )
    lifted = [outcome for outcome in report.rows if outcome.lift]
    if not lifted:
        return by_score
    label, meaning = LIFT_FIGURES["pa_mpjpe_mm"]
    points = tuple((_label(outcome), outcome.lift["pa_mpjpe_mm"]) for outcome in lifted)
    return (*by_score, Chart(label, "mm", points, note=meaning))


def _trained_on(report: AblationReport) -> Section:
    columns = (
        Column("trained with"),
        Column("motions with 3D"),
        Column("motions with 2D"),
        Column("weights that move"),
        Column("seconds of training", "s", digits=0),
    )
    rows = tuple(
        (
            _label(outcome),
            outcome.share.motions_3d,
            outcome.share.motions_2d,
            outcome.share.parameters,
            outcome.seconds,
        )
        for outcome in report.rows
    )
    text = (
        "Equal in all rows: data, steps, batch size, learning rate, network, the paper's plain "
        "objective (four losses of weight 1, uniform timesteps, clean views, no mixed motions; the "
        "preset's own additions are off), the last weights of each stage.",
        "Unequal by design: 50 % 3D sees half of the motions, each about twice as often, and "
        "normalises by them alone; with 2D beside it the same batch holds about half as many "
        "samples with 3D; without 2D one of the four losses is left, and a step costs less time.",
        "Which half keeps its 3D is drawn anew with each seed; counts are of seed 1.",
    )
    table = Table("What each row trains on", columns, rows)
    return Section("trained", "Equal and unequal", text=text, tables=(table,))


def _runs(report: AblationReport) -> Table:
    columns = [Column(SCORES[name].label, better=SCORES[name].better) for name in PAPER_SCORES]
    rows = [
        (
            run_name(run.row, run.seed),
            *(run.scores[name] for name in PAPER_SCORES),
            run.lift.get("pa_mpjpe_mm"),
            run.train_seconds,
            run.checkpoint_id,
        )
        for outcome in report.rows
        for run in outcome.runs
    ]
    return Table(
        "Means over the replications",
        (
            Column("training"),
            *columns,
            Column("PA-MPJPE", "mm", "lower", digits=1),
            Column("training", "s", digits=0),
            Column("checkpoint"),
        ),
        tuple(rows),
    )


def _scenes(report: AblationReport, text: TextToMotionReport, fps: float) -> tuple[Scene, ...]:
    """Of the first seed: all of them side by side would be too many."""
    first = [outcome.runs[0] for outcome in report.rows]
    names = {run_name(run.row, run.seed): ROWS[run.row].label for run in first}
    names[text.rows[0].label] = GROUND_TRUTH
    return tuple(
        Scene(
            f"“{scene.caption}”",
            tuple(
                Clip(names[label], joints, fps) for label, joints in scene.motions if label in names
            ),
        )
        for scene in text.scenes
    )


def _facts(
    report: AblationReport, text: TextToMotionReport, how: TrainedHow
) -> tuple[tuple[str, str], ...]:
    stages = "Stage I, then Stage II of half the steps" if how.stage_2 else "Stage I alone"
    plan = text.plan
    return (
        ("training", f"preset {how.preset}, {how.steps} steps of {how.batch_size} clips: {stages}"),
        ("seeds", _seeds(report)),
        ("orderings decided", _decided(report)),
        ("trained by code", "; ".join(how.code)),
        ("what a seed draws", "weights, order, noise, and which half keeps its 3D"),
        ("intervals", "95 %: Student's t over the seeds; ground truth: over the replications"),
        (
            "replications",
            f"{plan.replications} a run, seed {plan.seed}: the same captions, pools and noise for "
            "all; a run's score is their mean",
        ),
    )


def _seeds(report: AblationReport) -> str:
    known = {tuple(run.seed for run in outcome.runs) for outcome in report.rows}
    return "; ".join(", ".join(map(str, seeds)) for seeds in sorted(known))


def _warnings(report: AblationReport, how: TrainedHow) -> tuple[str, ...]:
    out = [
        "other data, other evaluators and another budget than the paper's: only orderings compare, "
        "never a figure with a figure",
    ]
    if report.fewest_seeds == 1:
        out.append("a single seed says nothing of chance: no ordering is decided")
    elif report.tested < len(report.judged):
        out.append("where no score differs between seeds nothing is known of chance: undecided")
    out.extend(_code_warnings(how.code))
    crops = {outcome.share.windows for outcome in report.rows}
    if len(crops) > 1:
        out.append(f"not all rows have motions for the same crops: {' or '.join(map(str, crops))}")
    if not how.stage_2:
        out.append("Stage II is left out: the paper's figures are after it")
    absent = [ROWS[key].label for key in ROWS if key not in {o.row for o in report.rows}]
    if absent:
        left = [c for c in CLAIMS if not {c.better, c.worse} <= {o.row for o in report.rows}]
        out.append(
            f"not trained: {', '.join(absent)}; {len(left)} of {len(CLAIMS)} claims unjudged"
        )
    return tuple(out)


def _code_warnings(codes: tuple[str, ...]) -> list[str]:
    """What keeps one from saying that the rows differ in their options alone."""
    if any(code == UNKNOWN_CODE or code.endswith("-dirty") for code in codes):
        return ["not every training names its code: rows may differ by more than their options"]
    if len(codes) > 1:
        return [
            f"trained by different code ({'; '.join(codes)}): rows may differ by more than options"
        ]
    return []
