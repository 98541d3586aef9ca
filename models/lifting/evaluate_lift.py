"""The lift's error on motions with known 3D, beside its baselines: clean, noisy and masked 2D."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.data.training_data import features_of
from models.lifting.baselines import (
    BODY,
    WORLD,
    LinearRegressor,
    MeanPose,
    body_frame_pose,
    fit_linear,
    pose_targets,
)
from models.lifting.hidden_parts import Occlusion
from models.lifting.lift import LiftedMotion, lift
from models.lifting.lift_observation import (
    CleanView,
    Condition,
    Observation,
    observe,
    true_motion,
)
from models.lifting.lift_report import (
    CLEAN,
    CROSSDIFF,
    LINEAR,
    MEAN_POSE,
    NO_ACTION,
    Cell,
    Count,
    LiftReport,
    MethodReport,
    method_report,
)
from models.lifting.lift_tally import Errors, Prediction, Tally, best_shape, errors, tally
from models.lifting.noisy_view import NoiseLevel
from pipeline.arrays import Bool, Float32, Float64
from pipeline.skeletons import Skeleton

FOUR_VIEWS = (0.0, 90.0, 180.0, 270.0)
"""Azimuths of front, left, back and right, degrees."""
NOISE, CLEANED, MASKED = "noise", "noise_cleaned", "masked"
FULL_TURN_DEG = 360.0
MIN_FRAMES = 3
"""Of a motion: the lift gives one frame fewer, and a velocity needs two."""

Lift = Callable[[Checkpoint, Float32, Bool | None], LiftedMotion]
Method = Callable[[Observation], Prediction]
Track = Callable[[Iterable[Motion], str], Iterable[Motion]]
"""Passes motions on and shows how far they are; the text says what is being done."""


def _pass_on(motions: Iterable[Motion], _what: str) -> Iterable[Motion]:
    return motions


def azimuth_sweep(step_deg: float) -> tuple[float, ...]:
    """Azimuths 0, step, 2 step, ... below a full turn.

    Raises:
        ValueError: The step is not positive, or too small or large for a sweep.
    """
    if not 1.0 <= step_deg <= FULL_TURN_DEG / 2:
        raise ValueError(f"azimuths must be 1 to 180 degrees apart, got {step_deg:g}")
    return tuple(float(a) for a in np.arange(0.0, FULL_TURN_DEG, step_deg))


@dataclass(frozen=True)
class LiftPlan:
    """What is measured besides clean 2D in the four views."""

    views: tuple[float, ...] = FOUR_VIEWS
    """Azimuths, degrees, of the overall figures; the baselines are fitted on them."""
    sweep: tuple[float, ...] = ()
    """More azimuths, degrees, each with figures of its own."""
    noise: NoiseLevel | None = None
    clean: CleanView | None = None
    """With noise: also measure after this has been done to the noisy view."""
    occlusion: Occlusion | None = None
    """Also measure clean 2D of which a body part is hidden."""
    lifts: Mapping[str, Lift] | None = None
    """Ways to lift with the checkpoint, by name; None: `lift` alone, as `crossdiff`."""

    @property
    def azimuths(self) -> tuple[float, ...]:
        """All azimuths, each once."""
        return tuple(dict.fromkeys((*self.views, *self.sweep)))

    @property
    def conditions(self) -> list[Condition]:
        """Clean first."""
        out = [Condition(CLEAN)]
        if self.noise is not None:
            out.append(Condition(NOISE, self.noise))
            if self.clean is not None:
                out.append(Condition(CLEANED, self.noise, self.clean))
        if self.occlusion is not None:
            out.append(Condition(MASKED, occlusion=self.occlusion))
        return out


def evaluate_lift(
    checkpoint: Checkpoint,
    motions: Sequence[Motion],
    train_motions: Sequence[Motion],
    plan: LiftPlan | None = None,
    track: Track = _pass_on,
) -> LiftReport:
    """Lift projected views of known motions and measure the error.

    The baselines are fitted on all of the plan's views together: like the network, they are not
    told the view. Under noise they are fitted anew, on training views with the same noise.

    Args:
        checkpoint: The network.
        motions: The split to measure on, canonical joints.
        train_motions: What the baselines are fitted to.
        plan: Views, noise, variants of the lift.
        track: Shows progress.

    Raises:
        ValueError: No motion in one of the two, or no view.
    """
    plan = plan or LiftPlan()
    if not motions or not plan.views:
        raise ValueError("no motion to measure the lift on")
    _refuse_unusable(motions)
    _refuse_unusable(train_motions)
    skeleton = checkpoint.skeleton
    lifts = {name: _lifter(checkpoint, f) for name, f in (plan.lifts or {CROSSDIFF: _lift}).items()}
    conditions: dict[str, Mapping[str, MethodReport]] = {}
    by_motion: dict[str, Errors] = {}
    clean: LinearRegressor | None = None
    for condition in plan.conditions:
        # Where joints are missing, the linear model sees the clean training mean in their place.
        linear = _fit(train_motions, plan.views, skeleton, condition, clean, track)
        clean = clean or linear
        baselines = {MEAN_POSE: _baseline(linear.mean_pose), LINEAR: _baseline(linear)}
        shown = track(motions, f"lift, {condition.name}")
        found = _measure(shown, {**lifts, **baselines}, plan, skeleton, condition)
        by_motion = by_motion or found.by_motion
        conditions[condition.name] = {
            name: method_report(
                c, list(found.motions[name].values()), plan.views, _swept(name, plan), skeleton
            )
            for name, c in found.cells.items()
        }
    return LiftReport(
        motions=len(motions),
        frames=sum(len(m.joints) - 1 for m in motions),
        views_deg=plan.views,
        actions=_actions(motions),
        conditions=conditions,
        noise=plan.noise,
        occlusion=plan.occlusion,
        by_motion=by_motion,
    )


def _refuse_unusable(motions: Sequence[Motion]) -> None:
    """One broken motion would make every mean NaN, or silently not count."""
    for motion in motions:
        if len(motion.joints) < MIN_FRAMES or not np.isfinite(motion.joints).all():
            raise ValueError(
                f"motion {motion.motion_id} has under {MIN_FRAMES} frames or holds NaN: remove it, "
                "or prepare the data set again"
            )


def _lift(checkpoint: Checkpoint, features: Float32, mask: Bool | None) -> LiftedMotion:
    return lift(checkpoint, features, mask)


def _lifter(checkpoint: Checkpoint, way: Lift) -> Method:
    skeleton = checkpoint.skeleton

    def predict(seen: Observation) -> Prediction:
        lifted = way(checkpoint, seen.features, seen.mask)
        world = lifted.joints.astype(np.float64) * skeleton.metres_per_unit
        return Prediction(world, body_frame_pose(lifted.features, skeleton), (world,))

    return predict


def _baseline(model: MeanPose | LinearRegressor) -> Method:
    def predict(seen: Observation) -> Prediction:
        out = model.predict(seen.features, seen.mask)
        return Prediction(out[:, WORLD], out[:, BODY], tuple(out.swapaxes(0, 1)))

    return predict


def _fit(
    motions: Sequence[Motion],
    views: Sequence[float],
    skeleton: Skeleton,
    condition: Condition,
    clean: LinearRegressor | None,
    track: Track,
) -> LinearRegressor:
    """The linear baseline in a condition; the mean pose is in it."""

    def pairs() -> Iterator[tuple[Float32, Float64]]:
        for motion in track(motions, f"fit baselines, {condition.name}"):
            rows = features_of(motion, skeleton)
            for view in views:
                seen = observe(motion, view, skeleton, condition)
                features = clean.filled(seen.features, seen.mask) if clean else seen.features
                yield features, pose_targets(rows, view, skeleton)

    return fit_linear(pairs(), skeleton)


@dataclass(frozen=True)
class _Measured:
    """Sums of errors of one condition."""

    cells: dict[str, dict[Cell, tuple[int, Tally]]]
    """By method; with each sum how many views of a motion are in it."""
    motions: dict[str, dict[str, Tally]]
    """By method and motion id, over the views."""

    @property
    def by_motion(self) -> dict[str, Errors]:
        """Of the first method; each motion in the frame of reference that suits it best."""
        first = next(iter(self.motions.values()))
        return {name: errors(whole, best_shape(whole)) for name, whole in first.items()}


def _measure(
    motions: Iterable[Motion],
    methods: Mapping[str, Method],
    plan: LiftPlan,
    skeleton: Skeleton,
    condition: Condition,
) -> _Measured:
    """Sums of errors of every method, by azimuth, action and hidden part."""
    cells: dict[str, dict[Cell, tuple[int, Tally]]] = {name: {} for name in methods}
    whole: dict[str, dict[str, Tally]] = {name: {} for name in methods}
    for motion in motions:
        truth = true_motion(motion, skeleton)
        for azimuth in plan.azimuths:
            seen = observe(motion, azimuth, skeleton, condition)
            cell = Cell(azimuth, motion.action or NO_ACTION, seen.hidden)
            for name, method in methods.items():
                if azimuth not in (*plan.views, *_swept(name, plan)):
                    continue
                part = tally(method(seen), truth, skeleton.fps, seen.seen)
                count, before = cells[name].get(cell, (0, None))
                cells[name][cell] = (count + 1, part if before is None else before + part)
                if azimuth in plan.views:
                    views = whole[name].get(motion.motion_id)
                    whole[name][motion.motion_id] = part if views is None else views + part
    return _Measured(cells, whole)


def _swept(method: str, plan: LiftPlan) -> tuple[float, ...]:
    """The mean pose is the same from everywhere: no sweep for it."""
    return () if method == MEAN_POSE else plan.sweep


def _actions(motions: Sequence[Motion]) -> dict[str, Count]:
    out: dict[str, Count] = {}
    for motion in motions:
        name = motion.action or NO_ACTION
        before = out.get(name, Count(0, 0))
        frames = before.frames + len(motion.joints) - 1
        out[name] = replace(before, motions=before.motions + 1, frames=frames)
    return dict(sorted(out.items()))
