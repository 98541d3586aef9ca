"""The gate after a finetuning: measured against the parent, then promoted or rejected.

All that it needs lies in the run's folder. A verdict stands: asked again, the gate gives the one
that it wrote down; killed at any moment, it ends with the one that it would have given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.evaluation_page.finetune_section import gate_lines, gate_sections
from flows.evaluation_page.model import Page
from flows.finetune_data import WildSet
from flows.finetune_files import CANDIDATE, GATE_FILE, TRAINED_FILE
from flows.finetune_options import FinetuneOptions, begun_options
from flows.finetune_run import (
    KIND,
    Begun,
    begun_mocap,
    begun_models,
    begun_parent,
    begun_wild,
    read_begun,
)
from flows.one_at_a_time import one_at_a_time
from flows.progress import progress
from flows.publish import METRICS_NAME, REPORT_NAME, Evaluated, run_published, written_lines
from flows.published_metrics import read_json, write_json
from models.checkpoint import Checkpoint, load_checkpoint
from models.data.motion import Motion
from models.evaluation.gate import GateRules, rejected
from models.evaluation.gate_measures import GateClips, gate_clips
from models.evaluation.gate_report import GateReport, run_measures
from models.promotion import (
    SupersededError,
    promote,
    read_promotion,
    refusal,
    resolve_checkpoint,
)
from pipeline.stopwatch import Stopwatch

GATE = "gate"
"""Folder of the report in a run's."""
PROMOTED, REJECTED = "promoted", "rejected"
BY_GATE, BY_HAND = "gate", "hand"


@dataclass(frozen=True)
class _Prepared:
    """What is measured, opened."""

    run: Path
    begun: Begun = field(repr=False)
    candidate_id: str
    rules: GateRules
    parent: Checkpoint
    wild: WildSet
    clips: GateClips


def run_gate(run: Path) -> tuple[dict[str, Any], list[str]]:
    """Judge a finetuning, and promote its checkpoint when it is better than its parent.

    Args:
        run: Its folder, as `crossdiff finetune --out` made it.

    Returns:
        What `RUN/gate.json` holds, and lines for a terminal.

    Raises:
        ValueError: Not a finished finetuning, or the parent cannot be measured.
        CheckpointError: The parent cannot be used.
        StoreError: A store cannot be read.
    """
    with one_at_a_time(run, "a finetuning or its gate"):
        begun, trained = read_begun(run), read_json(run / TRAINED_FILE)
        if not begun:
            raise ValueError(f"{run} holds no finetuning: give the --out of `crossdiff finetune`")
        if not trained:
            raise ValueError(
                f"the finetuning in {run} is not finished: crossdiff finetune --out {run} --resume"
            )
        judged = read_json(run / GATE_FILE)
        if not judged:
            judged = _concluded(run, begun, trained["checkpoint_id"])
            write_json(run / GATE_FILE, judged)
    return judged, [*gate_lines(judged), *written_lines(judged)]


def promote_by_hand(run: Path, models: Path | None) -> dict[str, Any]:
    """Move the pointer without asking the gate; the pointer says so.

    Args:
        run: A finetuning's folder, or a checkpoint folder.
        models: Folder of the pointer; None: the run's own, or the folder that `run` is in.

    Raises:
        ValueError: A finetuning that is not finished.
        CheckpointError: Not a checkpoint, or the pointer is damaged.
    """
    begun = read_begun(run)
    checkpoint = run / CANDIDATE if begun else resolve_checkpoint(run)
    if begun and not read_json(run / TRAINED_FILE):
        raise ValueError(
            f"the finetuning in {run} is not finished, its weights still change: "
            f"crossdiff finetune --out {run} --resume"
        )
    own = begun_models(run, begun) if begun else run.absolute().parent
    folder = own if models is None else models
    there = read_promotion(folder)
    parent = begun["parent"]["checkpoint_id"] if begun else ""
    stands = parent if there is None else there["checkpoint_id"]
    about = {"run": str(run.absolute()), "reasons": ["by hand"], "by": BY_HAND}
    return {**promote(folder, checkpoint, stands, about), "models": str(folder)}


