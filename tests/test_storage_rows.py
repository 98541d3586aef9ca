"""Rows to Arrow and back, and the checks that a row must pass."""

from dataclasses import fields, replace

import numpy as np
import pytest
import storage_shards as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.arrow_rows import from_arrow, same_content, to_arrow
from storage.lineage import Recipe, canonical_json, code_commit, code_version, make_lineage
from storage.rows import MotionRow, ShardRows, TrackRow, VideoRow
from storage.schemas import MOTIONS, TABLES, TRACKS, VIDEOS


def assert_rows_equal(a: object, b: object) -> None:
    for field in fields(a):  # type: ignore[arg-type]
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, field.name
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            # Scalars are stored as float32.
            is_float = isinstance(left, float)
            assert left == (pytest.approx(right, rel=1e-6) if is_float else right), field.name


@pytest.mark.parametrize(
    ("rows", "row_type"),
    [
        ([samples.video_row(n) for n in (1, 4)], VideoRow),
        ([samples.track_row(1, k) for k in range(2)], TrackRow),
        ([samples.motion_row(n) for n in (1, 2)], MotionRow),
    ],
)
def test_rows_come_back_as_they_went_in(rows: list, row_type: type) -> None:
    spec = row_type.spec
    back = from_arrow(to_arrow(rows, spec), row_type)
    assert len(back) == len(rows)
    by_key = {tuple(getattr(row, name, None) for name in spec.key): row for row in rows}
    for row in back:
        assert_rows_equal(row, by_key[tuple(getattr(row, name, None) for name in spec.key)])


def test_a_motion_without_3d_comes_back_without_3d() -> None:
    row = replace(samples.motion_row(1), joints3d=None, features3d=None)
    back = from_arrow(to_arrow([row], MOTIONS), MotionRow)[0]
    assert back.joints3d is None
    assert back.features3d is None
    assert back.view2d.shape == row.view2d.shape


@settings(max_examples=25, deadline=None)
@given(t=st.integers(1, 40), j=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_any_float_bits_survive(t: int, j: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Any bit pattern at all: NaN payloads, infinities, subnormals, negative zero.
    joints = rng.integers(0, 2**32, (t, j, 2), dtype=np.uint32).view(np.float32)
    row = replace(
        samples.track_row(1, 0),
        joints=joints,
        confidence=np.zeros((t, j), np.float32),
        times=np.arange(t, dtype=np.float64),
        world_joints=None,
    )
    back = from_arrow(to_arrow([row], TRACKS), TrackRow)[0]
    np.testing.assert_array_equal(back.joints.view(np.uint32), joints.view(np.uint32))


def test_same_content_sees_one_bit_and_ignores_times() -> None:
    row = samples.track_row(1, 0)
    later = replace(row, lineage=replace(row.lineage, code_version="9.9"), shard_id="other")
    assert same_content(to_arrow([row], TRACKS), to_arrow([later], TRACKS), TRACKS)
    joints = row.joints.copy()
    joints[0, 0, 0] = np.nextafter(joints[0, 0, 0], np.float32(np.inf))
    moved = replace(row, joints=joints)
    assert not same_content(to_arrow([row], TRACKS), to_arrow([moved], TRACKS), TRACKS)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"view2d": np.zeros((3, 22, 2), np.float32)}, "view2d"),
        ({"features2d": np.zeros((1, 134), np.float32)}, "features2d"),
        ({"features3d": None}, "2D only"),
        ({"feature_mask2d": np.zeros((2, 134), np.bool_)}, "feature_mask2d"),
        ({"source_kind": "guess"}, "source_kind"),
        ({"video_hash": None}, "video_hash"),
    ],
)
def test_a_motion_that_does_not_fit_is_refused(change: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(samples.motion_row(1), **change)


@pytest.mark.parametrize(
    "change",
    [{"status": "maybe"}, {"reason": "no_person"}, {"status": "failed", "reason": None}],
)
def test_a_video_whose_status_and_reason_disagree_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="status"):
        replace(samples.video_row(1), **change)


def test_a_shard_must_be_whole() -> None:
    whole = samples.shard([1, 2])
    with pytest.raises(ValueError, match="without its row in videos"):
        replace(whole, videos=whole.videos[:1])
    with pytest.raises(ValueError, match="says 1 motions"):
        replace(whole, motions=whole.motions[:1])
    with pytest.raises(ValueError, match="dataset"):
        replace(whole, dataset="another")
    with pytest.raises(ValueError, match="recipe"):
        replace(whole, recipe_id="another")
    with pytest.raises(ValueError, match="letter or digit"):
        ShardRows(dataset="../up", shard_id="a", recipe_id="b")


def test_two_rows_with_one_key_are_refused() -> None:
    row = samples.video_row(1)
    with pytest.raises(ValueError, match="two rows with the key"):
        to_arrow([row, replace(row, path="/elsewhere")], VIDEOS)


def test_every_column_says_what_it_means() -> None:
    for spec in TABLES.values():
        assert spec.doc
        for field in spec.schema:
            assert (field.metadata or {}).get(b"comment"), f"{spec.name}.{field.name}"


def test_listings_read_no_arrays() -> None:
    assert "joints3d" not in MOTIONS.light_columns
    assert "times" not in TRACKS.light_columns
    assert "captions" in MOTIONS.light_columns


def test_lineage_says_code_config_and_recipe() -> None:
    recipe = Recipe("rtmpose-m", None, {"b": 1, "a": {"c": 2}})
    same = Recipe("rtmpose-m", None, {"a": {"c": 2}, "b": 1})
    assert recipe.recipe_id == same.recipe_id
    assert recipe.recipe_id != Recipe("rtmpose-s", None, recipe.config).recipe_id
    made = make_lineage(recipe, {"workers": 2})
    assert made.config_json == '{"workers":2}'
    assert made.code_version == code_version() != ""
    assert made.created_at.tzinfo is not None
    commit = code_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})
