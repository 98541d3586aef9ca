"""A lift fitted to what was seen: in the picture plane the view decides, in depth the lift.

One small nonlinear least-squares problem a motion, over all joints of all frames, in the frame of
the camera that fits the lift best. It weighs against each other: joints lie where they were seen
(robustly: a detector is sometimes far off), bones point where the lift has them point, bones keep
one length over the motion, near the canonical one, and nothing jerks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from pipeline.arrays import AnyFloat, Bool, Float32, Float64, Int64
from pipeline.camera_fit import CameraFit, camera_rotation
from pipeline.skeletons import Skeleton
from pipeline.view_size import view_size
from pipeline.views import UNITS_PER_METRE

STEPS_PER_FREE = 2
"""Evaluations that the search may take for each iteration of its bound."""


@dataclass(frozen=True)
class RefineSettings:
    """How much each kind of knowledge counts: standard deviations, metres unless said otherwise."""

    seen_m: float = 0.03
    """Of a sure joint's place in the picture plane; a joint of confidence c has 1/sqrt(c) of it."""
    outlier_m: float = 0.06
    """From this distance on a joint pulls with constant force: it is probably mistaken."""
    bone_m: float = 0.03
    """Of a bone's vector in the lift, each axis."""
    length_m: float = 0.01
    """Of a bone's length from frame to frame."""
    proportion: float = 0.10
    """Of a person's bone lengths about the canonical ones, as a share; 0: the canonical ones."""
    acceleration_m: float = 0.05
    """Of a joint's second difference from frame to frame."""
    root_m: float = 0.05
    """Of the root's place in the picture, which no detector sees, against the other joints'."""
    max_iterations: int = 40
    """Bound of the search; it ends earlier where nothing improves any more."""

    def __post_init__(self) -> None:
        held = {n: v for n, v in vars(self).items() if n != "proportion"}
        wrong = [name for name, value in held.items() if not value > 0]
        if wrong or self.proportion < 0:
            raise ValueError(
                f"settings of a refinement must be positive: {', '.join(wrong) or 'proportion'}"
            )


DEFAULT_SETTINGS = RefineSettings()


@dataclass(frozen=True)
class Refinement:
    """A lift fitted to its view."""

    joints3d: Float32
    """(T, J, 3) metres, as the lift was given: same root path, same frame of reference."""
    view_size: Float64
    """(T,) size of the view over that of the body, which was divided out. Judged once and held:
    left free, it grows with the view's jitter, which makes bones longer."""
    lengths_m: Float64
    """(J,) bone length to each joint's parent, one for the motion; left and right alike."""
    iterations: int


class _Problem(NamedTuple):
    """What the energy is made of, in the camera's frame, metres, the root at 0."""

    shown: Float64
    """(T, J, 2)"""
    weight: Float64
    """(T, J) confidence where seen, 0 elsewhere."""
    lifted: Float64
    """(T, B, 3) bone vectors of the lift."""
    parents: Int64
    children: Int64
    lengths: Float64
    """(B,) canonical, in the body's own size."""
    pair: Int64
    """(B,) which free proportion each bone has: left and right share one."""
    rounds: list[Int64]
    """Bones by number, in groups of which no two have one parent: added to in one go."""
    settings: RefineSettings


class _Unknowns(NamedTuple):
    joints: Float64
    """(T, J, 3), root at 0."""
    offset: Float64
    """(T, 2) of the root in the picture plane."""
    proportions: Float64
    """(P,) logarithms of bone lengths over the canonical ones."""


def refine(
    joints3d: AnyFloat,
    view: AnyFloat,
    seen: Bool,
    confidence: AnyFloat,
    camera: CameraFit,
    skeleton: Skeleton,
    settings: RefineSettings = DEFAULT_SETTINGS,
) -> Float32:
    """(T, J, 3) joints of `fit_to_view`."""
    fitted = fit_to_view(joints3d, view, seen, confidence, camera, skeleton, settings)
    return fitted.joints3d


