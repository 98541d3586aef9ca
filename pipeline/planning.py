"""What ingesting many videos would take, from what some have taken: time, cores, storage.

The model: a stage takes a fixed time a video and a time per second of video, both at least zero,
fitted by least squares; with few videos the time per second of video alone. Commits take turns on a
store, so their sum bounds the time from below, whatever the workers.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.arrays import Float64
from pipeline.stage_costs import COMMIT, StageCosts

NIGHT_S = 10 * 3600.0
LEAST_FOR_FIT = 12
"""Videos from which a fixed time and a time per second can be told apart."""
RESAMPLES = 400
SEED = 0
CONFIDENCE = 0.95
ON_A_GPU = ("pose", "lift")


@dataclass(frozen=True)
class PlanQuestion:
    """What is asked."""

    videos: int
    workers: int
    seconds_per_video: float | None = None
    """Mean length; None takes that of the measured videos."""
    gpu_speedup: float | None = None
    """How many times faster pose and lift would be on a GPU: the asker's figure."""
    shard_size: int | None = None
    """Videos a commit; None takes what the measured commits had."""
    start_s: float | None = None
    """Measured start of a run; None leaves it out."""


@dataclass(frozen=True)
class StagePlan:
    """One stage of the work asked about."""

    stage: str
    s_per_video: float
    fixed_s: float
    """Of that, whatever the length."""
    s_per_video_s: float
    """Per second of video, beyond the fixed part."""
    share: float
    """Of all work."""
    core_h: float
    """Hours on one worker for all videos."""


@dataclass(frozen=True)
class Timing:
    """How long all of it takes."""

    stages: tuple[StagePlan, ...]
    """Dearest first."""
    work_s: float
    """One worker after the other, without starts."""
    wall_s: float
    """On the workers asked about."""
    turns_s: float
    """Of the work, the commits: they take turns, so no number of workers is faster than this."""
    night_workers: int | None
    """Workers that are done in `NIGHT_S`; None when the commits alone take longer."""
    night_shard: int
    """Videos a commit, from which on the commits take at most half of `NIGHT_S`."""
    useful_workers: int | None
    """Beyond these the commits' turns are what takes the time; None when none were measured."""
    bottleneck: str


@dataclass(frozen=True)
class StoragePlan:
    """How large the tables get, as they are written now."""

    total_bytes: float
    bytes_per_motion_minute: float | None
    """None when no motion came of the measured videos."""
    shares: tuple[tuple[str, float], ...]
    """(table, share of the bytes), largest first."""


@dataclass(frozen=True)
class Plan:
    """The answer."""

    question: PlanQuestion
    measured_videos: int
    measured_video_s: float
    seconds_per_video: float
    failed_share: float
    """Of the measured videos, those that gave no motion; assumed of the others too."""
    fitted: bool
    """False: too few videos, so time per second of video alone."""
    timing: Timing
    work_interval_s: tuple[float, float] | None
    """95 % of `timing.work_s`; None with one video measured."""
    storage: StoragePlan
    gpu: Timing | None
    """The same with pose and lift as much faster as the question says."""


def make_plan(costs: StageCosts, question: PlanQuestion) -> Plan:
    """Time, workers and storage for `question.videos` videos like the measured ones.

    Raises:
        ValueError: Nothing was measured, or the question makes no sense.
    """
    _check(costs, question)
    length = question.seconds_per_video or float(costs.duration_s.mean())
    fixed, slope = _fit_all(costs, np.ones((1, costs.videos)))
    speedup = question.gpu_speedup
    return Plan(
        question=question,
        measured_videos=costs.videos,
        measured_video_s=float(costs.duration_s.sum()),
        seconds_per_video=length,
        failed_share=costs.failed / costs.videos,
        fitted=_can_fit(costs),
        timing=_timing(costs, question, length, (fixed[:, 0], slope[:, 0])),
        work_interval_s=_interval(costs, question, length),
        storage=_storage(costs, question.videos, length),
        gpu=None
        if speedup is None
        else _timing(costs, question, length, _faster(costs, (fixed[:, 0], slope[:, 0]), speedup)),
    )


