"""The shipped evaluators can tell: real pairs from shuffled ones, noise, frozen legs and arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.data.captions import tokenise
from models.evaluation.frechet import frechet_distance
from models.evaluation.metrics import POOL, r_precision
from models.matching.body_parts import leg_joints
from models.matching.evaluator import SHIPPED_EVALUATORS, CaptionText, Evaluator, load_evaluators
from models.text.text_encoder import MiniLM
from pipeline import quaternions as quat
from pipeline.arrays import Float32
from pipeline.canonical import canonicalise
from pipeline.kinematics import canonical_offsets
from pipeline.mocap_archive import MocapClip, read_archive
from pipeline.representation3d import features_from_canonical, field_slices, recover_root
from pipeline.skeletons import HUMANML3D

pytestmark = pytest.mark.shared

CHANCE = 3 / POOL
NOISE = (0.2, 0.4, 0.8, 1.6)
"""Standard deviations of each feature."""
SHARES = (25, 50, 100)
"""Per cent of the motions."""
FROZEN_LEGS, FROZEN_ARMS = ("legs", "lower", "upper"), ("arms", "upper", "lower")
"""What is held, whose FID rises for it, and whose does not."""
ARMS = tuple(
    joint
    for joint, name in enumerate(HUMANML3D.joint_names)
    if any(part in name for part in ("shoulder", "elbow", "wrist"))
)


@dataclass(frozen=True)
class Pairs:
    rows: list[Float32]
    texts: list[CaptionText]
    """The first caption of each motion."""


@pytest.fixture(scope="module")
def evaluators() -> Mapping[str, Evaluator]:
    return load_evaluators(SHIPPED_EVALUATORS)


@pytest.fixture(scope="module")
def pairs(shared: Path) -> Pairs:
    """Six pools of the test split of all three archives, without mirror images, at random."""
    clips = [
        clip
        for part in ("bandai", "cmu", "hdm05")
        for clip in read_archive(shared / "mocap", part)
        if clip.split == "test"
    ]
    order = np.random.default_rng(1).permutation(len(clips))[: 6 * POOL]
    captions = [clips[i].captions[0] for i in order]
    distinct = sorted(set(captions))
    vectors = dict(zip(distinct, MiniLM().encode(distinct), strict=True))
    return Pairs(
        [features(clips[i]) for i in order],
        [CaptionText(caption, tokenise(caption), vectors[caption]) for caption in captions],
    )


def features(clip: MocapClip) -> Float32:
    offsets = canonical_offsets(HUMANML3D)
    joints = canonicalise(clip.joints.astype(np.float64), HUMANML3D, offsets)
    return features_from_canonical(joints, HUMANML3D)


@pytest.fixture(scope="module")
def embedded(evaluators, pairs: Pairs) -> Mapping[str, Float32]:
    return {part: e.embed_motions(pairs.rows) for part, e in evaluators.items()}


def frozen(rows: Float32, joints: Sequence[int]) -> Float32:
    """The motion with some joints held, relative to the root, as they are in its first frame.

    One row less: the last has no next frame.
    """
    heading, root = recover_root(rows.astype(np.float64))
    local = rows[:, field_slices(HUMANML3D)["positions"]].reshape(len(rows), -1, 3).astype(float)
    held = [joint - 1 for joint in joints]
    local[:, held] = local[0, held]
    placed = quat.rotate(quat.inverse(heading)[:, None], local)
    placed += root[:, None] * np.array([1.0, 0.0, 1.0])
    return features_from_canonical(np.concatenate([root[:, None], placed], axis=1), HUMANML3D)


def share_of_variance(real: Float32, found: Float32) -> float:
    """FID in shares of the real embeddings' variance."""
    return frechet_distance(real, found) / float(real.var(axis=0).sum())


def test_all_three_parts_are_shipped_for_one_skeleton(evaluators) -> None:
    assert list(evaluators) == ["all", "upper", "lower"]
    assert {e.skeleton.name for e in evaluators.values()} == {HUMANML3D.name}
    for part in evaluators:
        assert (SHIPPED_EVALUATORS / part / "model.safetensors").stat().st_size < 3_000_000
        assert not (SHIPPED_EVALUATORS / part / "state.pt").exists()


@pytest.mark.parametrize("part", ["all", "upper", "lower"])
def test_captions_find_their_motions_and_shuffled_ones_do_not(
    part, evaluators, pairs, embedded
) -> None:
    texts = evaluators[part].embed_texts(pairs.texts)
    assert r_precision(texts, embedded[part]).top[2] >= 3 * CHANCE
    rng = np.random.default_rng(2)
    shuffled = [
        r_precision(texts[rng.permutation(len(texts))], embedded[part]).top[2] for _ in range(5)
    ]
    assert np.mean(shuffled) == pytest.approx(CHANCE, abs=0.03)


@pytest.mark.parametrize("part", ["all", "upper", "lower"])
def test_fid_rises_with_every_level_of_noise(part, evaluators, pairs, embedded) -> None:
    std = evaluators["all"].scale.std
    rng = np.random.default_rng(3)
    found = [
        share_of_variance(
            embedded[part],
            evaluators[part].embed_motions(
                [r + (level * std * rng.normal(size=r.shape)).astype("f4") for r in pairs.rows]
            ),
        )
        for level in NOISE
    ]
    assert np.diff([0.0, *found]).min() > 0
    assert found[-1] > 0.1


@pytest.fixture(scope="module")
def held(evaluators, pairs: Pairs) -> Mapping[str, Mapping[str, Float32]]:
    """Embeddings of all parts, with nothing held, with the legs held and with the arms held."""
    changed = {
        "nothing": [rows[:-1] for rows in pairs.rows],
        "legs": [frozen(rows, leg_joints(HUMANML3D)) for rows in pairs.rows],
        "arms": [frozen(rows, ARMS) for rows in pairs.rows],
    }
    return {
        name: {part: e.embed_motions(rows) for part, e in evaluators.items()}
        for name, rows in changed.items()
    }


@pytest.mark.parametrize(("limbs", "first", "other"), [FROZEN_LEGS, FROZEN_ARMS])
def test_frozen_legs_raise_fid_l_first_and_frozen_arms_fid_u(limbs, first, other, held) -> None:
    raised = {p: share_of_variance(held["nothing"][p], held[limbs][p]) for p in (first, other)}
    assert raised[first] > 0.02, raised
    assert raised[first] > 4 * raised[other], raised


@pytest.mark.parametrize(("limbs", "part", "_"), [FROZEN_LEGS, FROZEN_ARMS])
def test_fid_rises_with_the_share_of_motions_that_are_frozen(limbs, part, _, held) -> None:
    for seen in (part, "all"):
        real, changed = held["nothing"][seen], held[limbs][seen]
        found = [
            share_of_variance(real, np.concatenate([changed[:count], real[count:]]))
            for count in (len(real) * share // 100 for share in SHARES)
        ]
        assert np.diff([0.0, *found]).min() > 0.05 * found[-1], (seen, found)


@pytest.mark.parametrize(("limbs", "part", "_"), [FROZEN_LEGS, FROZEN_ARMS])
def test_frozen_motions_are_farther_from_other_motions_than_moving_ones(
    limbs, part, _, held
) -> None:
    """As generated motions are judged: beside real ones that are not their own."""
    for seen in (part, "all"):
        half = len(held["nothing"][seen]) // 2
        one, other = held["nothing"][seen][:half], held["nothing"][seen][half:]
        moving = share_of_variance(other, one)
        still = share_of_variance(other, held[limbs][seen][:half])
        assert still > 1.1 * moving, (seen, moving, still)
