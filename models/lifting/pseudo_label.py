"""A projected view to its 3D label: lift, smooth, judge. Ingest and relabelling share it."""

from dataclasses import dataclass, replace

import numpy as np

from models.checkpoint import Checkpoint
from models.lifting.calibration_file import load_calibration, way_of_labels
from models.lifting.ensemble import lift_ensemble
from models.lifting.label_config import LabelConfig
from models.lifting.label_score import LabelScore, missing_evidence, score_label
from pipeline.arrays import Bool, Float32
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.camera_fit import CameraFit, fit_camera
from pipeline.canonical import place_on_floor
from pipeline.feature_masks import feature_mask2d, feature_mask3d
from pipeline.half_body import known_to_network
from pipeline.label_evidence import LabelEvidence, gather_evidence
from pipeline.one_euro import one_euro
from pipeline.perspective import perspective_error
from pipeline.physical.clean_up import clean_up
from pipeline.quality import LabelQuality, label_quality
from pipeline.reasons import PipelineError, Reason
from pipeline.refine import refine
from pipeline.representation2d import features_from_view
from pipeline.representation3d import (
    features_from_canonical,
    field_slices,
    recover_all_joints,
    recover_joints,
)
from pipeline.second_opinion import SecondOpinion, fuse
from pipeline.skeletons import Skeleton


@dataclass(frozen=True)
class ViewFacts:
    """What is known of a view beside its joints."""

    px_per_metre: float | None = None
    """Scale that was divided out."""
    picture: tuple[float, float] | None = None
    """(width, height), square pixels; None where nobody knows it any more."""
    camera_quality: float | None = None
    """How sure the camera's motion is; None where it was not watched."""
    perspective_m: float | None = None
    """What perspective may move joints by, where it was judged before."""


NOTHING_KNOWN = ViewFacts()


def picture_shown(frame_size: tuple[int, int], pixel_aspect: float) -> tuple[float, float]:
    """(width, height) of a picture in square pixels.

    Args:
        frame_size: (width, height) as stored.
        pixel_aspect: Width of a stored pixel over its height.
    """
    width, height = frame_size
    return width * pixel_aspect, float(height)


@dataclass(frozen=True)
class SeenView:
    """One view of N + 1 frames: a row of features needs the next frame, so N become 3D."""

    joints: Float32
    """(N+1, J, 2) in the view's scale; 0 where nothing is known."""
    seen: Bool
    """(N+1, J) joints that were seen."""
    anchored: Bool
    """(N+1, J) what a lift is fitted to: joints that were seen or guessed, and a placed root."""
    confidence: Float32
    """(N+1, J) the 2D estimator's, 0..1."""
    features: Float32
    """(N, D2), not normalised."""
    mask: Bool
    """(N, D2) True where an entry is known to the network: seen, or rests on a placed joint."""
    facts: ViewFacts = NOTHING_KNOWN
    opinion: SecondOpinion | None = None
    """The 2D estimator's own 3D of the N frames; None where it has none or nobody asked."""

    @property
    def rooted(self) -> Bool:
        """(N+1, J) what a label is judged by: joints that were seen, and their root."""
        out = self.seen.copy()
        out[:, 0] = self.anchored[:, 0]
        return out


@dataclass(frozen=True)
class PseudoLabel:
    """The 3D of one view of N frames."""

    joints3d: Float32
    """(N, J, 3) metres."""
    features3d: Float32
    """(N-1, D3), not normalised."""
    mask3d: Bool
    """(N-1, D3) True where the feature rests on joints that were seen."""
    windows: int
    quality: LabelQuality
    camera: CameraFit
    """Where the camera stood, by the label."""
    spread_m: float | None
    """How far repeated lifts disagree, metres; None where the view was lifted once."""
    perspective_m: float | None
    """What perspective may move joints by, metres; None where the picture is not known."""
    opinion_share: float | None
    """Share of the frames in which a second opinion was averaged in; None where there was none."""
    evidence: LabelEvidence | None
    """What the score is made from; None where no score was asked for."""
    score: LabelScore | None
    """None where it was not asked for, or nobody measured such labels."""


