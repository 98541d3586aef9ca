"""The lift report's tables: they agree with each other, and people can read them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from no_prefect import without_prefect
from synthetic_motion import random_motions
from training_victim import TINY_NETWORK

from flows.cli import main
from models.checkpoint import Checkpoint, save_checkpoint
from models.data.training_data import training_statistics, write_motions
from models.lifting.evaluate_lift import FOUR_VIEWS, LiftPlan, azimuth_sweep, evaluate_lift
from models.lifting.hidden_parts import Occlusion, body_parts
from models.lifting.lift import lift
from models.lifting.lift_examples import lift_examples
from models.lifting.lift_intervals import interval_over_motions
from models.lifting.lift_report import Count, LiftReport, limits_told
from models.lifting.lift_tables import (
    action_table,
    as_markdown,
    as_text,
    azimuth_table,
    hidden_table,
    interval_table,
    joint_table,
    report_markdown,
    report_text,
    seen_table,
    whole_tables,
)
from models.lifting.lift_tally import Positions, Tally
from models.lifting.noisy_view import NoiseLevel
from models.network import CrossDiff
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.view_cleaning import clean_view

METRICS = ("mpjpe_mm", "body_mpjpe_mm", "n_mpjpe_mm", "pa_mpjpe_mm")
MEASURED = [
    replace(motion, motion_id=f"t{i}", action=action, split="test")
    for i, (motion, action) in enumerate(
        zip(random_motions([60, 45, 30, 38]), ("walk", "jump", "walk", ""), strict=True)
    )
]
TRAINING = random_motions([60, 60, 45, 30])


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    return Checkpoint(network, training_statistics(TRAINING), HUMANML3D, "t", True)


def doubled(checkpoint, features, mask):
    """A variant of the lift that must not be mistaken for the lift."""
    lifted = lift(checkpoint, features, mask)
    return replace(lifted, joints=2 * lifted.joints)


@pytest.fixture(scope="module")
def report(checkpoint) -> LiftReport:
    plan = LiftPlan(
        sweep=(0.0, 45.0, 90.0, 180.0, 270.0),
        noise=NoiseLevel(),
        clean=clean_view,
        occlusion=Occlusion(),
        lifts={"crossdiff": lift, "crossdiff_doubled": doubled},
    )
    return evaluate_lift(checkpoint, MEASURED, TRAINING, plan)


def reports_of(report):
    return [m for methods in report.conditions.values() for m in methods.values()]


def test_every_condition_holds_every_method(report):
    assert list(report.conditions) == ["clean", "noise", "noise_cleaned", "masked"]
    for methods in report.conditions.values():
        assert list(methods) == ["crossdiff", "crossdiff_doubled", "mean_pose", "linear"]


def test_the_sweep_equals_the_views_where_they_meet(report):
    for name, method in ((n, m) for c in report.conditions.values() for n, m in c.items()):
        if name == "mean_pose":
            assert method.by_azimuth == {}
            continue
        assert list(method.by_azimuth) == ["0", "45", "90", "180", "270"]
        for view in FOUR_VIEWS:
            assert method.by_azimuth[f"{view:g}"] == method.by_view[f"{view:g}"]
    assert report.methods["crossdiff"].by_azimuth["45"] != report.methods["crossdiff"].by_view["90"]


def test_a_sweep_changes_nothing_else(checkpoint, report):
    alone = evaluate_lift(checkpoint, MEASURED, TRAINING)
    for name in ("crossdiff", "mean_pose", "linear"):
        assert alone.methods[name] == replace(report.methods[name], by_azimuth={})


def test_overall_is_the_frame_weighted_mean_over_actions_and_the_mean_over_joints(report):
    counts = {name: count.frames for name, count in report.actions.items()}
    assert counts == {"(none)": 37, "jump": 44, "walk": 59 + 29}
    assert sum(counts.values()) == report.frames
    for method in reports_of(report):
        assert set(method.by_action) == set(counts)
        for metric in METRICS:
            overall = getattr(method.overall, metric)
            by_action = [getattr(method.by_action[name], metric) for name in counts]
            weighted = np.average(by_action, weights=list(counts.values()))
            assert overall == pytest.approx(weighted)
            joints = [getattr(e, metric) for e in method.by_joint.values()]
            assert overall == pytest.approx(np.mean(joints))
            views = [getattr(e, metric) for e in method.by_view.values()]
            assert overall == pytest.approx(np.mean(views))


def test_the_root_is_where_it_is_before_alignment_only(report):
    pelvis = report.methods["crossdiff"].by_joint["pelvis"]
    assert pelvis.mpjpe_mm == 0.0
    assert pelvis.pa_mpjpe_mm > 0.0


def test_a_variant_is_measured_beside_the_lift(report):
    plain, variant = (report.methods[n].overall for n in ("crossdiff", "crossdiff_doubled"))
    assert variant.mpjpe_mm > plain.mpjpe_mm
    assert variant.pa_mpjpe_mm == pytest.approx(plain.pa_mpjpe_mm)  # scale is aligned away
    assert variant.body_mpjpe_mm == plain.body_mpjpe_mm  # from the features, which are the same


def test_noise_hurts_and_the_linear_baseline_is_fitted_on_it(report):
    clean, noisy = (report.conditions[c]["linear"].overall for c in ("clean", "noise"))
    assert noisy.pa_mpjpe_mm > clean.pa_mpjpe_mm
    # Fitted on clean views it would be lost; fitted on noisy ones it is no worse than no input.
    mean = report.conditions["noise"]["mean_pose"].overall
    assert noisy.pa_mpjpe_mm < mean.pa_mpjpe_mm
    again = report.conditions["clean"]["mean_pose"].overall
    assert mean.pa_mpjpe_mm == pytest.approx(again.pa_mpjpe_mm)


def test_the_same_seed_gives_the_same_report(checkpoint):
    def noisy(seed, motions):
        plan = LiftPlan(noise=NoiseLevel(seed=seed))
        return evaluate_lift(checkpoint, motions, TRAINING, plan).conditions["noise"]["crossdiff"]

    first = noisy(1, MEASURED)
    assert noisy(1, MEASURED) == first
    assert noisy(2, MEASURED).overall != first.overall
    # A motion's noise does not depend on which others are measured.
    alone = noisy(1, MEASURED[1:2])
    assert alone.overall == alone.by_action["jump"] == first.by_action["jump"]


@pytest.mark.parametrize("step", [0.0, -15.0, 0.5, 200.0, float("nan")])
def test_a_senseless_step_is_refused(step):
    with pytest.raises(ValueError, match="azimuths must be 1 to 180 degrees apart"):
        azimuth_sweep(step)


def test_fifteen_degrees_are_the_issues_azimuths():
    assert azimuth_sweep(15.0) == tuple(range(0, 360, 15))


def test_a_motion_hidden_in_part_is_lifted_worse_where_it_is_hidden(report):
    clean = report.methods
    for name, method in report.conditions["masked"].items():
        assert method.seen is not None
        assert method.unseen is not None
        assert set(method.by_hidden) <= set(body_parts(HUMANML3D))
        assert sum(part.views for part in method.by_hidden.values()) == 4 * report.motions
        if name == "linear":
            assert method.unseen.pa_mpjpe_mm > clean[name].overall.pa_mpjpe_mm
            assert method.unseen.pa_mpjpe_mm > method.seen.pa_mpjpe_mm
    assert clean["crossdiff"].seen is None
    assert clean["crossdiff"].by_hidden == {}


def test_by_motion_holds_every_motion_of_the_first_lift_on_clean_2d(report):
    overall = report.methods["crossdiff"].overall
    assert list(report.by_motion) == [motion.motion_id for motion in MEASURED]
    frames = [len(motion.joints) - 1 for motion in MEASURED]
    means = [errors.pa_mpjpe_mm for errors in report.by_motion.values()]
    assert np.average(means, weights=frames) == pytest.approx(overall.pa_mpjpe_mm)


def test_intervals_are_over_motions_around_the_overall_errors(report):
    for method in reports_of(report):
        low, high = method.interval
        for name in (*METRICS, "velocity_mm_s", "root_path_mm"):
            assert getattr(low, name) <= getattr(method.overall, name) <= getattr(high, name)
    method = report.methods["crossdiff"]
    low, high = method.interval
    means = [errors.pa_mpjpe_mm for errors in report.by_motion.values()]
    assert min(means) <= low.pa_mpjpe_mm < high.pa_mpjpe_mm <= max(means)
    assert method.to_json()["ci95"]["mpjpe_mm"] == [low.mpjpe_mm, high.mpjpe_mm]
    shown = interval_table(report)
    assert shown is not None and len(shown.rows) == 4 * 4
    assert shown.rows[0][2] == f"{low.mpjpe_mm:.1f} to {high.mpjpe_mm:.1f}"
    assert "Intervals, all views" in report_markdown(report, [])


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    """Motions of 10 to 40 frames whose error is 100 +- 20 mm; their frames are all alike."""
    draw, covered = np.random.default_rng(4), 0
    for _ in range(200):
        motions = [flat_tally(int(draw.integers(10, 41)), draw.normal(100, 20)) for _ in range(40)]
        low, high = interval_over_motions(motions, 0)
        covered += low.mpjpe_mm <= 100.0 <= high.mpjpe_mm
        assert low.root_path_mm == high.root_path_mm == pytest.approx(7.0)
    assert 0.89 <= covered / 200 <= 0.99
    assert interval_over_motions(motions[:1], 0) is None


def flat_tally(frames: int, off: float) -> Tally:
    joints = np.ones(22)
    every = Positions(joints * frames, np.full((4, 22), off * frames))
    return Tally(frames, frames - 1, every, every, joints * off * (frames - 1), 7.0 * frames)


def test_what_limits_the_errors_is_said(report):
    enough = {"walk": Count(20, 900), "jump": Count(20, 900)}
    whole = replace(report, motions=40, actions=enough)
    assert limits_told(whole, on_training=False) == ()
    (said,) = limits_told(whole, on_training=True)
    assert "on which the baselines were fitted" in said
    (said,) = limits_told(replace(whole, motions=29), on_training=False)
    assert said.startswith("only 29 motions")
    (said,) = limits_told(replace(whole, actions={"walk": Count(40, 9)}), on_training=False)
    assert said.startswith("all motions are of one action, walk")
    nameless = replace(whole, actions={"(none)": Count(40, 9)})
    assert limits_told(nameless, on_training=False) == ()


def test_examples_go_from_the_worst_lifted_motion_to_the_best(checkpoint, report):
    plan = LiftPlan(occlusion=Occlusion())
    shown = lift_examples(checkpoint, MEASURED, report, plan, 3)
    off = [example.pa_mpjpe_mm for example in shown]
    assert len(shown) == 3
    assert off == sorted(off, reverse=True)
    assert (off[0], off[-1]) == (
        max(e.pa_mpjpe_mm for e in report.by_motion.values()),
        min(e.pa_mpjpe_mm for e in report.by_motion.values()),
    )
    for example in shown:
        assert list(example.lifted) == ["clean", "masked"]
        assert (example.lifted["clean"].hidden == "") != (example.lifted["masked"].hidden == "")
        assert {len(clip.joints) for clip in example.lifted.values()} == {len(example.truth)}
    assert len(lift_examples(checkpoint, MEASURED, report, plan, 99)) == len(MEASURED)


def test_tables_are_aligned_text(report):
    lines = report_text(report, by_action=True, by_joint=True)
    assert lines[0] == "4 motions, 169 frames"
    rows = lines[1 : 2 + 4 * (3 * 5 + 1)]
    assert len({len(line) for line in rows}) == 1
    assert rows[0].split()[:4] == ["2D", "method", "view", "MPJPE,"]
    assert rows[0].endswith("velocity error, mm/s  root path error, mm")
    short = report_text(report, by_action=False, by_joint=False)
    assert not any("pelvis" in line or "walk" in line for line in short)
    swept = azimuth_table(report)
    assert swept is not None
    assert [row[0] for row in swept.rows] == ["0", "45", "90", "180", "270"]
    assert {len(row) for row in (swept.head, *swept.rows)} == {1 + 4 * 2 * 2 + 4}
    assert len(joint_table(report).rows) == 22


def test_seen_and_hidden_have_tables_only_where_something_was_hidden(checkpoint, report):
    seen, hidden = seen_table(report), hidden_table(report)
    assert seen is not None
    assert {row[0] for row in seen.rows} == {"noise", "noise_cleaned", "masked"}
    assert hidden is not None
    assert {row[0] for row in hidden.rows} == set(report.conditions["masked"]["linear"].by_hidden)
    alone = evaluate_lift(checkpoint, MEASURED[:1], TRAINING)
    assert seen_table(alone) is None
    assert hidden_table(alone) is None


def test_whole_tables_hold_every_error_and_no_empty_column(report):
    tables = {table.title: table for table in whole_tables(report)}
    assert len(tables) == 2 * 4 * 3  # two ways to lift, four conditions, three groups
    for title, table in tables.items():
        by_joint = title.endswith("by joint")
        assert len(table.head) == (6 if by_joint else 7), title
        assert not any(None in row for row in table.rows)


def test_a_long_list_of_actions_shows_both_ends_and_says_so(report):
    method = report.methods["crossdiff"]
    names = [f"action{i:02d}" for i in range(30)]
    errors = {
        n: replace(method.overall, pa_mpjpe_mm=float(i)) for i, n in enumerate(reversed(names))
    }
    many = replace(
        report,
        conditions={"clean": {"crossdiff": replace(method, by_action=errors)}},
        actions=dict.fromkeys(names, report.actions["walk"]),
    )
    short, whole = action_table(many, short=True), action_table(many, short=False)
    assert [row[0] for row in whole.rows] == names
    assert [row[0] for row in short.rows] == names[:10] + names[-5:]
    assert "15 between not shown" in short.title
    assert "not shown" not in whole.title


def test_markdown_keeps_a_bar_and_a_tag_inside_their_cell(report):
    table = joint_table(report)
    hostile = replace(table, rows=(("a|b <script>\nc", *table.rows[0][1:]),))
    line = as_markdown(hostile)[4]
    assert line.startswith("| a\\|b &lt;script> c | ")
    assert line.replace("\\|", "").count("|") == len(table.head) + 1
    text = report_markdown(report, ["a line"])
    assert text.startswith("- a line\n")
    for title in ("By azimuth", "By action", "By joint", "crossdiff masked: by joint"):
        assert f"**{title}" in text
    assert as_text(table)[0] == table.title


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory, checkpoint) -> Path:
    """A snapshot folder and a checkpoint, as a user has them."""
    folder = tmp_path_factory.mktemp("lift")
    mirrored = replace(MEASURED[0], motion_id="Mt0", mirrored=True)
    write_motions([*TRAINING, *MEASURED, mirrored], folder / "set" / "motions.parquet")
    save_checkpoint(
        folder / "best", checkpoint.network, checkpoint.statistics, HUMANML3D,
        masks_padding=True, about={},
    )  # fmt: skip
    return folder


@pytest.fixture
def no_prefect(monkeypatch):
    """Measure and publish without a flow run, which has tests of its own."""
    monkeypatch.setattr("flows.evaluate_lift.run_published", without_prefect)


@pytest.mark.usefixtures("no_prefect")
def test_the_command_measures_a_snapshot_and_writes_a_report(snapshot, capsys):
    out = snapshot / "new" / "card"
    where = ["--data", str(snapshot / "set"), "--checkpoint", str(snapshot / "best")]
    asked = ["--noise", "--masked", "--azimuths", "90", "--out", str(out), "--json"]
    assert main(["evaluate", "lift", *where, *asked]) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    assert (record["motions"], record["split"], record["out"]) == (4, "test", str(out))
    assert record["checkpoint_id"].startswith("best-")
    assert record["noise_level"] == {"jitter": 0.02, "missing": 0.1, "seed": 1}
    assert record["occlusion"]["seed"] == 1
    assert set(record["noise"]["crossdiff"]["by_azimuth"]) == {"0", "90", "180", "270"}
    assert {"seen", "unseen", "by_hidden"} <= set(record["masked"]["crossdiff"])
    assert "noise_cleaned" in record
    assert {file.name for file in out.iterdir()} == {"report.html", "metrics.json", "tables.md"}
    text = (out / "tables.md").read_text()
    assert "**By joint**" in text
    assert record["checkpoint_id"] in text
    kept = json.loads((out / "metrics.json").read_text())
    assert kept["what"] == "lift"
    assert kept["metrics"]["crossdiff"] == record["crossdiff"]
    assert kept["checkpoint_ids"] == [record["checkpoint_id"]]
    page = (out / "report.html").read_text()
    assert "lifted, masked" in page
    (said,) = record["warnings"]
    assert said.startswith("only 4 motions") and kept["warnings"] == [said] and said in page
    assert kept["config"]["datasets"] == [] and "Intervals, all views" in page
    assert "root path error" in page
    assert "lift, clean" in told.err  # progress


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--split", "val"], "has no motion with known 3D in the split val"),
        (["--azimuths", "0"], "azimuths must be 1 to 180 degrees apart, got 0"),
        (["--datasets", "cmu"], "it has no data sets to choose"),
    ],
)
def test_the_command_refuses_in_one_sentence(snapshot, capsys, arguments, sentence):
    data, best = str(snapshot / "set"), str(snapshot / "best")
    status = main(["evaluate", "lift", "--data", data, "--checkpoint", best, *arguments])
    assert status == 2
    told = capsys.readouterr().err
    assert told.startswith("crossdiff: ")
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_another_skeleton_is_refused(snapshot, tmp_path, capsys):
    config = replace(TINY_NETWORK, dim3=KIT.dim3, dim2=KIT.dim2)
    widths = [np.ones(n, np.float32) for n in (KIT.dim3, KIT.dim3, KIT.dim2, KIT.dim2)]
    best = tmp_path / "kit"
    save_checkpoint(best, CrossDiff(config), Statistics(*widths), KIT, masks_padding=True, about={})
    data = str(snapshot / "set")
    assert main(["evaluate", "lift", "--data", data, "--checkpoint", str(best)]) == 2
    assert "holds humanml3d22 motions, but the checkpoint lifts kitml21" in capsys.readouterr().err
