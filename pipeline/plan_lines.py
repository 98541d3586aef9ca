"""A plan in words: the table of stages, time, storage, the bottleneck, and what is not known."""

import math

from pipeline.planning import NIGHT_S, ON_A_GPU, Plan, Timing
from pipeline.stage_costs import COMMIT

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
PACKAGED_POSE = "mediapipe"
"""How the packaged estimator's name begins."""


def plan_lines(plan: Plan, estimator: str) -> list[str]:
    """For a terminal.

    Args:
        plan: From `make_plan`.
        estimator: The 2D estimator that the measured videos went through.
    """
    asked = plan.question
    lines = [
        f"{asked.videos:,} videos of {plan.seconds_per_video:.3g} s, from {plan.measured_videos} "
        f"measured ({span(plan.measured_video_s)} of video, {plan.failed_share:.0%} without a "
        "motion)",
        "",
        *_table(plan.timing),
        "",
        f"work        {span(plan.timing.work_s)} on one worker{_interval(plan)}",
        f"time        {span(plan.timing.wall_s)} on {_workers(asked.workers)}",
        f"night       {_night(plan.timing)}",
        f"storage     {_storage(plan)}",
        f"bottleneck  {_bottleneck(plan.timing)}",
    ]
    if plan.gpu is not None:
        lines += [
            "",
            f"with {' and '.join(ON_A_GPU)} {asked.gpu_speedup:g} times as fast",
            f"time        {span(plan.gpu.wall_s)} on {_workers(asked.workers)}",
            f"night       {_night(plan.gpu)}",
            f"bottleneck  {_bottleneck(plan.gpu)}",
        ]
    return [*lines, "", "not known:", *(f"- {line}" for line in unknowns(plan, estimator))]


def unknowns(plan: Plan, estimator: str) -> list[str]:
    """What the measured videos do not say."""
    asked = plan.question
    out = ["a GPU: nothing there was timed on one"]
    if asked.gpu_speedup is not None:
        out = [f"the GPU: {asked.gpu_speedup:g} times is your figure, nothing was timed on one"]
    if estimator.startswith(PACKAGED_POSE):
        out[0] += "; the packaged estimator runs on CPUs alone, --pose mmpose can use one"
    out += [
        "other machines, and whether all cores at once are as fast as those that were measured",
        "finding and hashing the files before the first shard",
        "commits into tables of that size: they were timed on the store as it was, and take longer "
        "as it grows (`crossdiff compact` helps)",
    ]
    if asked.start_s is None:
        out.append("the start of a run: --measure-start times a tiny one")
    if not plan.fitted:
        out.append(
            "a fixed time per video: too few were measured, or all of one length; "
            "time is taken as proportional to length"
        )
    if plan.work_interval_s is None:
        out.append("the scatter: one video was measured")
    return out


def span(seconds: float) -> str:
    """Seconds in the unit that people would use.

    >>> span(42), span(5400), span(1e6)
    ('42 s', '90 min', '11.6 days')
    """
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds / 86400)} days"


def size(number: float) -> str:
    """Bytes with a decimal unit.

    >>> size(1234), size(5.6e10)
    ('1.23 KB', '56 GB')
    """
    power = min(int(math.log10(max(number, 1)) // 3), len(UNITS) - 1)
    return f"{_three(number / 1000**power)} {UNITS[power]}"


def _three(number: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _table(timing: Timing) -> list[str]:
    lines = ["stage       s/video   fixed s   s per s of video   share   core-hours"]
    lines += [
        f"{row.stage:<10}{row.s_per_video:>9.3f}{row.fixed_s:>10.3f}{row.s_per_video_s:>19.4f}"
        f"{row.share:>8.1%}{row.core_h:>13,.1f}"
        for row in timing.stages
    ]
    each = sum(row.s_per_video for row in timing.stages)
    return [*lines, f"{'all':<10}{each:>9.3f}{'':>37}{timing.work_s / 3600:>13,.1f}"]


def _interval(plan: Plan) -> str:
    if plan.work_interval_s is None:
        return ""
    low, high = plan.work_interval_s
    return f" (95 %: {span(low)} to {span(high)})"


def _workers(count: int) -> str:
    return "one worker" if count == 1 else f"{count:,} workers"


def _night(timing: Timing) -> str:
    hours = f"{NIGHT_S / 3600:g} h"
    if timing.night_workers is None:
        return (
            f"not in {hours} with any number of workers: commits take turns, "
            f"{span(timing.turns_s)} in all; from --shard-size {timing.night_shard} on they fit"
        )
    return f"{_workers(timing.night_workers)}, a core each, are done in {hours}"


def _storage(plan: Plan) -> str:
    storage = plan.storage
    tables = ", ".join(f"{name} {share:.0%}" for name, share in storage.shares)
    each = storage.bytes_per_motion_minute
    minute = "" if each is None else f"; {size(each)} per minute of motion"
    return f"{size(storage.total_bytes)} ({tables}){minute}"


def _bottleneck(timing: Timing) -> str:
    if timing.bottleneck == COMMIT:
        return (
            f"commits: they take turns, {span(timing.turns_s)} in all; more videos a commit "
            "(--shard-size) are faster, more workers are not"
        )
    share = next(row.share for row in timing.stages if row.stage == timing.bottleneck)
    useful = timing.useful_workers
    limit = "" if useful is None else f"; beyond {_workers(useful)} the commits, which take turns"
    return f"{timing.bottleneck}, {share:.1%} of the work{limit}"
