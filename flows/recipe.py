"""Which estimator and checkpoint an ingest means: named from their files, without loading them."""

from dataclasses import asdict
from functools import lru_cache

from flows.options import IngestOptions, PoseOptions
from models.checkpoint_id import checkpoint_id
from pipeline.pose import PoseEstimator, PoseSetupError, make_estimator
from storage.lineage import Recipe


@lru_cache(maxsize=2)
def estimator_for(pose: PoseOptions) -> PoseEstimator:
    """The 2D estimator of these options."""
    if pose.backend == "mmpose":
        return make_estimator("mmpose", mmpose=pose.mmpose())
    given = {k for k, v in asdict(pose).items() if v is not None} - {"backend", "device"}
    if given:
        names = ", ".join(sorted(f"--pose-{name.replace('_', '-')}" for name in given))
        raise PoseSetupError(f"{names} belong to --pose mmpose; the packaged estimator takes none")
    return make_estimator("packaged")


def recipe_for(options: IngestOptions) -> Recipe:
    """What the data set's rows will depend on."""
    return Recipe(
        estimator_id=estimator_for(options.pose).estimator_id,
        checkpoint_id=checkpoint_id(options.checkpoint),
        config=asdict(options.label),
    )
