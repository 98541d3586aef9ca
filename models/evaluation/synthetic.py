"""From pixels, against known 3D: ways to label rendered clips, each on the same 2D."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.checkpoint import Checkpoint
from models.evaluation.observed_files import (
    load_observed,
    observation_name,
    save_observed,
    without_camera,
)
from models.evaluation.synthetic_measures import (
    ClipMeasures,
    measure_labels,
    measure_other,
    measure_view,
)
from models.evaluation.synthetic_report import SyntheticReport, summarise
from models.evaluation.synthetic_truth import TruthClip
from models.evaluation.synthetic_variants import FAITHFUL
from models.lifting.label_config import LabelConfig
from models.lifting.labelling import label_people
from models.lifting.observing import ObservedClip, observe_clip
from pipeline.pose.protocol import PoseEstimator

OWN_3D = "the backend's own 3D"
Make = Callable[[str, str], PoseEstimator]
"""A backend's name and whom it follows (`one`, `all`) -> the estimator."""
Track = Callable[[Iterable[TruthClip], str], Iterable[TruthClip]]
Key = tuple[str, str]


@dataclass(frozen=True)
class SyntheticPlan:
    """What is compared."""

    backends: tuple[str, ...]
    variants: Mapping[str, LabelConfig]
    """By name; the faithful one is among them."""
    kept: Path | None = None
    """Folder for what was seen, so that a later comparison need not look again."""


@dataclass
class _Found:
    labels: dict[Key, dict[str, ClipMeasures]] = field(default_factory=dict)
    views: dict[Key, dict[str, Mapping[str, float]]] = field(default_factory=dict)


def evaluate_synthetic(
    clips: Sequence[TruthClip],
    checkpoint: Checkpoint,
    plan: SyntheticPlan,
    make: Make,
    track: Track,
) -> SyntheticReport:
    """Label every clip in every way and hold all against the truth.

    One 2D pass serves all variants that follow the same people in the same shots; it watches the
    camera when any of them asks for it, which changes nothing of what is seen.

    Args:
        clips: With their truth.
        checkpoint: Lifting network.
        plan: What is compared.
        make: Builds a pose backend.
        track: Shows progress.

    Raises:
        PoseSetupError: A backend cannot be built.
        ValueError: The folder of what was seen cannot be written.
    """
    found = _Found()
    for backend in plan.backends:
        for looked, names in _passes(plan).items():
            estimator = make(backend, looked[0])
            title = f"{backend}, {looked[0]}: {', '.join(names)}"
            for clip in track(clips, title):
                seen = look(clip, estimator, plan, names)
                _measure(found, clip, seen, checkpoint, backend, names, plan)
    order = [(b, m) for b in plan.backends for m in (*plan.variants, OWN_3D)]
    labels = {key: found.labels[key] for key in order}
    return summarise(clips, labels, found.views, FAITHFUL)


def _passes(plan: SyntheticPlan) -> dict[tuple[str, bool], list[str]]:
    """Variants by whom they follow and whether they cut into shots."""
    out: dict[tuple[str, bool], list[str]] = {}
    for name, config in plan.variants.items():
        out.setdefault((config.people, config.shots), []).append(name)
    return out


def look(
    clip: TruthClip, estimator: PoseEstimator, plan: SyntheticPlan, names: Sequence[str]
) -> ObservedClip:
    """A clip's 2D for some variants that follow the same people; from its file where it is kept."""
    configs = [plan.variants[name] for name in names]
    config = replace(configs[0], camera=any(each.camera for each in configs))
    if plan.kept is None:
        return observe_clip(clip.video, estimator, config)
    asked = {
        "estimator": estimator.estimator_id,
        "people": config.people,
        "shots": config.shots,
        "camera": config.camera,
        "min_person_score": config.min_person_score,
    }
    path = plan.kept / observation_name(clip.video, asked)
    seen = load_observed(path)
    if seen is None:
        seen = observe_clip(clip.video, estimator, config)
        save_observed(seen, path)
    return seen


def _measure(
    found: _Found,
    clip: TruthClip,
    seen: ObservedClip,
    checkpoint: Checkpoint,
    backend: str,
    names: Sequence[str],
    plan: SyntheticPlan,
) -> None:
    people = plan.variants[names[0]].people
    found.views.setdefault((backend, people), {}).setdefault(clip.name, measure_view(clip, seen))
    if FAITHFUL in names:
        other = measure_other(clip, seen)
        found.labels.setdefault((backend, OWN_3D), {})[clip.name] = other
    for name in names:
        config = plan.variants[name]
        shown = seen if config.camera else _camera_not_watched(seen)
        result = label_people(shown, checkpoint, config)
        measured = measure_labels(clip, result, seen)
        found.labels.setdefault((backend, name), {})[clip.name] = measured


def _camera_not_watched(seen: ObservedClip) -> ObservedClip:
    return replace(seen, people=without_camera(seen.people))