def label_view(view: SeenView, checkpoint: Checkpoint, config: LabelConfig) -> PseudoLabel:
    """Lift one view.

    Args:
        view: What was seen.
        checkpoint: The lifting network.
        config: How.

    Raises:
        PipelineError: The lift gave values that are not finite.
    """
    lifted = lift_ensemble(
        checkpoint,
        view.features,
        view.mask,
        view.joints,
        view.anchored,
        config.ensemble,
        view.confidence,
    )
    rows = _smoothed(lifted.features, checkpoint) if config.one_euro else lifted.features
    if not np.isfinite(rows).all():
        raise PipelineError(Reason.LIFT_ERROR, "the lift gave values that are not finite")
    joints = recover_joints(rows, checkpoint.skeleton)
    n = len(joints)
    shown, known, sure = view.joints[:n], view.anchored[:n], view.confidence[:n]
    camera = fit_camera(joints, shown, view.rooted[:n])
    perspective = _perspective(view, joints, camera)
    evidence = None
    if config.score:
        evidence = _evidence(view, joints, lifted.spread, camera, perspective, checkpoint.skeleton)
    changed, share = joints, None
    if config.refine:
        changed = refine(changed, shown, known, sure, camera, checkpoint.skeleton)
    if view.opinion is not None:
        changed, counted = fuse(changed, view.opinion)
        share = float(counted.mean())
    if config.clean_up:
        changed = clean_up(changed, checkpoint.skeleton, seen=view.rooted[:n])
    final = rows[: n - 1]
    if changed is not joints:
        # By a facing smoothed in time: one frame's own would turn the motion with its error.
        final = features_from_canonical(
            place_on_floor(changed.astype(np.float64)), checkpoint.skeleton
        )
        joints = recover_all_joints(final, checkpoint.skeleton)
        camera = fit_camera(joints, shown, view.rooted[:n])
    return PseudoLabel(
        joints3d=joints,
        features3d=final,
        mask3d=feature_mask3d(view.seen[:n], checkpoint.skeleton),
        windows=lifted.windows,
        quality=_quality(view, joints, checkpoint),
        camera=camera,
        spread_m=None if lifted.spread is None else float(lifted.spread.mean()),
        perspective_m=perspective,
        opinion_share=share,
        evidence=evidence,
        score=_score(evidence, checkpoint, config, fused=bool(share)) if evidence else None,
    )


def label_stored_view(
    view: Float32,
    seen: Bool,
    checkpoint: Checkpoint,
    config: LabelConfig,
    *,
    confidence: Float32 | None = None,
    facts: ViewFacts = NOTHING_KNOWN,
    opinion: SecondOpinion | None = None,
) -> PseudoLabel:
    """Lift a view as a store keeps it: N frames in, N frames out; see `stored_view`.

    Args:
        view: (N >= 2, J, 2) projected view, root-relative to frame 0.
        seen: (N, J) True where the joint was seen.
        checkpoint: The lifting network.
        config: How.
        confidence: (N, J) the 2D estimator's; None: 1 where seen, and the label's quality
            `mean_confidence` says nothing.
        facts: What else is known of the view.
        opinion: The 2D estimator's own 3D of the N frames; None where the store has none.

    Raises:
        PipelineError: The lift gave values that are not finite.
        ValueError: The view is of another skeleton than the checkpoint's.
    """
    skeleton = checkpoint.skeleton
    whole = stored_view(view, seen, skeleton, config, confidence=confidence, facts=facts)
    if config.second_opinion:
        whole = replace(whole, opinion=opinion)
    return label_view(whole, checkpoint, config)


