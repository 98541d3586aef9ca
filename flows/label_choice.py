"""Which labels an ingest makes: those of the data set where it has begun, else what was asked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flows.options import IngestOptions
from flows.progress import say
from flows.recipe import estimator_for
from models.lifting.label_wish import NEEDS_PACKAGED, NEEDS_PICTURES, LabelWish
from pipeline.skeleton_files import is_skeleton_file
from storage.lineage import MOTION_CAPTURE
from storage.patience import patiently
from storage.recipes import begun_recipe


def with_labels(options: IngestOptions, wish: LabelWish) -> IngestOptions:
    """The options with the labels that are meant.

    A wish that contradicts the data set is left as it is: `register_recipe` refuses it by name.

    Raises:
        ValueError: Options that contradict each other, or a data set labelled with settings that
            this version does not know.
        StoreError: There is a store and it cannot be read.
    """
    begun = patiently(lambda: begun_recipe(options.out, options.dataset), say)
    if begun is None or begun["estimator_id"] == MOTION_CAPTURE:
        return replace(options, label=wish.for_new(_impossible(options)))
    label = wish.for_begun(begun["config"])
    made = replace(options, label=label, continues=wish.preset is None)
    return made if is_skeleton_file(options.videos) else _found_as_before(made, begun)


def _found_as_before(options: IngestOptions, begun: Mapping[str, Any]) -> IngestOptions:
    """Everybody found by what found them in the data set, where nobody chose."""
    pose = options.pose
    chosen = pose.backend != "packaged" or pose.people_detector is not None
    if chosen or options.label.people != "all":
        return options
    older = replace(pose, people_detector="blazepose")
    same = estimator_for(older, "all").estimator_id == begun["estimator_id"]
    return replace(options, pose=older) if same else options


def _impossible(options: IngestOptions) -> tuple[str, ...]:
    if is_skeleton_file(options.videos):
        return NEEDS_PICTURES
    return NEEDS_PACKAGED if options.pose.backend == "mmpose" else ()
