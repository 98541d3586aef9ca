"""Which estimator and checkpoint an ingest means: named from their files, without loading them."""

from functools import lru_cache

from flows.options import IngestOptions, PoseOptions
from models.checkpoint_id import checkpoint_id
from models.lifting.label_config import People
from pipeline.pose import PeopleSettings, PoseEstimator, PoseSetupError, make_estimator
from pipeline.skeleton_files import is_skeleton_file
from storage.lineage import Recipe

MMPOSE_OPTIONS = {
    "config": "--pose-config",
    "checkpoint": "--pose-checkpoint",
    "detector_config": "--detector-config",
    "detector_checkpoint": "--detector-checkpoint",
}
"""What only mmpose takes: field of `PoseOptions` -> option of the command line."""
SKELETON_ESTIMATOR = "skeleton-file-coco17"
"""Stands for whoever made the 2D of a skeleton file, which it does not say."""


@lru_cache(maxsize=2)
def estimator_for(pose: PoseOptions, people: People = "one") -> PoseEstimator:
    """The 2D estimator of these options.

    Raises:
        PoseSetupError: The estimator lacks something, or takes no such option.
    """
    if pose.backend == "mmpose" and pose.people_detector is not None:
        raise PoseSetupError(
            "--people-detector is the packaged estimator's: leave --pose mmpose out"
        )
    if pose.backend == "mmpose":
        return make_estimator("mmpose", mmpose=pose.mmpose())
    given = [option for name, option in MMPOSE_OPTIONS.items() if getattr(pose, name) is not None]
    if given:
        names = " and ".join(given)
        raise PoseSetupError(f"{names}: for --pose mmpose only; the packaged estimator takes none")
    if pose.people_detector is not None and people == "one":
        raise PoseSetupError("--people-detector goes with --people all: one person needs none")
    everybody = PeopleSettings(detector=pose.people_detector or "movenet")
    return make_estimator("packaged", people=people, everybody=everybody)


def recipe_for(options: IngestOptions) -> Recipe:
    """What the data set's rows will depend on."""
    label, settings = options.label, options.label.settings()
    if is_skeleton_file(options.videos):
        estimator, settings = SKELETON_ESTIMATOR, {**settings, "skeleton_fps": options.skeleton_fps}
    else:
        estimator = estimator_for(options.pose, label.people).estimator_id
    return Recipe(
        estimator_id=estimator,
        checkpoint_id=None if label.only_2d else checkpoint_id(options.checkpoint),
        config=settings,
    )