def stored_view(
    view: Float32,
    seen: Bool,
    skeleton: Skeleton,
    config: LabelConfig,
    *,
    confidence: Float32 | None = None,
    facts: ViewFacts = NOTHING_KNOWN,
) -> SeenView:
    """What an ingest knew of a view, from what a store keeps of it: N frames become N + 1.

    The frame after the last, which the last row's movement rests on, was not kept: every joint is
    taken to move on as it did before. Against the labels of the ingest that is nearer than a frame
    that counts as not seen (4.0 mm instead of 6.8 on 22 real motions, same weights).

    Args:
        view: (N >= 2, J, 2) projected view, root-relative to frame 0.
        seen: (N, J) True where the joint was seen.
        skeleton: Of the joints.
        config: How it is to be lifted.
        confidence: (N, J) the 2D estimator's; None: 1 where seen.
        facts: What else is known of the view.

    Raises:
        ValueError: The view is of another skeleton.
    """
    stands_in = config.half_bodies or config.guesses
    known = known_to_network(view, seen) if stands_in else seen
    anchored = known.copy() if config.guesses else seen.copy()
    anchored[:, 0] |= known[:, 0]
    longer = np.concatenate([view, 2 * view[-1:] - view[-2:-1]])
    known, anchored = (np.concatenate([a, a[-1:] & a[-2:-1]]) for a in (known, anchored))
    sure = seen.astype(np.float32) if confidence is None else confidence
    return SeenView(
        joints=longer,
        seen=np.concatenate([seen, seen[-1:] & seen[-2:-1]]),
        anchored=anchored,
        confidence=np.concatenate([sure, sure[-1:]]),
        features=features_from_view(longer, skeleton),
        mask=feature_mask2d(known, skeleton),
        facts=facts,
    )


def _quality(view: SeenView, joints: Float32, checkpoint: Checkpoint) -> LabelQuality:
    """Fits count from a placed root too; how much was seen is told without it."""
    n = len(joints)
    told = label_quality(
        joints, view.joints[:n], view.rooted[:n], view.confidence[:n], checkpoint.skeleton
    )
    return replace(told, masked_share=float(1.0 - view.seen[:n].mean()))


def _perspective(view: SeenView, joints: Float32, camera: CameraFit) -> float | None:
    """What perspective may move joints by, metres."""
    facts = view.facts
    if facts.px_per_metre is None or facts.picture is None:
        return facts.perspective_m
    seen = view.rooted[: len(joints)]
    told = perspective_error(joints, seen, camera, facts.px_per_metre, facts.picture)
    return told.mean_m if np.isfinite(told.mean_m) else None


def _score(
    evidence: LabelEvidence, checkpoint: Checkpoint, config: LabelConfig, *, fused: bool
) -> LabelScore | None:
    """The label's score; None where nobody measured how far such labels are off.

    `fused`: a second opinion is in the label, which asking for one does not make sure of.
    """
    way = way_of_labels(config, second_opinion=fused)
    calibration = load_calibration(checkpoint.checkpoint_id, way, checkpoint.folder)
    if calibration is None or missing_evidence(evidence, calibration):
        return None
    return score_label(evidence, calibration)


def _evidence(
    view: SeenView,
    joints: Float32,
    spread: Float32 | None,
    camera: CameraFit,
    perspective_m: float | None,
    skeleton: Skeleton,
) -> LabelEvidence:
    """What is known of a label without truth; of the lift, before anything is done to it."""
    n, facts = len(joints), view.facts
    return gather_evidence(
        joints,
        view.joints[:n],
        view.rooted[:n],
        view.confidence[:n],
        skeleton,
        camera=camera,
        spread=spread,
        person_px=facts.px_per_metre * BODY_HEIGHT_M if facts.px_per_metre else None,
        camera_quality=facts.camera_quality,
        perspective_error_m=perspective_m,
    )


def _smoothed(features: Float32, checkpoint: Checkpoint) -> Float32:
    """The paper's One-Euro filter over normalised features; contacts are flags and stay."""
    s = checkpoint.statistics
    contacts = field_slices(checkpoint.skeleton)["contacts"]
    smooth = one_euro((features - s.mean3) / s.std3) * s.std3 + s.mean3
    smooth[:, contacts] = features[:, contacts]
    return smooth.astype(np.float32)
