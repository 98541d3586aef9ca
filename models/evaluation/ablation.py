"""The ablation's outcome: scores of every row over seeds, and which orderings of the paper hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models.evaluation.ablation_rows import CLAIM_SCORES, CLAIMS, ROWS, Claim, RowKey
from models.evaluation.intervals import Interval
from models.evaluation.scores import SCORES
from models.evaluation.seeds import COVERED, Difference, difference, over_seeds

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True)
class RunScores:
    """What one training gave."""

    row: RowKey
    seed: int
    checkpoint_id: str
    """Of the weights that draw motions."""
    scores: Mapping[str, float]
    """By the names of `scores.SCORES`: means over the replications."""
    lift: Mapping[str, float]
    """By the names of `ablation_lift.LIFT_FIGURES`; empty where the row trains no lift."""
    train_seconds: float
    """Of all its stages."""


@dataclass(frozen=True)
class Share:
    """What a row trains on: where the rows are unequal."""

    motions_3d: int
    """Training motions whose 3D is used."""
    motions_2d: int
    """Training motions whose projected views are used."""
    parameters: int
    """Weights that Stage I moves."""
    windows: tuple[int, ...]
    """Lengths of its crops, in rows: those that its motions fill."""


@dataclass(frozen=True)
class RowOutcome:
    """A row over its seeds."""

    row: RowKey
    runs: tuple[RunScores, ...]
    share: Share

    @property
    def scores(self) -> dict[str, Interval]:
        """Every score over the seeds."""
        return _over_seeds([run.scores for run in self.runs])

    @property
    def lift(self) -> dict[str, Interval]:
        """The lift's errors over the seeds."""
        return _over_seeds([run.lift for run in self.runs])

    @property
    def seconds(self) -> Interval:
        """Training time of a run."""
        return over_seeds([run.train_seconds for run in self.runs])


@dataclass(frozen=True)
class Judged:
    """What a claim of the paper comes to here, by one score."""

    claim: Claim
    score: str
    paper: Difference
    """By how much the paper's better row is better; positive as the score counts."""
    here: Difference
    verdict: Verdict


@dataclass(frozen=True)
class AblationReport:
    """All rows that were trained, and the claims that they can judge."""

    rows: tuple[RowOutcome, ...]
    ground_truth: Mapping[str, Interval]
    """Scores of the true motions over the evaluation's replications."""

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Every claim both of whose rows are there, by every score."""
        return judge(self.rows)

    @property
    def tested(self) -> int:
        """Orderings whose spread over seeds is known: the others cannot be decided."""
        return sum(each.here.half_width is not None for each in self.judged)

    @property
    def decided(self) -> int:
        """Orderings that hold, or do not."""
        return sum(each.verdict != "undecided" for each in self.judged)

    @property
    def decided_by_chance(self) -> float:
        """How many orderings would be decided, were no row different from another.

        Each is tested alone at 5 %: nothing corrects for their number.
        """
        return self.tested * (1.0 - COVERED)

    @property
    def fewest_seeds(self) -> int:
        """Of any row."""
        return min(len(outcome.runs) for outcome in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": [_row_json(outcome) for outcome in self.rows],
            "ground_truth": {name: value.to_json() for name, value in self.ground_truth.items()},
            "claims": [_judged_json(judged) for judged in self.judged],
            "verdicts": {
                "claims": len(self.judged),
                "tested": self.tested,
                "decided": self.decided,
                "decided_by_chance": self.decided_by_chance,
            },
        }


def judge(rows: Sequence[RowOutcome]) -> tuple[Judged, ...]:
    """Every claim of the paper both of whose rows are there, by each of `CLAIM_SCORES`.

    A claim holds, or does not, where the 95 % interval of the difference between the two rows'
    means over seeds leaves out 0; else, and where no spread is known, it is undecided.
    """
    known = {outcome.row: outcome for outcome in rows}
    there = [claim for claim in CLAIMS if claim.better in known and claim.worse in known]
    return tuple(
        _judge(claim, score, known[claim.better], known[claim.worse])
        for claim in there
        for score in CLAIM_SCORES
    )


def _judge(claim: Claim, score: str, better: RowOutcome, worse: RowOutcome) -> Judged:
    first, second = ([run.scores[score] for run in side.runs] for side in (better, worse))
    figures = [[ROWS[key].paper_scores[score]] for key in (claim.better, claim.worse)]
    if SCORES[score].better == "lower":
        first, second, figures = second, first, figures[::-1]
    here = difference(first, second)
    return Judged(claim, score, difference(*figures), here, _verdict(here))


def _verdict(gain: Difference) -> Verdict:
    if gain.half_width is None or abs(gain.mean) <= gain.half_width:
        return "undecided"
    return "holds" if gain.mean > 0.0 else "does not hold"


def _over_seeds(runs: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Figures that every run has, over the runs."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: over_seeds([run[name] for run in runs]) for name in names}


def _row_json(outcome: RowOutcome) -> dict[str, Any]:
    row = ROWS[outcome.row]
    return {
        "row": outcome.row,
        "label": row.label,
        "scores": {name: value.to_json() for name, value in outcome.scores.items()},
        "lift": {name: value.to_json() for name, value in outcome.lift.items()},
        "paper": dict(row.paper_scores),
        "trained_on": vars(outcome.share),
        "train_seconds": outcome.seconds.to_json(),
        "runs": [vars(run) for run in outcome.runs],
    }


def _judged_json(judged: Judged) -> dict[str, Any]:
    claim = judged.claim
    return {
        "claim": claim.name,
        "better": claim.better,
        "worse": claim.worse,
        "score": judged.score,
        "paper_gain": judged.paper.mean,
        "gain": judged.here.to_json(),
        "verdict": judged.verdict,
    }
