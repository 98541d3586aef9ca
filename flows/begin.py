"""What every ingest starts with: is there something new, and may it go into this data set?"""

from flows.ingest_plan import IngestPlan, plan_ingest
from flows.options import IngestOptions, check
from flows.recipe import recipe_for
from pipeline.video import find_videos
from storage.recipes import register_recipe
from storage.shards import known_hashes
from storage.store import create_store


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
    sources = find_videos(options.videos)
    recipe = recipe_for(options)
    store = create_store(options.out)
    plan = plan_ingest(sources, known_hashes(store, options.dataset))
    if plan.pending:
        # Here and not above: torch takes seconds to import, and most scheduled runs find nothing.
        from flows.engines import checkpoint_for  # noqa: PLC0415

        checkpoint_for(options.checkpoint, options.pose.device)
    register_recipe(store, options.dataset, recipe)
    return plan
