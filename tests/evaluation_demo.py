"""A page with everything that an evaluation's page can show: for its tests, and to look at.

python tests/evaluation_demo.py OUT.html
"""

import sys
from pathlib import Path

import numpy as np
from motion_store import truth

from flows.evaluation_page.model import Chart, Clip, Column, Page, Scene, Section, Table
from flows.evaluation_page.page import write_page
from models.evaluation.intervals import interval
from pipeline.skeletons import KIT

SAMPLES = Path(__file__).parent / "samples"
NASTY = "<script>alert('x')</script>"
MODELS = ("crossdiff-base-stage2", "crossdiff-base", f"a very long name of a checkpoint {NASTY}")
COLUMNS = (
    Column("from"),
    Column("R@3", "", "higher", "Share of motions among the three nearest of 32 to their caption"),
    Column("FID", "", "lower", "Fréchet distance between feature sets", 2),
    Column("foot skating", "m/s", "lower", "Speed of feet that stand"),
    Column("MPJPE", "mm", "lower", digits=1),
    Column("motions", digits=0),
    Column("remark"),
)


def scores(seed: int) -> tuple:
    rng = np.random.default_rng(seed)

    def some(mean: float, spread: float) -> object:
        return interval((mean + spread * rng.standard_normal(20)).tolist())

    return some(0.5, 0.1), some(12.0, 3.0), some(0.2, 0.05), 66.8 + seed


def kit_steps(frames: int) -> np.ndarray:
    """(T, 21, 3) metres: KIT's rest pose, swaying."""
    joints = np.zeros((KIT.n_joints, 3))
    for parent, joint in KIT.bones:
        joints[joint] = joints[parent] + 0.2 * np.asarray(KIT.raw_offsets[joint])
    joints[:, 1] -= joints[:, 1].min()
    sway = 0.3 * np.sin(np.arange(frames) / 5)[:, None, None] * [1.0, 0.0, 0.0]
    return (joints + sway * joints[None, :, 1:2]).astype(np.float32)


def demo_page() -> Page:
    rows = [("ground truth", 0.72, 0.01, 0.11, None, 518, "the motions themselves")]
    rows += [(name, *scores(n), 512, NASTY) for n, name in enumerate(MODELS)]
    rows += [("one replication", interval([0.4]), float("nan"), 0.3, None, 1234567, "")]
    table = Table(
        "Scores over 20 replications", COLUMNS, tuple(rows), f"Pools of 32 {NASTY}.", frozenset({0})
    )
    seconds = Table(
        "Seconds by stage",
        (Column("stage"), Column("seconds", "s", digits=1)),
        (("generate", 812.25), ("embed", 31.0), ("metrics", 4.5)),
    )
    charts = tuple(
        Chart(name, unit, tuple((row[0], row[n]) for row in rows if row[n] is not None), note)
        for n, name, unit, note in (
            (1, "R@3", "", ""),
            (2, "FID", "", "Lower is better."),
            (3, "foot skating", "m/s", ""),
        )
    )
    jumps, sits = truth(SAMPLES, "JumpingJack").joints3d, truth(SAMPLES, "SitDown").joints3d[:40]
    broken = jumps.copy()
    broken[7, 3] = np.nan
    scenes = (
        Scene(
            f"a person walks {NASTY} forward and waves with the left hand, then turns around",
            (
                Clip("ground truth", jumps, 20.0),
                Clip(MODELS[2], sits, 20.0, "2 s"),
                Clip("diverged", broken, 20.0),
            ),
        ),
        Scene("KIT-ML: a person sways", (Clip("truth", kit_steps(50), 12.5),)),
        Scene("nothing to see", (Clip("diverged", broken, 20.0),)),
    )
    return Page(
        f"Text to motion {NASTY}",
        (
            ("pool size", "32, the last pool of 6 left out"),
            ("data", f"/stores/everything@7 {NASTY}"),
            ("seeds", "0 to 19"),
            ("evaluators", "all-0123456789ab, upper-0123456789ab, lower-0123456789ab"),
            ("text source", "offline text encoder: not comparable with published scores"),
        ),
        (
            "offline text encoder: these scores are not comparable with published ones",
            f"n = 100 is not more than the 128 features: FID's covariance is singular {NASTY}",
        ),
        (
            Section("scores", "Scores", (f"What {NASTY} is measured.",), (table,), charts),
            Section("time", "Time", (), (seconds,)),
            Section("motions", "Motions", scenes=scenes),
        ),
    )


if __name__ == "__main__":
    print(write_page(demo_page(), Path(sys.argv[1])))