def _check(costs: StageCosts, question: PlanQuestion) -> None:
    if not costs.videos:
        raise ValueError("no video has been timed there yet: ingest a few first, then plan")
    if len(costs.estimators) > 1:
        raise ValueError(
            f"the videos there went through {len(costs.estimators)} estimators, whose costs differ:"
            " choose one data set with --dataset"
        )
    counts = (("--videos", question.videos), ("--workers", question.workers))
    for name, count in (*counts, ("--shard-size", question.shard_size)):
        if count is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
    positive = (("--seconds-per-video", question.seconds_per_video),)
    for name, value in (*positive, ("--gpu-speedup", question.gpu_speedup)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a number above 0, not {value:g}")


def _can_fit(costs: StageCosts) -> bool:
    return costs.videos >= LEAST_FOR_FIT and float(np.ptp(costs.duration_s)) > 0


def _fit_all(costs: StageCosts, weights: Float64) -> tuple[Float64, Float64]:
    """(stages, B) fixed seconds a video and seconds per second of video, per row of weights.

    Args:
        costs: N measured videos.
        weights: (B, N) how often each video counts.
    """
    fits = [_fit(costs.duration_s, y, weights, _can_fit(costs)) for y in costs.seconds.values()]
    fixed, slope = (np.stack([fit[i] for fit in fits]) for i in (0, 1))
    return fixed, slope


def _fit(x: Float64, y: Float64, weights: Float64, with_fixed: bool) -> tuple[Float64, Float64]:
    """(B,) intercepts and slopes of weighted least squares with both at least 0.

    Where the unbounded solution has one below 0, the best bounded one has that one at 0.
    """
    n, sx, sy, sxx, sxy = (weights @ v for v in (np.ones_like(x), x, y, x * x, x * y))
    if not with_fixed:
        return np.zeros_like(sx), sy / np.maximum(sx, 1e-12)
    spread = np.maximum(n * sxx - sx * sx, 1e-12)
    slope = (n * sxy - sx * sy) / spread
    fixed = (sy - slope * sx) / n
    through_zero = sxy / np.maximum(sxx, 1e-12)
    slope = np.where(fixed < 0, through_zero, slope)
    fixed = np.where(slope < 0, sy / n, np.maximum(fixed, 0.0))
    return fixed, np.maximum(slope, 0.0)


def _faster(
    costs: StageCosts, model: tuple[Float64, Float64], speedup: float
) -> tuple[Float64, Float64]:
    scale = np.array([1 / speedup if stage in ON_A_GPU else 1.0 for stage in costs.seconds])
    return model[0] * scale, model[1] * scale


def _timing(
    costs: StageCosts, question: PlanQuestion, length: float, model: tuple[Float64, Float64]
) -> Timing:
    shard = _shard(costs, question)
    commit = _commit_s(costs) / shard
    names = (*costs.seconds, COMMIT)
    fixed = np.append(model[0], commit)
    slope = np.append(model[1], 0.0)
    per_video = fixed + slope * length
    each = float(per_video.sum())
    stages = [
        StagePlan(name, float(t), float(f), float(s), float(t) / each, question.videos * t / 3600)
        for name, t, f, s in zip(names, per_video, fixed, slope, strict=True)
    ]
    stages.sort(key=lambda stage: -stage.s_per_video)
    work, turns = question.videos * each, question.videos * commit
    start = question.start_s or 0.0
    wall = start + max(work * _longest_share(shard, question), turns)
    return Timing(
        stages=tuple(stages),
        work_s=work,
        wall_s=wall,
        turns_s=turns,
        night_workers=_night_workers(work, turns, start),
        night_shard=max(1, math.ceil(2 * question.videos * _commit_s(costs) / NIGHT_S)),
        useful_workers=max(1, int(each / commit)) if commit else None,
        bottleneck=COMMIT if wall - start <= turns else stages[0].stage,
    )


def _shard(costs: StageCosts, question: PlanQuestion) -> float:
    """Videos a commit, never fewer than one."""
    if question.shard_size is not None:
        return float(question.shard_size)
    return max(float(costs.commit_videos.mean()), 1.0) if len(costs.commit_videos) else 1.0


def _commit_s(costs: StageCosts) -> float:
    """Seconds of one commit. It costs files and log entries, hardly more for more videos."""
    return float(costs.commit_s.mean()) if len(costs.commit_s) else 0.0


def _longest_share(shard: float, question: PlanQuestion) -> float:
    """Share of the work that the busiest worker has: shards are dealt out whole."""
    shards = math.ceil(question.videos / shard)
    return math.ceil(shards / question.workers) / shards


def _night_workers(work: float, turns: float, start: float) -> int | None:
    left = NIGHT_S - start
    return None if left <= 0 or turns > left else max(1, math.ceil(work / left))


def _interval(
    costs: StageCosts, question: PlanQuestion, length: float
) -> tuple[float, float] | None:
    """95 % interval of the work: bootstrap over videos, and their scatter about the fit.

    The bootstrap's spread is widened for small n by Student's t and n / (n - 1).
    """
    n, videos = costs.videos, question.videos
    if n < 2:
        return None
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)
    fixed, slope = _fit_all(costs, weights)
    means = (fixed + slope * length).sum(axis=0)
    fixed, slope = (part[:, 0] for part in _fit_all(costs, np.ones((1, n))))
    whole = np.sum(list(costs.seconds.values()), axis=0)
    scatter = np.std(whole - fixed.sum() - slope.sum() * costs.duration_s)
    spread = np.sqrt((means.std() ** 2 + scatter**2 / videos) * n / (n - 1))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * spread)
    commit = _commit_s(costs) / _shard(costs, question)
    middle = float((fixed + slope * length).sum()) + commit
    return videos * max(middle - reach, 0.0), videos * (middle + reach)


def _storage(costs: StageCosts, videos: int, length: float) -> StoragePlan:
    """Rows of `videos` grow with the files, the others with their length."""
    by_length = {t: b for t, b in costs.bytes_by_table.items() if t != "videos"}
    per_second = {t: b / max(costs.stored_video_s, 1e-9) for t, b in by_length.items()}
    sizes = {table: videos * length * each for table, each in per_second.items()}
    rows = costs.bytes_by_table.get("videos", 0) / max(costs.stored_videos, 1)
    sizes["videos"] = videos * rows
    total = sum(sizes.values())
    shares = [(table, size / total if total else 0.0) for table, size in sizes.items()]
    minutes = costs.stored_motion_s / 60
    return StoragePlan(
        total_bytes=total,
        bytes_per_motion_minute=sum(by_length.values()) / minutes if minutes else None,
        shares=tuple(sorted(shares, key=lambda pair: -pair[1])),
    )
