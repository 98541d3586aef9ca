"""The ablation's table: the paper's figures and claims, intervals over seeds, verdicts, pace."""

import re

import numpy as np
import pytest
from scipy.stats import ttest_ind

from flows.commands.evaluate_ablation import ALL_ROWS
from flows.evaluation_page.ablation_section import report_lines
from models.evaluation.ablation import AblationReport, RowOutcome, RunScores, Share, judge
from models.evaluation.ablation_pace import Stage, stages_of, time_left
from models.evaluation.ablation_rows import CLAIM_SCORES, CLAIMS, PAPER_SCORES, ROWS, paper_order
from models.evaluation.intervals import Interval, interval
from models.evaluation.scores import SCORES
from models.evaluation.seeds import difference, over_seeds
from models.network import CrossDiff
from models.train.train_config import PRESETS

SHARE = Share(1, 1, 1, (24,))


def outcome(row: str, **scores: list[float]) -> RowOutcome:
    """A row with these scores, one value a seed."""
    seeds = range(len(next(iter(scores.values()))))
    runs = tuple(
        RunScores(row, i + 1, f"{row}-{i}", {name: v[i] for name, v in scores.items()}, {}, 1.0)
        for i in seeds
    )
    return RowOutcome(row, runs, SHARE)


def as_the_paper(row: str, spread: float) -> RowOutcome:
    paper = ROWS[row].paper_scores
    return outcome(row, **{n: [v - spread, v, v + spread] for n, v in paper.items()})


@pytest.mark.shared
def test_the_papers_figures_are_those_of_the_specification(shared):
    text = " ".join((shared / "spec" / "crossdiff.md").read_text().split())
    table = text[text.index("Ablations (HumanML3D;") :]
    named = {
        "half": "50 % 3D", "full": "100 % 3D", "half-2d": "50 % 3D + 100 % 2D",
        "crossdiff": "100 % + 100 %", "unshared": "no shared encoder", "front": "front view only",
    }  # fmt: skip
    assert set(named) == set(ROWS)
    for key, name in named.items():
        figures = re.search(re.escape(name) + r"((?: \d+\.\d+){4})", table)
        assert figures is not None, name
        assert ROWS[key].paper == tuple(map(float, figures[1].split())), name


def test_every_claim_is_what_the_papers_own_figures_say():
    for claim in CLAIMS:
        better, worse = ROWS[claim.better].paper_scores, ROWS[claim.worse].paper_scores
        for score in CLAIM_SCORES:
            gain = better[score] - worse[score]
            assert (gain > 0) == (SCORES[score].better == "higher"), (claim, score)


def test_the_papers_table_holds_by_itself_and_turned_round_it_does_not():
    sharp = judge([as_the_paper(row, 1e-4) for row in ROWS])
    assert len(sharp) == len(CLAIMS) * len(CLAIM_SCORES)
    assert {each.verdict for each in sharp} == {"holds"}
    assert all(each.paper.mean > 0 for each in sharp)
    blurred = judge([as_the_paper(row, 3.0) for row in ROWS])
    assert {each.verdict for each in blurred} == {"undecided"}
    low, high = ({n: [v, v + 0.001] for n in CLAIM_SCORES} for v in (0.1, 0.9))
    turned = judge([outcome("full", **low), outcome("half", **high)])
    verdicts = {each.score: each.verdict for each in turned}
    assert verdicts == {"r_precision_3": "does not hold", "fid": "holds", "mm_dist": "holds"}


def test_one_seed_decides_nothing_and_a_claim_needs_both_rows():
    figures = {name: [float(i)] for i, name in enumerate(CLAIM_SCORES)}
    other = {name: [v[0] + 5.0] for name, v in figures.items()}
    judged = judge([outcome("full", **figures), outcome("half", **other)])
    assert {each.verdict for each in judged} == {"undecided"}
    assert {each.claim.name for each in judged} == {"more 3D helps"}
    assert judge([outcome("front", **figures)]) == ()


