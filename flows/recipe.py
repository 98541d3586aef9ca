"""Which estimator and checkpoint an ingest means: named from their files, without loading them."""

from functools import lru_cache

from flows.options import IngestOptions, PoseOptions
from models.checkpoint_id import checkpoint_id
from pipeline.pose import PoseEstimator, PoseSetupError, make_estimator
from storage.lineage import Recipe

MMPOSE_OPTIONS = {
    "config": "--pose-config",
    "checkpoint": "--pose-checkpoint",
    "detector_config": "--detector-config",
    "detector_checkpoint": "--detector-checkpoint",
}
"""What only mmpose takes: field of `PoseOptions` -> option of the command line."""


@lru_cache(maxsize=2)
def estimator_for(pose: PoseOptions) -> PoseEstimator:
    """The 2D estimator of these options.

    Raises:
        PoseSetupError: The estimator lacks something, or takes no such option.
    """
    if pose.backend == "mmpose":
        return make_estimator("mmpose", mmpose=pose.mmpose())
    given = [option for name, option in MMPOSE_OPTIONS.items() if getattr(pose, name) is not None]
    if given:
        names = " and ".join(given)
        raise PoseSetupError(f"{names}: for --pose mmpose only; the packaged estimator takes none")
    return make_estimator("packaged")


def recipe_for(options: IngestOptions) -> Recipe:
    """What the data set's rows will depend on."""
    label = options.label
    return Recipe(
        estimator_id=estimator_for(options.pose).estimator_id,
        checkpoint_id=None if label.only_2d else checkpoint_id(options.checkpoint),
        config=label.settings(),
    )
