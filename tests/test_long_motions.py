"""A person who stays in sight for long becomes several motions that follow one another."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from truth_clips import all_truth_clips

from models.checkpoint import load_checkpoint
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import LabelConfig, preset_config
from models.lifting.labelling import ClipResult, label_people
from models.lifting.observing import ObservedClip, observe_clip
from pipeline.cleaning_config import CleaningConfig
from pipeline.pose import make_estimator

SHORT = CleaningConfig(max_frames=90)
TIMES_OVER = 4


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> ObservedClip:
    """A jumping jack, played forwards and backwards until it is long."""
    capture = cv2.VideoCapture(str(all_truth_clips()["JumpingJack"].video))
    frames = []
    while (taken := capture.read())[0]:
        frames.append(taken[1])
    capture.release()
    film = tmp_path_factory.mktemp("long") / "v_Long_g01_c01.avi"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (width, height))
    for turn in range(TIMES_OVER):
        for frame in frames[:: -1 if turn % 2 else 1]:
            writer.write(frame)
    writer.release()
    torch.set_num_threads(1)
    return observe_clip(film, make_estimator("packaged"), preset_config("wild", {}))


def labelled(seen: ObservedClip, config: LabelConfig) -> ClipResult:
    return label_people(seen, load_checkpoint(SHIPPED), config)


@pytest.mark.parametrize("preset", ["paper", "wild"])
def test_pieces_follow_one_another_without_a_gap_and_lie_on_the_same_2d(
    seen: ObservedClip, preset: str
) -> None:
    config = preset_config("wild" if preset == "wild" else "paper", {})
    (whole,) = labelled(seen, config).motions
    result = labelled(seen, replace(config, cleaning=SHORT))
    motions = result.motions
    assert len(motions) == -(-len(whole.seen) // SHORT.max_frames) > 1
    starts = np.cumsum([0, *(len(m.seen) for m in motions)])
    assert [m.start_frame for m in motions] == starts[:-1].tolist()
    assert starts[-1] == len(whole.seen)
    for motion in motions:
        assert motion.joints3d is not None and np.isfinite(motion.joints3d).all()
        assert motion.start_s == pytest.approx(whole.start_s + motion.start_frame / 20.0)
        assert not motion.view[0, 0].any(), "each begins at its own origin"
    (person,) = result.wanted
    assert person.cleaned is not None
    sure = whole.seen & person.cleaned.seen
    assert sure.mean() > 0.95 * whole.seen.mean()
    apart = np.abs(person.cleaned.pixels - whole.pixels).max(axis=-1)[sure]
    # Root and seen joints come from one smoothing; joints guessed at are smoothed by piece.
    assert np.quantile(apart, 0.99) < 1e-3


def test_pieces_bodies_agree_with_those_of_the_whole(seen: ObservedClip) -> None:
    """What a shorter motion loses is context at its ends, and the lift was trained on shorter."""
    config = preset_config("wild", {})
    (whole,) = labelled(seen, config).motions
    motions = labelled(seen, replace(config, cleaning=SHORT)).motions
    apart = []
    for motion in motions:
        same = slice(motion.start_frame, motion.start_frame + len(motion.seen))
        assert whole.joints3d is not None and motion.joints3d is not None
        a, b = (
            np.linalg.norm(np.diff(j[:, [16, 18, 20]], axis=1), axis=-1)
            for j in (whole.joints3d[same], motion.joints3d)
        )
        apart.append(np.abs(a - b).mean())
    assert np.mean(apart) < 0.02  # metres of an arm's bones


def test_a_recipe_names_a_bound_of_ones_own_alone() -> None:
    assert "max_frames" not in LabelConfig().settings()["cleaning"]
    assert LabelConfig(cleaning=SHORT).settings()["cleaning"]["max_frames"] == SHORT.max_frames
