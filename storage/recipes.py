"""A data set has one recipe: rows of two recipes never meet under one name."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.commit import Change, commit_change
from storage.errors import RecipeMismatch, StoreError
from storage.lineage import Recipe, code_version
from storage.location import locate
from storage.rows import check_name
from storage.schemas import DATASETS
from storage.snapshot import Snapshot
from storage.store import Store, has_table
from storage.versions import RELABELLED_NOTE

SHOWN_LENGTH = 80
"""Characters of a setting's value in a message."""
SHOWN_SETTINGS = 5
"""Settings that a message names; a joint map alone has dozens."""
_NOT_SET = object()


def register_recipe(store: Store, dataset: str, recipe: Recipe) -> str:
    """Begin a data set with its recipe, or check that it was begun with the same one.

    Args:
        store: A store opened for writing.
        dataset: Name of the data set.
        recipe: What its rows will depend on.

    Returns:
        The recipe's id.

    Raises:
        RecipeMismatch: The data set was begun with another recipe.
        StoreError: The name cannot be a folder name, or the store cannot be written.
    """
    try:
        check_name("dataset", dataset)
    except ValueError as error:
        raise StoreError(str(error)) from error

    def plan(snapshot: Snapshot) -> Change | None:
        begun_with = recipe_json(snapshot, dataset)
        if begun_with is None:
            return Change(_recipe_row(dataset, recipe))
        if begun_with != recipe.json:
            raise RecipeMismatch(_difference(store, dataset, begun_with, recipe.json))
        return None

    commit_change(store, DATASETS.name, dataset, f"crossdiff/recipe/{dataset}", plan)
    return recipe.recipe_id


def replace_recipe(
    store: Store, dataset: str, recipe: Recipe, replaceable: Collection[str]
) -> None:
    """Give a data set that was labelled anew the recipe of its new labels.

    Args:
        store: A store opened for writing.
        dataset: Name of the data set.
        recipe: What its rows depend on now.
        replaceable: Ids of the recipes that may be replaced: what the caller saw.

    Raises:
        RecipeMismatch: The data set has got another recipe meanwhile.
        StoreError: The store cannot be written.
    """

    def plan(snapshot: Snapshot) -> Change | None:
        rows = snapshot.read(pc.field("dataset") == dataset).to_pylist()
        if not rows or rows[0]["recipe_id"] not in {*replaceable, recipe.recipe_id}:
            raise RecipeMismatch(
                f"dataset '{dataset}' in {store.location} was given another recipe meanwhile: "
                "look at it, and run the same command again"
            )
        if rows[0]["recipe_id"] == recipe.recipe_id:
            return None
        changed = {**rows[0], "recipe_id": recipe.recipe_id, "recipe_json": recipe.json}
        row = pa.Table.from_pylist([changed], schema=DATASETS.schema)
        return Change(row, frozenset({dataset}), {RELABELLED_NOTE: dataset})

    commit_change(store, DATASETS.name, dataset, f"crossdiff/recipe/{dataset}", plan)


def recipe_id(store: Store, dataset: str) -> str | None:
    """The id of the recipe that a data set was begun with; None when it was not begun."""
    snapshot = store.snapshot(DATASETS.name)
    rows = snapshot.read(columns=["dataset", "recipe_id"]).to_pylist()
    return next((row["recipe_id"] for row in rows if row["dataset"] == dataset), None)


def all_recipes(store: Store) -> dict[str, dict[str, Any]]:
    """The recipe of every data set that was begun, with its id as `recipe_id`."""
    columns = ["dataset", "recipe_id", "recipe_json"]
    rows = store.snapshot(DATASETS.name).read(columns=columns).to_pylist()
    return {
        row["dataset"]: {**json.loads(row["recipe_json"]), "recipe_id": row["recipe_id"]}
        for row in rows
    }


def begun_recipe(url: str, dataset: str) -> dict[str, Any] | None:
    """The recipe of a data set before anything is written; None where nobody has begun it.

    Args:
        url: Of a store, which need not be there yet.
        dataset: Name of the data set.

    Raises:
        StoreError: There is a store and it cannot be read.
    """
    location = locate(url)
    if location.is_local and not location.path.is_dir():
        return None
    if not has_table(location, DATASETS.name):
        return None
    return all_recipes(Store(location)).get(dataset)


def recipe_json(snapshot: Snapshot, dataset: str) -> str | None:
    """The recipe that a data set was begun with, as canonical JSON."""
    rows = snapshot.read(columns=["dataset", "recipe_json"]).to_pylist()
    return next((row["recipe_json"] for row in rows if row["dataset"] == dataset), None)


def _recipe_row(dataset: str, recipe: Recipe) -> pa.Table:
    row = {
        "dataset": dataset,
        "recipe_id": recipe.recipe_id,
        "recipe_json": recipe.json,
        "code_version": code_version(),
        "created_at": datetime.now(UTC),
    }
    return pa.Table.from_pylist([row], schema=DATASETS.schema)


def _difference(store: Store, dataset: str, before: str, now: str) -> str:
    found = list(_differing("", json.loads(before), json.loads(now)))
    shown = found[:SHOWN_SETTINGS]
    parts = [f"{name} was {_shown(old)} and is now {_shown(new)}" for name, old, new in shown]
    if len(found) > len(shown):
        parts.append(f"{len(found) - len(shown)} more")
    return (
        f"dataset '{dataset}' in {store.location} was made with another recipe: "
        f"{'; '.join(parts)}. {_way_out([name for name, _, _ in found])}"
    )


def _way_out(names: Sequence[str]) -> str:
    """What to do about settings that differ; constants behind an option are nobody's to give."""
    other = "choose another --dataset name or another store"
    if all(_is_constant(name) for name in names):
        return (
            "No option changes this: another version of crossdiff made it so; go on with that "
            "version, make the labels anew with `crossdiff relabel` if this is about how views "
            f"become 3D, or {other}"
        )
    return f"Give the setting that it was made with, or {other}"


def _is_constant(name: str) -> bool:
    """Whether a setting is one of the numbers behind an option, or all of an option's at once."""
    return name.startswith("config.") and (
        name.count(".") > 1 or name.endswith(("_settings", "_rules"))
    )


def _differing(name: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    """Dotted name, before and after of each setting that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old | new):
            inner = f"{name}.{key}" if name else key
            yield from _differing(inner, old.get(key, _NOT_SET), new.get(key, _NOT_SET))
    elif old != new:
        yield name, old, new


def _shown(value: object) -> str:
    text = "not set" if value is _NOT_SET else json.dumps(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 3]}..."
