"""What every ingest starts with: is there something new, and may it go into this data set?"""

from dataclasses import replace

from flows.ingest_plan import IngestPlan, plan_ingest
from flows.options import IngestOptions, check
from flows.progress import say
from flows.recipe import recipe_for
from pipeline.skeleton_files import is_skeleton_file
from pipeline.video import find_videos
from pipeline.video.hash_cache import user_hash_cache
from storage.bucket_videos import is_bucket
from storage.patience import patiently
from storage.recipes import register_recipe
from storage.shards import known_hashes
from storage.store import Store, create_store


def begin(options: IngestOptions) -> IngestPlan:
    """List what is new; open or make the store and hold the data set to its recipe.

    Models are loaded only when there is work for them, and before the data set is bound to them:
    a broken checkpoint leaves no recipe behind, only the store that was asked what it holds.

    Raises:
        ValueError: Nothing to ingest, or a wrong option.
        StoreError: The store cannot be used, or the data set has another recipe.
        CheckpointError: The checkpoint cannot be used.
        PoseSetupError: The estimator cannot be used.
    """
    check(options)
    skeletons = is_skeleton_file(options.videos)
    sources = None if skeletons or is_bucket(options.videos) else find_videos(options.videos)
    recipe = recipe_for(options)
    store, known = patiently(lambda: _open(options), say)
    cache = user_hash_cache()
    if skeletons:
        # Here and not above: a run on videos needs nothing of it.
        from flows.ingest_skeletons import plan_skeletons  # noqa: PLC0415

        plan = plan_skeletons(options, known)
    elif sources is None:
        # Here and not above: a folder needs no client of an object store.
        from flows.bucket_plan import plan_bucket  # noqa: PLC0415

        plan = plan_bucket(options, known, cache)
    else:
        plan = plan_ingest(sources, known, cache, options.settle_s)
    if plan.pending and not options.label.only_2d:
        # Here and not above: torch takes seconds to import, and most scheduled runs find nothing.
        from flows.engines import checkpoint_for  # noqa: PLC0415
        from flows.label_warnings import label_warnings  # noqa: PLC0415

        checkpoint_for(options.checkpoint, options.pose.device)
        plan = replace(plan, warnings=(*plan.warnings, *label_warnings(options)))
    patiently(lambda: register_recipe(store, options.dataset, recipe), say)
    return plan


def _open(options: IngestOptions) -> tuple[Store, frozenset[str]]:
    store = create_store(options.out)
    return store, known_hashes(store, options.dataset)