def fit_to_view(
    joints3d: AnyFloat,
    view: AnyFloat,
    seen: Bool,
    confidence: AnyFloat,
    camera: CameraFit,
    skeleton: Skeleton,
    settings: RefineSettings = DEFAULT_SETTINGS,
) -> Refinement:
    """Fit a lift to the view it was made from; deterministic, bounded in time.

    Joints that were not seen follow their parents as the lift has them.

    Args:
        joints3d: (T, J, 3) metres, y up, joint 0 the root.
        view: (T, J, 2) in the view's scale, y up.
        seen: (T, J).
        confidence: (T, J) in 0..1.
        camera: Where the camera stood, as `pipeline.camera_fit.fit_camera` says.
        skeleton: The joint tree, with canonical bone lengths.
        settings: Weights and bounds.

    Raises:
        ValueError: Shapes that do not fit each other, values that are not finite, or a skeleton
            without canonical lengths.
    """
    _check(joints3d, view, seen, confidence, skeleton)
    turn = camera_rotation(camera.azimuth_deg, camera.elevation_deg)
    body = (joints3d - joints3d[:, :1]).astype(np.float64) @ turn.T
    size = view_size(joints3d, view, seen, confidence, camera)
    problem = _problem(body, view, seen, confidence, size, skeleton, settings)
    start = _Unknowns(body, np.zeros((len(body), 2)), np.zeros(problem.pair.max() + 1))
    bound = settings.max_iterations
    found = minimize(
        _energy,
        _packed(start, problem),
        args=(problem,),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": bound, "maxfun": STEPS_PER_FREE * bound, "maxcor": 12, "ftol": 1e-7},
    )
    end = _unpacked(found.x, problem)
    joints = end.joints @ turn + joints3d[:, :1]
    lengths = np.zeros(skeleton.n_joints)
    lengths[problem.children] = problem.lengths * np.exp(end.proportions)[problem.pair]
    return Refinement(joints.astype(np.float32), size, lengths, int(found.nit))


def _check(
    joints3d: AnyFloat, view: AnyFloat, seen: Bool, confidence: AnyFloat, skeleton: Skeleton
) -> None:
    frames = (len(joints3d), skeleton.n_joints)
    shapes = (joints3d.shape[:2], view.shape[:2], seen.shape, confidence.shape)
    if set(shapes) != {frames} or joints3d.shape[2:] != (3,) or view.shape[2:] != (2,):
        raise ValueError(
            f"a refinement needs joints, view, seen and confidence of the same frames and "
            f"{skeleton.n_joints} joints, got {joints3d.shape}, {view.shape}, {seen.shape} and "
            f"{confidence.shape}"
        )
    known = np.isfinite(view[seen]).all() and np.isfinite(confidence[seen]).all()
    if not (np.isfinite(joints3d).all() and known):
        raise ValueError("joints, and view and confidence where seen, must be finite to be refined")
    if skeleton.canonical_lengths is None:
        raise ValueError(f"skeleton {skeleton.name} has no canonical bone lengths to refine with")


def _problem(
    body: Float64,
    view: AnyFloat,
    seen: Bool,
    confidence: AnyFloat,
    size: Float64,
    skeleton: Skeleton,
    settings: RefineSettings,
) -> _Problem:
    bones = np.asarray(skeleton.bones)
    parents, children = bones[:, 0], bones[:, 1]
    use = seen & seen[:, :1]
    shown = np.where(use[..., None], (view - view[:, :1]) / UNITS_PER_METRE, 0.0)
    weight = np.where(use, np.clip(confidence, 0.0, 1.0), 0.0).astype(np.float64)
    # A bone's number is the smaller one of itself and its mirror image.
    both = np.minimum(children, np.asarray(skeleton.mirror_order)[children])
    pair = np.unique(both, return_inverse=True)[1]
    return _Problem(
        shown=shown.astype(np.float64) / size[:, None, None],
        weight=weight,
        lifted=body[:, children] - body[:, parents],
        parents=parents,
        children=children,
        lengths=np.asarray(skeleton.canonical_lengths, np.float64)[children],
        pair=np.asarray(pair).ravel(),
        rounds=_rounds(parents),
        settings=settings,
    )


def _rounds(parents: Int64) -> list[Int64]:
    """The numbers of bones (B,) with these parents, first ones, second ones, ... of each parent."""
    turn = np.array([(parents[:i] == parent).sum() for i, parent in enumerate(parents)])
    return [np.flatnonzero(turn == n) for n in range(turn.max() + 1)]


