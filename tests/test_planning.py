"""Plans from measured costs: the arithmetic, against costs whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.plan_lines import plan_lines, size, span
from pipeline.planning import NIGHT_S, PlanQuestion, make_plan
from pipeline.stage_costs import CLIP_STAGES, StageCosts

TRUE = {"decode": (0.1, 0.02), "pose": (0.3, 0.8), "normalise": (0.0, 0.01), "lift": (0.05, 0.0)}
"""Seconds a video, and per second of video."""
COMMIT_S, SHARD = 0.4, 8


def costs(videos: int, noise: float = 0.0, seed: int = 0) -> StageCosts:
    rng = np.random.default_rng(seed)
    length = rng.uniform(2.0, 12.0, videos)
    wobble = 1 + noise * rng.normal(size=(len(TRUE), videos))
    seconds = {s: (a + b * length) * w for (s, (a, b)), w in zip(TRUE.items(), wobble, strict=True)}
    commits = max(1, videos // SHARD)
    return StageCosts(
        duration_s=length,
        seconds={**seconds, CLIP_STAGES[-1]: np.zeros(videos)},
        commit_s=np.full(commits, COMMIT_S),
        commit_videos=np.full(commits, float(SHARD)),
        failed=videos // 4,
        unreadable=0,
        bytes_by_table={"videos": 1000 * videos, "tracks": 5 * 10**6, "motions": 15 * 10**6},
        stored_videos=videos,
        stored_video_s=float(length.sum()),
        stored_motion_s=120.0,
        estimators=("mediapipe",),
    )


def true_seconds(videos: int, length: float, shard: int = SHARD) -> float:
    return videos * (sum(a + b * length for a, b in TRUE.values()) + COMMIT_S / shard)


@pytest.mark.parametrize("length", [1.0, 7.0, 60.0])
def test_a_linear_cost_is_found_again_at_lengths_never_measured(length):
    plan = make_plan(costs(40), PlanQuestion(1000, 1, length))
    assert plan.fitted
    assert plan.timing.work_s == pytest.approx(true_seconds(1000, length), rel=1e-6)
    for stage in plan.timing.stages:
        if stage.stage in TRUE:
            assert (stage.fixed_s, stage.s_per_video_s) == pytest.approx(TRUE[stage.stage])
    assert sum(stage.share for stage in plan.timing.stages) == pytest.approx(1.0)
    assert plan.timing.bottleneck == "pose" == plan.timing.stages[0].stage


def test_few_videos_are_taken_as_proportional_and_it_is_said():
    measured = costs(5)
    plan = make_plan(measured, PlanQuestion(5, 1))
    total = sum(s.sum() for s in measured.seconds.values()) + COMMIT_S * 5 / SHARD
    assert plan.timing.work_s == pytest.approx(total)
    assert all(s.fixed_s == 0 for s in plan.timing.stages if s.stage != "commit")
    assert "too few were measured" in "\n".join(plan_lines(plan, "mediapipe"))


def test_no_stage_ever_gets_a_time_below_zero():
    measured = costs(20)
    falling = {**measured.seconds, "decode": 5.0 - 0.3 * measured.duration_s}
    steep = {**falling, "pose": np.maximum(measured.duration_s - 4.0, 0.0)}
    plan = make_plan(replace(measured, seconds=steep), PlanQuestion(10, 1, 0.5))
    by_name = {s.stage: s for s in plan.timing.stages}
    assert by_name["decode"].s_per_video_s == 0.0
    assert by_name["decode"].fixed_s == pytest.approx(falling["decode"].mean())
    assert by_name["pose"].fixed_s == 0.0 and by_name["pose"].s_per_video_s > 0


@pytest.mark.parametrize(("measured", "asked"), [(6, 30), (30, 30), (60, 5000)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(measured, asked):
    hits = 0
    for seed in range(60):
        plan = make_plan(costs(measured, 0.3, seed), PlanQuestion(asked, 1, 7.0))
        rng = np.random.default_rng(1000 + seed)
        scatter = sum((a + b * 7.0) * 0.3 * rng.normal(size=asked).sum() for a, b in TRUE.values())
        low, high = plan.work_interval_s
        hits += low <= true_seconds(asked, 7.0) + scatter <= high
    assert hits >= 51  # of 60; 95 % would be 57


def test_workers_share_whole_shards_and_commits_bound_them():
    measured, one = costs(40), PlanQuestion(800, 1, 7.0)
    work = true_seconds(800, 7.0)
    assert make_plan(measured, one).timing.wall_s == pytest.approx(work)
    assert make_plan(measured, replace(one, workers=4)).timing.wall_s == pytest.approx(work / 4)
    # 100 shards on 60 workers: somebody has two of them
    sixty = make_plan(measured, replace(one, workers=60)).timing
    assert sixty.wall_s == pytest.approx(work * 2 / 100)
    many = make_plan(measured, replace(one, workers=5000)).timing
    assert many.bottleneck == "pose"  # a whole shard still takes longer than 100 commits
    assert make_plan(measured, replace(one, start_s=9.0)).timing.wall_s == pytest.approx(work + 9)
    large = make_plan(measured, PlanQuestion(800_000, 5000, 7.0)).timing
    assert large.bottleneck == "commit" and large.wall_s == pytest.approx(large.turns_s)
    assert 5000 > large.useful_workers == int(true_seconds(1, 7.0) / (COMMIT_S / SHARD))


def test_a_night_needs_no_more_workers_than_it_says_and_not_one_less():
    measured, question = costs(40), PlanQuestion(100_000, 1, 7.0, shard_size=100)
    timing = make_plan(measured, question).timing
    assert timing.work_s == pytest.approx(true_seconds(100_000, 7.0, 100))
    assert timing.work_s / timing.night_workers <= NIGHT_S
    assert timing.work_s / (timing.night_workers - 1) > NIGHT_S


def test_commits_that_take_longer_than_a_night_are_told_with_the_shard_size_that_helps():
    measured, question = costs(40), PlanQuestion(1_000_000, 1000, 7.0)
    timing = make_plan(measured, question).timing
    assert timing.night_workers is None and timing.turns_s > NIGHT_S
    helped = make_plan(measured, replace(question, shard_size=timing.night_shard)).timing
    assert helped.night_workers is not None and helped.turns_s <= NIGHT_S / 2


def test_a_gpu_makes_pose_and_lift_faster_and_nothing_else():
    plan = make_plan(costs(40), PlanQuestion(100, 1, 7.0, gpu_speedup=10.0))
    before = {s.stage: s.s_per_video for s in plan.timing.stages}
    after = {s.stage: s.s_per_video for s in plan.gpu.stages}
    factor = {s: 10.0 if s in ("pose", "lift") else 1.0 for s in before}
    assert after == pytest.approx({s: t / factor[s] for s, t in before.items()})
    text = "\n".join(plan_lines(plan, "mediapipe-0.10"))
    assert "10 times is your figure" in text and "runs on CPUs alone" in text


def test_storage_grows_with_seconds_and_with_files():
    measured = costs(40)
    plan = make_plan(measured, PlanQuestion(400, 1, 2 * float(measured.duration_s.mean())))
    assert plan.storage.total_bytes == pytest.approx(400 * 1000 + 20 * 20 * 10**6)
    assert plan.storage.bytes_per_motion_minute == pytest.approx(10**7)
    assert [table for table, _ in plan.storage.shares] == ["motions", "tracks", "videos"]
    empty = replace(measured, stored_motion_s=0.0)
    assert make_plan(empty, PlanQuestion(1, 1)).storage.bytes_per_motion_minute is None


def test_one_video_gives_no_interval():
    plan = make_plan(costs(1), PlanQuestion(10, 1))
    assert plan.work_interval_s is None
    assert "one video was measured" in "\n".join(plan_lines(plan, ""))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"videos": 0}, "--videos must be at least 1, not 0"),
        ({"workers": -1}, "--workers must be at least 1, not -1"),
        ({"shard_size": 0}, "--shard-size must be at least 1, not 0"),
        ({"seconds_per_video": 0.0}, "--seconds-per-video must be a number above 0, not 0"),
        ({"gpu_speedup": float("nan")}, "--gpu-speedup must be a number above 0, not nan"),
        ({"gpu_speedup": float("inf")}, "--gpu-speedup must be a number above 0, not inf"),
    ],
)
def test_a_senseless_question_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        make_plan(costs(5), replace(PlanQuestion(10, 1), **change))


def test_nothing_measured_or_two_estimators_is_refused():
    with pytest.raises(ValueError, match="no video has been timed there yet"):
        make_plan(replace(costs(5), duration_s=np.zeros(0)), PlanQuestion(10, 1))
    with pytest.raises(ValueError, match="choose one data set with --dataset"):
        make_plan(replace(costs(5), estimators=("a", "b")), PlanQuestion(10, 1))


def test_numbers_come_in_units_that_people_use():
    assert [span(s) for s in (0.05, 42, 5400, 1e5, 1e6, 1e9)] == [
        "0.05 s", "42 s", "90 min", "27.8 h", "11.6 days", "11,574 days",
    ]  # fmt: skip
    assert [size(n) for n in (0, 999, 1234, 5.6e10, 3e15)] == [
        "0 B", "999 B", "1.23 KB", "56 GB", "3 PB",
    ]  # fmt: skip
