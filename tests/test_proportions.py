"""Other bodies in the 2D input: poses and targets stay, sizes and rules are ingestion's own."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions

from flows.train_options import TrainOptions, check, configure
from models.batches.augment import CameraAugmentation, make_batch
from models.batches.detector_noise import DetectorNoise
from models.batches.proportions import (
    BODIES,
    DETECTED,
    SAME_BODY,
    Proportions,
    judged_size,
    other_bodies,
    to_judged_size,
)
from models.data.training_data import build_bank
from models.train.recipe import Options, configuration
from models.train.step_data import draw_batch
from models.train.train_config import PRESETS, TrainConfig, stage_two
from models.train.wild_stage import wild_stage
from pipeline.body_scale import pixels_per_metre
from pipeline.carriers import Pose2D
from pipeline.joint_mapping import map_joints
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import UNITS_PER_METRE

NAMES, PARENTS = HUMANML3D.joint_names, list(HUMANML3D.parents)
MOTIONS = random_motions([31, 60, 24, 45])
MANY = 300
BARE = Proportions(share=1.0, mapped=False)
STEADY = dataclasses.replace(BARE, spread=0.0, width_spread=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at(name: str) -> int:
    return NAMES.index(name)


@pytest.fixture(scope="module")
def bank():
    return build_bank(MOTIONS, text_dim=8)


@pytest.fixture(scope="module")
def joints():
    """(MANY, 24, 22, 3) the same canonical motion for everybody."""
    one = torch.from_numpy(MOTIONS[1].joints[:24])
    return one.expand(MANY, *one.shape)


def batch_of(bank, bodies, noise=DetectorNoise(), seed=3):  # noqa: B008 - frozen
    index = torch.tensor([1, 3, 1, 0, 2, 3])
    g = generator(seed)
    camera = CameraAugmentation(0.6, 12.0)
    options = {"camera": camera, "noise": noise, "generator": g, "proportions": bodies}
    return make_batch(bank, index, 24, HUMANML3D, **options), g.get_state()


def bones(joints):
    return joints - joints[..., PARENTS, :]


def test_without_a_share_nothing_is_drawn_and_nothing_changes(bank):
    noise = DetectorNoise(share=0.5)
    plain, state = batch_of(bank, SAME_BODY, noise)
    odd, odd_state = batch_of(bank, dataclasses.replace(DETECTED, share=0.0), noise)
    index, camera, g = torch.tensor([1, 3, 1, 0, 2, 3]), CameraAugmentation(0.6, 12.0), generator(3)
    before = make_batch(bank, index, 24, HUMANML3D, camera=camera, noise=noise, generator=g)
    for other in (odd, before):
        for field in ("x3", "x2", "input2", "mask2", "confidence"):
            assert torch.equal(getattr(plain, field), getattr(other, field)), field
    assert torch.equal(state, odd_state)
    assert torch.equal(state, g.get_state())
    every = [*PRESETS.values(), stage_two(dataclasses.replace(PRESETS["base"], steps=4))]
    assert all(config.proportions == SAME_BODY for config in every), "no preset asks for it"


def test_the_lift_sees_another_body_and_learns_the_canonical_one(bank):
    plain, _ = batch_of(bank, SAME_BODY)
    other, _ = batch_of(bank, dataclasses.replace(DETECTED, share=1.0))
    assert torch.equal(other.x3, plain.x3)
    assert torch.equal(other.x2, plain.x2)
    moved = (other.input2 - plain.input2).abs().amax((1, 2))
    assert (moved > 0.05).all(), "every sample shows another body"


def test_a_share_of_the_samples_is_drawn(joints):
    moved, changed = other_bodies(
        joints, dataclasses.replace(BARE, share=0.3), HUMANML3D, generator()
    )
    assert 0.2 < changed.float().mean() < 0.4
    same = (moved == joints).all(-1).all(-1).all(-1)
    assert torch.equal(same, ~changed)


def test_bones_grow_along_themselves_left_and_right_alike(joints):
    moved, _ = other_bodies(joints, BARE, HUMANML3D, generator())
    limbs = [
        i for i, n in enumerate(NAMES) if n.endswith(("knee", "ankle", "foot", "elbow", "wrist"))
    ]
    was, now = bones(joints)[:, :, limbs], bones(moved)[:, :, limbs]
    ratio = now.norm(dim=-1) / was.norm(dim=-1)
    assert torch.allclose(now, was * ratio[..., None], atol=1e-5), "directions stay"
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4), "one length a clip"
    first = ratio[:, 0]
    pair = [limbs.index(HUMANML3D.mirror_order[i]) for i in limbs]
    assert torch.allclose(first, first[:, pair], atol=1e-4)
    assert first.log().std(0).mean() == pytest.approx(BARE.spread, rel=0.25)
    assert first.log().abs().max() <= 2 * BARE.spread + 1e-4


def test_widths_move_hips_and_shoulders_with_what_hangs_on_them(joints):
    wanted = dataclasses.replace(STEADY, hips=1.4, shoulders=0.8)
    moved, _ = other_bodies(joints, wanted, HUMANML3D, generator())
    for joint, factor in (("hip", 1.4), ("shoulder", 0.8)):
        left, right = at(f"left_{joint}"), at(f"right_{joint}")
        was, now = (x[:, :, left] - x[:, :, right] for x in (joints, moved))
        assert torch.allclose(now, was * factor, atol=1e-5)
        middle = [x[:, :, left] + x[:, :, right] for x in (joints, moved)]
        assert torch.allclose(*middle, atol=1e-5), "about their middle"
    hanging = [at(f"{side}_{j}") for side in ("left", "right") for j in ("knee", "ankle", "wrist")]
    assert torch.allclose(bones(moved)[:, :, hanging], bones(joints)[:, :, hanging], atol=1e-5)


def test_trunk_joints_lie_where_the_detectors_rules_put_them(joints):
    """The rules of `pipeline.joint_mapping` themselves, on the moved hips, shoulders and head."""
    moved, _ = other_bodies(joints, dataclasses.replace(BARE, mapped=True), HUMANML3D, generator())
    flat = moved[0, ..., :2].numpy()
    names = JOINT_SETS["coco17"].joints
    told = np.zeros((len(flat), len(names), 2), np.float32)
    for i, name in enumerate(names):
        known = "head" if name in ("left_ear", "right_ear") else name
        if known in NAMES:
            told[:, i] = flat[:, at(known)]
    sure = np.ones(told.shape[:2], np.float32)
    pose = Pose2D("coco17", told, sure, np.arange(len(told)) / 20.0, (640, 480))
    ruled = map_joints(pose, names).joints
    for joint in ("pelvis", "spine1", "spine2", "spine3", "neck", "left_collar", "right_collar"):
        np.testing.assert_allclose(
            flat[:, at(joint)], ruled[:, at(joint)], atol=1e-4, err_msg=joint
        )


def test_size_is_judged_as_ingestion_judges_it(joints):
    view = torch.randn(4, 50, 22, 2, generator=generator(5)) * 0.2
    everywhere = np.ones((50, 22), dtype=np.bool_)
    pipeline = [pixels_per_metre(v.numpy(), everywhere) / UNITS_PER_METRE for v in view]
    np.testing.assert_allclose(judged_size(view), pipeline, rtol=1e-4)
    changed = torch.tensor([True, False, True, False])
    sized = to_judged_size(view, changed)
    assert torch.equal(sized[1::2], view[1::2])
    np.testing.assert_allclose(judged_size(sized)[::2], 1.0, rtol=1e-4)
    # Who is half as tall gives the same view.
    np.testing.assert_allclose(to_judged_size(view / 2, changed)[0], sized[0], rtol=1e-4)


def test_what_cannot_be_is_told_in_a_sentence(joints):
    with pytest.raises(
        ValueError, match=r"humanml3d22 bodies .* kitml21: choose --proportions canonical"
    ):
        other_bodies(torch.zeros(1, 4, 21, 3), DETECTED, KIT, generator())
    for wrong, sentence in (
        ({"share": 1.5}, "share must lie in 0..1"),
        ({"spread": -0.1}, "spreads must be 0 or more"),
        ({"hips": 0.0, "feet": float("nan")}, "feet, hips must lie above 0"),
        ({"arms": 1.0}, "not a training configuration"),
    ):
        with pytest.raises(ValueError, match=sentence):
            TrainConfig.from_json({"proportions": wrong})
    with pytest.raises(
        ValueError, match="--proportions is about 2D, which --only-3d does not train"
    ):
        check(TrainOptions(out=None, proportions="detected", only_3d=True))


def test_it_is_asked_for_by_name_survives_a_file_and_is_kept_in_the_wild():
    asked = TrainOptions(out=None, preset="base", proportions="detected")
    config = configure(PRESETS["base"], asked, None)
    assert config.proportions == DETECTED == BODIES["detected"]
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert stage_two(config).proportions == SAME_BODY
    in_the_wild = {"wild_ratio": 0.5, "steps": 5}
    assert wild_stage(config, "base", **in_the_wild).proportions == DETECTED
    assert wild_stage(config, "paper", **in_the_wild).proportions == SAME_BODY


def test_a_run_of_the_recipe_draws_other_bodies(bank, tmp_path):
    asked = Options(
        tmp_path, tmp_path, "1", "base", 1.0, 1.0, 1.0, None, ('proportions={"share": 1.0}',)
    )
    found = configuration(asked).proportions
    assert found == dataclasses.replace(SAME_BODY, share=1.0)
    config = TrainConfig(windows=(24,), proportions=found)
    run = SimpleNamespace(config=config, skeleton=HUMANML3D)  # what a batch is drawn by
    batch = draw_batch(run, bank, None, 24, generator(), torch.tensor([0, 1, 3]))
    assert ((batch.input2 - batch.x2).abs().amax((1, 2)) > 0.05).all()