def test_scores_without_spread_decide_nothing():
    """Equal scores of a few seeds do not show that chance plays no part."""
    assert difference([0.1] * 3, [0.7] * 3).half_width is None
    assert difference([0.1] * 3, [0.7, 0.71, 0.7]).half_width > 0.0
    better, worse = ({name: [v] * 3 for name in CLAIM_SCORES} for v in (0.9, 0.1))
    report = AblationReport((outcome("full", **better), outcome("half", **worse)), {})
    assert {each.verdict for each in report.judged} == {"undecided"}
    assert (report.tested, report.decided, report.decided_by_chance) == (0, 0, 0.0)


def test_intervals_over_seeds_cover_what_they_say():
    """Of many threes of normal draws 95 % of the intervals hold the truth; the normal's do not."""
    rng = np.random.default_rng(3)
    draws = rng.normal(5.0, 2.0, (2000, 3))
    ours = [over_seeds(list(row)) for row in draws]
    plain = [interval(list(row)) for row in draws]
    covered = [np.mean([abs(i.mean - 5.0) <= i.half_width for i in each]) for each in (ours, plain)]
    assert covered[0] == pytest.approx(0.95, abs=0.015)
    assert covered[1] < 0.8
    assert over_seeds([0.3]).half_width is None
    assert over_seeds([0.3, 0.3]) == Interval(0.3, None, (0.3, 0.3))


def test_a_difference_is_welchs():
    first, second = [0.71, 0.74, 0.70, 0.73], [0.66, 0.69, 0.61]
    ours = difference(first, second)
    known = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert ours.mean == pytest.approx(np.mean(first) - np.mean(second))
    assert (ours.mean - ours.half_width, ours.mean + ours.half_width) == pytest.approx(
        (known.low, known.high)
    )
    assert difference([1.0], [0.5, 0.6]).half_width is None
    with pytest.raises(ValueError, match="at least one value in each group"):
        difference([], [1.0])


def test_a_seed_of_every_row_comes_before_the_next_seed():
    stages = stages_of(["half", "front"], [1, 2], second=True)
    assert [(s.row, s.seed, s.number) for s in stages] == [
        ("half", 1, 1), ("half", 1, 2), ("front", 1, 1), ("front", 1, 2),
        ("half", 2, 1), ("half", 2, 2), ("front", 2, 1), ("front", 2, 2),
    ]  # fmt: skip
    assert len(stages_of(ROWS, [1], second=False)) == len(ROWS)


def test_the_time_left_follows_from_what_is_done():
    four, alone, second = Stage("front", 1, 1), Stage("half", 1, 1), Stage("half", 1, 2)
    assert time_left([], [four]) == "unknown"
    assert time_left([(alone, 600.0)], [alone, second]) == "0:15"
    assert time_left([(four, 3600.0)], [four, four]) == "2:00"
    assert time_left([(four, 3600.0)], []) == "0:00"


def test_rows_are_named_once_and_everywhere_alike():
    assert tuple(ROWS) == ALL_ROWS
    assert paper_order(["front", "half", "front"]) == ("half", "front")
    for wrong in ([], ["2d"]):
        with pytest.raises(ValueError, match="choose from half, full, half-2d, crossdiff"):
            paper_order(wrong)


def test_the_tiny_preset_is_tiny_and_mixes_nothing():
    tiny = PRESETS["tiny"]
    assert sum(p.numel() for p in CrossDiff(tiny.network).parameters()) < 1_000_000
    assert (tiny.mix.share, tiny.noise.share, tiny.network.dropout) == (0.0, 0.0, 0.0)
    assert max(tiny.windows) == tiny.network.max_frames, "every length is trained"
    assert PRESETS["tiny-stage2"].steps == tiny.steps // 2


def test_the_tables_name_the_paper_and_count_the_orderings():
    rows = tuple(as_the_paper(row, 1e-4) for row in ROWS)
    truth = {name: interval([1.0, 1.0]) for name in PAPER_SCORES}
    lines = "\n".join(report_lines(AblationReport(rows, truth)))
    assert "ECCV 2024" in lines
    assert "only the orderings compare" in lines
    assert "Decided: 21 of 21, where chance alone would decide about 1.1 (21 tested at 5 %" in lines
    assert "Of 21 orderings (claims times scores) 21 hold here, 0 do not, 0 are undecided." in lines
