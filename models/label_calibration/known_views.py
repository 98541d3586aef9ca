"""2D of which the true 3D is known, and the labels that are made of it."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from models.checkpoint import Checkpoint
from models.label_calibration.known_labels import KnownLabel, joint_errors
from models.lifting.calibration_file import way_of
from models.lifting.label_config import Ensemble, LabelConfig
from models.lifting.pseudo_label import ViewFacts, label_stored_view
from pipeline.arrays import Bool, Float32
from pipeline.reasons import PipelineError
from pipeline.second_opinion import SecondOpinion


@dataclass(frozen=True)
class KnownView:
    """One view of T frames, as labelling has it, beside the truth."""

    name: str
    group: str
    """Views of one motion or clip are no independent measurements."""
    source: str
    joints: Float32
    """(T, J, 2) in the view's scale; 0 where neither seen nor guessed."""
    seen: Bool
    """(T, J)"""
    confidence: Float32
    """(T, J)"""
    truth: Float32
    """(T, J, 3) metres."""
    facts: ViewFacts
    opinion: SecondOpinion | None = None
    """The 2D estimator's own 3D; None where there is none."""


def config_of(way: str) -> LabelConfig:
    """How labels of a way are made, with their evidence.

    Raises:
        ValueError: No way has this name.
    """
    switches = itertools.product(get_args(Ensemble), *[(False, True)] * 4)
    for ensemble, refine, guesses, second_opinion, body_joints in switches:
        named: dict[str, Any] = {
            "ensemble": ensemble, "refine": refine, "guesses": guesses,
            "second_opinion": second_opinion, "body_joints": body_joints,
        }  # fmt: skip
        if way_of(**named) == way:
            return LabelConfig(**named, score=True)
    raise ValueError(f"no way of labelling is called '{way}'")


def label_known_view(
    view: KnownView, ways: Collection[str], checkpoint: Checkpoint
) -> Iterator[KnownLabel]:
    """One label a way; those that cannot be made are passed over.

    Of views without guesses or a second opinion a way that uses them is the way without.
    """
    for way in ways:
        config = config_of(way)
        sure = np.where(view.seen[..., None], view.joints, np.float32(0.0))
        try:
            label = label_stored_view(
                view.joints if config.guesses else sure,
                view.seen,
                checkpoint,
                config,
                confidence=view.confidence,
                facts=view.facts,
                opinion=view.opinion,
            )
        except PipelineError:
            continue
        if label.evidence is None:
            raise ValueError(f"labels made the way '{way}' come without evidence")
        errors = joint_errors(label.joints3d, view.truth)
        yield KnownLabel(view.name, way, view.group, view.source, label.evidence, errors)
