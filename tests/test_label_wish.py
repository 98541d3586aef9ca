"""What is not said of labels: a new data set is `wild`, one that has begun goes on as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import storage_shards as samples

from flows.begin import begin
from flows.label_choice import with_labels
from flows.options import IngestOptions, PoseOptions
from flows.plan import PlanOptions, run_plan
from flows.recipe import recipe_for
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import LabelConfig, preset_config
from models.lifting.label_wish import LabelWish, beyond_the_lift, label_words
from storage.errors import RecipeMismatch
from storage.lineage import MOTION_CAPTURE, Recipe
from storage.recipes import begun_recipe, register_recipe, replace_recipe
from storage.shards import commit_shard
from storage.store import create_store

PAPER, WILD = (preset_config(name, {}) for name in ("paper", "wild"))


def options_for(out: Path, videos: str = "films", **more: Any) -> IngestOptions:
    return IngestOptions(videos, "d", str(out), SHIPPED, **more)


def begun(out: Path, label: LabelConfig) -> IngestOptions:
    """A data set that was begun with some labels; the options that began it."""
    options = options_for(out, label=label)
    register_recipe(create_store(out), "d", recipe_for(options))
    return options


def test_nothing_said_of_a_new_data_set_is_wild_and_of_an_old_one_its_own(tmp_path: Path) -> None:
    nothing = LabelWish(None, {"people": "preset", "camera": "preset", "one_euro": None})
    new = with_labels(options_for(tmp_path / "none"), nothing)
    assert (new.label, new.continues) == (WILD, False)
    assert not (tmp_path / "none").exists(), "asking makes no store"
    assert options_for(tmp_path).label == WILD
    for number, old in enumerate(
        (PAPER, replace(PAPER, one_euro=True), replace(WILD, people="all", score=False),
         LabelConfig(only_2d=True, camera=True))
    ):  # fmt: skip
        first = begun(tmp_path / str(number), old)
        again = with_labels(options_for(tmp_path / str(number)), nothing)
        assert (again.label, again.continues) == (old, True)
        assert recipe_for(again) == recipe_for(first)


def test_everybody_is_found_by_what_found_them_before(tmp_path: Path) -> None:
    everybody = replace(PAPER, people="all")
    for found_by in (None, "blazepose", "movenet"):
        store, pose = tmp_path / str(found_by), PoseOptions(people_detector=found_by)
        first = options_for(store, label=everybody, pose=pose)
        register_recipe(create_store(store), "d", recipe_for(first))
        assert recipe_for(with_labels(options_for(store), LabelWish())) == recipe_for(first)
    old = options_for(tmp_path / "blazepose", pose=PoseOptions(people_detector="movenet"))
    assert recipe_for(with_labels(old, LabelWish())).estimator_id.startswith("mediapipe")
    assert with_labels(old, LabelWish()).pose.people_detector == "movenet", "what is said is heard"


def test_constants_of_another_version_are_told_from_settings(tmp_path: Path) -> None:
    older = recipe_for(options_for(tmp_path, label=WILD))
    constants = {**older.config, "camera_settings": {"side_px": 1}}
    store = create_store(tmp_path / "store")
    register_recipe(store, "d", replace(older, config=constants))
    with pytest.raises(RecipeMismatch, match="No option changes this: another version"):
        register_recipe(store, "d", older)
    with pytest.raises(RecipeMismatch, match="Give the setting that it was made with"):
        register_recipe(store, "d", recipe_for(options_for(tmp_path, label=PAPER)))


def test_a_recipe_from_before_an_options_constants_is_sent_to_relabel(tmp_path: Path) -> None:
    """Such an option was on all along: telling its user to give the setting would be no help."""
    newer = recipe_for(options_for(tmp_path, label=WILD))
    assert newer.config["second_opinion_settings"] == {"trunk_weight": 0.5, "limb_weight": 0.3}
    before = {n: v for n, v in newer.config.items() if n != "second_opinion_settings"}
    store = create_store(tmp_path / "store")
    register_recipe(store, "d", replace(newer, config=before))
    with pytest.raises(RecipeMismatch, match="anew with `crossdiff relabel` if this is about how"):
        register_recipe(store, "d", newer)


@pytest.mark.parametrize(
    ("old", "wish", "said"),
    [
        (PAPER, LabelWish("wild"), "config.camera was not set and is now true"),
        (WILD, LabelWish("paper"), "config.camera was true and is now not set"),
        (WILD, LabelWish(None, {"camera": "off"}), "config.camera was true and is now not set"),
        (PAPER, LabelWish(None, {"one_euro": True}), "one_euro was false and is now true"),
        (WILD, LabelWish(None, {"only_2d": True}), "only_2d was not set and is now true"),
        (LabelConfig(only_2d=True), LabelWish(None, {"refine": "on"}), "only_2d was true"),
        (LabelConfig(only_2d=True), LabelWish(None, {"only_2d": False}), "only_2d was true"),
    ],
)
def test_what_contradicts_a_data_set_is_refused_by_name(
    tmp_path: Path, old: LabelConfig, wish: LabelWish, said: str
) -> None:
    begun(tmp_path / "store", old)
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.avi").write_bytes(b"no video")
    options = options_for(tmp_path / "store", str(tmp_path / "films"))
    with pytest.raises(RecipeMismatch, match=said):
        begin(with_labels(options, wish))


def test_what_was_said_and_agrees_goes_on(tmp_path: Path) -> None:
    first = begun(tmp_path / "store", replace(PAPER, camera=True, shots=True))
    said = LabelWish(None, {"camera": "on", "shots": "on", "refine": "preset"})
    again = with_labels(options_for(tmp_path / "store"), said)
    assert again.label == first.label


def test_the_default_leaves_out_what_the_input_cannot_have(tmp_path: Path) -> None:
    file = tmp_path / "ucf101_2d.pkl"
    file.write_bytes(b"")
    bare = with_labels(options_for(tmp_path / "s", str(file)), LabelWish()).label
    assert not (bare.shots or bare.camera or bare.second_opinion) and bare.refine and bare.guesses
    asked = LabelWish(None, {"camera": "on"})
    assert with_labels(options_for(tmp_path / "s", str(file)), asked).label.camera
    assert with_labels(options_for(tmp_path / "s", str(file)), LabelWish("wild")).label == WILD
    other = options_for(tmp_path / "s", pose=PoseOptions(backend="mmpose"))
    assert with_labels(other, LabelWish()).label == replace(
        WILD, second_opinion=False, body_joints=False
    )


def test_settings_of_another_version_are_refused_and_motion_capture_is_left(tmp_path: Path) -> None:
    store = create_store(tmp_path / "store")
    register_recipe(store, "d", Recipe("m", None, {**WILD.settings(), "jump": True}))
    with pytest.raises(ValueError, match=r"does not know: jump; use the version that made it"):
        with_labels(options_for(tmp_path / "store"), LabelWish())
    register_recipe(store, "cmu", Recipe(MOTION_CAPTURE, None, {"split": "by subject"}))
    mocap = replace(options_for(tmp_path / "store"), dataset="cmu")
    assert with_labels(mocap, LabelWish()).label == WILD  # and refused by name, as ever
    assert begun_recipe(str(tmp_path / "store"), "nobody") is None


def test_labels_in_words() -> None:
    assert [label_words(each) for each in (PAPER, WILD)] == ["paper", "wild"]
    assert label_words(replace(WILD, score=False, people="all")) == "wild, people all, score off"
    assert label_words(replace(PAPER, camera=True)) == "paper, camera on"
    assert label_words(LabelConfig(only_2d=True)) == "paper, 2D only"
    assert label_words(preset_config("wild", {"only_2d": True})) == "wild, 2D only"
    assert beyond_the_lift(PAPER.settings()) == []
    assert beyond_the_lift(preset_config("paper", {"score": "on", "camera": "on"}).settings()) == []
    assert "ensemble many" in beyond_the_lift(WILD.settings())


def test_a_plan_rests_on_videos_that_were_labelled_in_one_way(tmp_path: Path) -> None:
    store = create_store(tmp_path / "store")
    for name, label in (("a", PAPER), ("b", WILD)):
        register_recipe(store, name, samples.RECIPE)
        commit_shard(store, samples.shard(range(3), dataset=name))
        labelled = Recipe("e", "c", label.settings())
        replace_recipe(store, name, labelled, {samples.RECIPE.recipe_id})
    with pytest.raises(ValueError, match=r"\(a: paper; b: wild\): choose one data set"):
        run_plan(PlanOptions(str(tmp_path / "store"), 10, workers=1))
    data, lines = run_plan(PlanOptions(str(tmp_path / "store"), 10, "b", workers=1))
    assert data["labels"] == "wild" and "labels as measured: wild" in lines