def _unit(problem: _Problem) -> float:
    """A step of a proportion that changes the energy about as much as a joint's step of a metre.

    Without, the search goes along narrow valleys: all frames hang on one length.
    """
    return 3.0 / float(np.sqrt(len(problem.shown)))


def _packed(at: _Unknowns, problem: _Problem) -> Float64:
    parts = [at.joints[:, 1:].ravel(), at.offset.ravel(), at.proportions / _unit(problem)]
    return np.concatenate(parts)


def _unpacked(flat: Float64, problem: _Problem) -> _Unknowns:
    frames, joints = problem.weight.shape
    a = frames * (joints - 1) * 3
    b = a + frames * 2
    moving = flat[:a].reshape(frames, joints - 1, 3)
    whole = np.concatenate([np.zeros((frames, 1, 3)), moving], axis=1)
    return _Unknowns(whole, flat[a:b].reshape(frames, 2), flat[b:] * _unit(problem))


def _energy(flat: Float64, problem: _Problem) -> tuple[float, Float64]:
    """The energy, a frame's mean, and its gradient."""
    at, s = _unpacked(flat, problem), problem.settings
    slope = np.zeros_like(at.joints)
    total, by_offset = _seen_term(at, problem, slope)
    more, by_proportions = _bone_terms(at, problem, slope)
    total += more + _smooth_term(at.joints, s.acceleration_m, slope)
    total += float((at.offset**2).sum()) / s.root_m**2
    by_offset = by_offset + 2.0 * at.offset / s.root_m**2
    parts = [slope[:, 1:].ravel(), by_offset.ravel(), by_proportions * _unit(problem)]
    return total / len(at.joints), np.concatenate(parts) / len(at.joints)


def _seen_term(at: _Unknowns, problem: _Problem, slope: Float64) -> tuple[float, Float64]:
    """Pseudo-Huber distances in the picture plane; adds to the joints' slope."""
    s = problem.settings
    off = at.joints[..., :2] + at.offset[:, None] - problem.shown
    root = np.sqrt(1.0 + (off**2).sum(axis=-1) / s.outlier_m**2)
    total = float((problem.weight * (root - 1.0)).sum()) * 2.0 * s.outlier_m**2 / s.seen_m**2
    pull = (2.0 * problem.weight / (root * s.seen_m**2))[..., None] * off
    slope[..., :2] += pull
    return total, pull.sum(axis=1)


def _bone_terms(at: _Unknowns, problem: _Problem, slope: Float64) -> tuple[float, Float64]:
    """Bones as the lift has them, of one length; adds to the joints' slope."""
    s = problem.settings
    bone = at.joints[:, problem.children] - at.joints[:, problem.parents]
    off = bone - problem.lifted
    length = np.maximum(np.linalg.norm(bone, axis=-1), 1e-6)
    wanted = problem.lengths * np.exp(at.proportions)[problem.pair]
    wrong = length - wanted
    total = float((off**2).sum()) / s.bone_m**2 + float((wrong**2).sum()) / s.length_m**2
    pull = 2.0 * off / s.bone_m**2 + (2.0 * wrong / (length * s.length_m**2))[..., None] * bone
    slope[:, problem.children] += pull  # every joint is the child of one bone at most
    for bones in problem.rounds:
        slope[:, problem.parents[bones]] -= pull[:, bones]
    by_bone = (-2.0 * wrong * wanted).sum(axis=0) / s.length_m**2
    by_pair = np.bincount(problem.pair, by_bone, minlength=len(at.proportions))
    if s.proportion == 0.0:
        return total, np.zeros_like(by_pair)
    # One person's proportions are one draw, however long the motion.
    total += float((at.proportions**2).sum()) / s.proportion**2
    return total, by_pair + 2.0 * at.proportions / s.proportion**2


def _smooth_term(joints: Float64, spread_m: float, slope: Float64) -> float:
    """Second differences; adds to the joints' slope."""
    if len(joints) < 3:
        return 0.0
    bend = joints[2:] - 2.0 * joints[1:-1] + joints[:-2]
    pull = 2.0 * bend / spread_m**2
    slope[2:] += pull
    slope[1:-1] -= 2.0 * pull
    slope[:-2] += pull
    return float((bend**2).sum()) / spread_m**2