def _concluded(run: Path, begun: Begun, candidate_id: str) -> dict[str, Any]:
    """The verdict, the pointer moved where it passed; `gate.json` is still to be written."""
    told = _published(run, begun, candidate_id)
    found = told["metrics"]
    models, parent = begun_models(run, begun), begun["parent"]["checkpoint_id"]
    outcome: dict[str, Any] = {
        "verdict": REJECTED,
        "reasons": found["reasons"],
        "notes": found["notes"],
        "promotion": None,
    }
    if found["passed"]:
        about = {"run": str(run.absolute()), "reasons": found["reasons"], "by": BY_GATE}
        try:
            record = promote(models, run / CANDIDATE, parent, about)
            outcome |= {"verdict": PROMOTED, "promotion": record}
        except SupersededError as error:
            outcome["reasons"] = [str(error)]
    folder = run.absolute() / GATE
    return {
        **outcome,
        "run": str(run.absolute()),
        "run_id": begun["run_id"],
        "checkpoint_id": candidate_id,
        "parent_id": parent,
        "datasets": begun["wild"]["datasets"],
        "models": str(models),
        "report": str(folder / REPORT_NAME),
        "metrics": str(folder / METRICS_NAME),
        "evaluation": told["run_id"],
        "mocap": found["mocap"],
        "wild": found["wild"],
        "store_row": told["store_row"],
        "store_row_note": told["store_row_note"],
        "artifact_note": "",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _published(run: Path, begun: Begun, candidate_id: str) -> dict[str, Any]:
    """`metrics.json` of this run's gate, measured unless it is there: it is written last."""
    file = run / GATE / METRICS_NAME
    told = read_json(file)
    asked = {"run_id": begun["run_id"], "candidate": candidate_id}
    if told and told["config"].items() >= asked.items():
        return told
    prepared = _prepare(run, begun, candidate_id)

    def measured() -> Evaluated:
        watch = Stopwatch()
        report = _measure(prepared)
        return _evaluated(prepared, report, asked, watch)

    run_published(KIND, f"gate of {candidate_id}", measured, run / GATE)
    return read_json(file)


def _prepare(run: Path, begun: Begun, candidate_id: str) -> _Prepared:
    options = begun_options(begun["options"], FinetuneOptions(run, resume=True))
    parent = begun_parent(run, begun)
    mocap, wild = begun_mocap(options, begun, parent), begun_wild(options, begun, parent)
    return _Prepared(
        run,
        begun,
        candidate_id,
        GateRules(options.tolerance, options.certain),
        parent,
        wild,
        gate_clips(mocap.motions["val"], wild.selection.held_out),
    )


def _measure(prepared: _Prepared) -> GateReport:
    parent = prepared.parent.checkpoint_id
    models = begun_models(prepared.run, prepared.begun)
    superseded = refusal(models, prepared.candidate_id, parent)
    if superseded:
        return GateReport(rejected(superseded))
    return run_measures(
        prepared.parent,
        lambda: load_checkpoint(prepared.run / CANDIDATE),
        prepared.clips,
        prepared.wild.recordings,
        prepared.rules,
        _shown,
    )


def _shown(motions: Iterable[Motion], what: str) -> Iterable[Motion]:
    return progress(motions, what, "motion")


def _evaluated(
    prepared: _Prepared, report: GateReport, asked: Mapping[str, Any], watch: Stopwatch
) -> Evaluated:
    begun, parent = prepared.begun, prepared.parent
    page = Page(
        title=f"Finetuning: {prepared.candidate_id}",
        facts=_facts(prepared),
        warnings=report.verdict.notes,
        sections=gate_sections(report, begun, parent.skeleton.fps),
    )
    rules = {"tolerance": prepared.rules.tolerance, "certain": prepared.rules.certain}
    return Evaluated(
        kind=KIND,
        page=page,
        metrics=report.to_json(),
        lineage=prepared.wild.lineage,
        checkpoint_ids=(parent.checkpoint_id, prepared.candidate_id),
        config={**asked, **rules, "data": begun["data"]["pinned"]},
        seconds=watch.seconds,
    )


def _facts(prepared: _Prepared) -> tuple[tuple[str, str], ...]:
    begun, clips, rules = prepared.begun, prepared.clips, prepared.rules
    options = begun["options"]
    return (
        ("finetuned checkpoint", prepared.candidate_id),
        ("parent", prepared.parent.checkpoint_id),
        ("motion capture", begun["data"]["pinned"]),
        ("videos", begun["wild"]["pinned"]),
        ("data sets", ", ".join(begun["wild"]["datasets"])),
        ("classes", ", ".join(options["actions"]) or "all"),
        ("preset", f"{options['preset']}, {options['wild_ratio']:.0%} of each batch from video"),
        (
            "motion capture is measured on",
            f"{len(clips.mocap)} motions of the validation split, four views each",
        ),
        ("video is measured on", f"{len(clips.held_out)} held-out clips"),
        (
            "demanded",
            f"motion capture at most {rules.tolerance:.1%} worse; on held-out clips a lower "
            "reprojection error and no larger 2D loss",
        ),
        (
            "an undecided improvement",
            "does not suffice" if rules.certain else "suffices, and is told",
        ),
        ("intervals", "95 %: Student's t over recordings (over motions on motion capture)"),
    )
