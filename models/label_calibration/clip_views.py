"""Rendered clips through the real 2D estimator: views with truth, from pixels."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.label_calibration.known_views import KnownView
from models.lifting.label_config import LabelConfig
from models.lifting.labelling import LabelledMotion, label_people
from models.lifting.observing import observe_clip
from models.lifting.pseudo_label import ViewFacts
from pipeline.arrays import Float32
from pipeline.body_definition import where_measured
from pipeline.pose.protocol import PoseEstimator
from pipeline.second_opinion import SecondOpinion, opinion_of
from pipeline.skeletons import HUMANML3D

SYNTHETIC = "synthetic"
WINDOW_FRAMES = 40
"""A clip is cut into views of 2 s or a little more."""
TRUTH_SUFFIX = ".truth.npz"
ARRAYS = ("view", "seen", "confidence")
OPINION = ("opinion", "known")


def clip_views(
    videos: Iterable[Path], estimator: PoseEstimator, config: LabelConfig, kept: Path
) -> Iterator[KnownView]:
    """The views of rendered clips; clips in which nobody is found give none.

    Args:
        videos: Each with its truth beside it.
        estimator: 2D pose backend.
        config: How the 2D is made; one person.
        kept: Folder of what was seen, so that another way of labelling needs no second pass.
    """
    for video in videos:
        file = kept / f"{video.stem}.npz"
        if not file.is_file():
            _observe(video, estimator, config, file)
        truth = _truth(video)
        with np.load(file, allow_pickle=False) as told:
            for i in range(int(told["count"])):
                arrays = {name: told[f"{name}{i}"] for name in ARRAYS}
                arrays |= {name: told[f"{name}{i}"] for name in OPINION if f"{name}{i}" in told}
                start = round(float(told[f"start_s{i}"]) * HUMANML3D.fps)
                width, height = told["picture"]
                facts = ViewFacts(float(told[f"px_per_metre{i}"]), (float(width), float(height)))
                yield from _windows(video.stem, arrays, start, truth, facts)


def _observe(video: Path, estimator: PoseEstimator, config: LabelConfig, file: Path) -> None:
    """One 2D pass, kept as a file that appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    seen = observe_clip(video, estimator, config)
    motions: list[LabelledMotion] = label_people(seen, None, config).motions
    arrays: dict[str, Any] = {"count": len(motions), "picture": np.zeros(2)}
    for i, motion in enumerate(motions):
        for name in (*ARRAYS, "start_s", "px_per_metre"):
            arrays[f"{name}{i}"] = np.asarray(getattr(motion, name))
        times = motion.start_s + np.arange(len(motion.seen)) / HUMANML3D.fps
        track = max(seen.people, key=lambda person: person.score).track
        opinion = opinion_of(where_measured(track) if config.body_joints else track, times)
        if opinion is not None:
            arrays[f"opinion{i}"], arrays[f"known{i}"] = opinion.joints3d, opinion.known
    if seen.people:
        arrays["picture"] = np.asarray(seen.people[0].track.pose.frame_size, np.float64)
    partial = file.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(file)


def _truth(video: Path) -> Float32:
    """(T, 22, 3) metres at 20 frames a second."""
    with np.load(video.with_name(video.stem + TRUTH_SUFFIX), allow_pickle=False) as file:
        return np.asarray(file["joints3d_20fps"], np.float32)


def _windows(
    clip: str, arrays: Mapping[str, Any], start: int, truth: Float32, facts: ViewFacts
) -> Iterator[KnownView]:
    frames = min(len(arrays["seen"]), len(truth) - start)
    if frames < WINDOW_FRAMES // 2:
        return
    for part in np.array_split(np.arange(frames), max(1, frames // WINDOW_FRAMES)):
        cut = slice(int(part[0]), int(part[-1]) + 1)
        view, seen = arrays["view"][cut], arrays["seen"][cut]
        known = seen | (view != 0.0).any(axis=-1)
        rooted = np.where(known[..., None], view - view[0, 0], 0.0).astype(np.float32)
        opinion = None
        if "opinion" in arrays:
            opinion = SecondOpinion(arrays["opinion"][cut], arrays["known"][cut])
        yield KnownView(
            name=f"{clip}/{start + cut.start}",
            group=clip,
            source=SYNTHETIC,
            joints=rooted,
            seen=seen,
            confidence=arrays["confidence"][cut],
            truth=truth[start + cut.start : start + cut.stop],
            facts=facts,
            opinion=opinion,
        )
