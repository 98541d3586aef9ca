"""Which motions are filmed, and how: balanced over actions, azimuths and cameras."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from models.data.motion import Motion
from pipeline.arrays import Float64
from tests.benchmarks.synthetic.cameras import KINDS
from tests.benchmarks.synthetic.film import Take

DATASETS = ("cmu", "hdm05")
FEWEST_FRAMES, MOST_FRAMES = 42, 100
"""At 20 fps: two to five seconds."""
NEEDS_THINGS = re.compile(r"playground|climb|ladder|hang|rope|stool|uneven|motorcycle", re.I)
"""Actions that look wrong without what they are done on."""
AZIMUTHS = 8
"""Bins of an eighth turn; within its bin an azimuth is drawn."""


def choose(motions: Iterable[Motion], count: int, seed: int) -> list[tuple[Take, Float64]]:
    """Takes with the motions (T, 22, 3) that they show.

    The first of them are the same whatever the count. Actions take turns, so that a rare one is
    there as often as a frequent one while motions last.

    Raises:
        ValueError: There are not so many motions that can be filmed.
    """
    usable = [
        motion
        for motion in motions
        if not motion.mirrored
        and motion.has_3d
        and len(motion.joints) >= FEWEST_FRAMES
        and not NEEDS_THINGS.search(motion.action)
    ]
    if len(usable) < count:
        raise ValueError(f"only {len(usable)} motions can be filmed, {count} were asked for")
    chosen = _in_turns(usable, seed)[:count]
    return [(_take(motion, i, seed), _cut(motion)) for i, motion in enumerate(chosen)]


def _in_turns(motions: Sequence[Motion], seed: int) -> list[Motion]:
    groups: dict[str, list[Motion]] = defaultdict(list)
    for motion in sorted(motions, key=lambda m: _draw(seed, m.motion_id)):
        groups[class_name(motion.action)].append(motion)
    names = sorted(groups, key=lambda name: _draw(seed, name))
    rounds = range(max(map(len, groups.values())))
    return [groups[name][i] for i in rounds for name in names if i < len(groups[name])]


def _take(motion: Motion, index: int, seed: int) -> Take:
    number = _draw(seed, motion.motion_id)
    kind = index % len(KINDS)
    # Over 32 clips each camera meets each azimuth once.
    turn = (index // len(KINDS) + 2 * kind) % AZIMUTHS
    jitter = np.random.default_rng([number, 2]).uniform(-0.5, 0.5)
    action = class_name(motion.action)
    return Take(
        name=f"{action}/v_{action}_g{index + 1:02d}_c01",
        motion_id=motion.motion_id,
        action=action,
        caption=motion.captions[0] if motion.captions else motion.action,
        kind=KINDS[kind],
        azimuth_deg=float(((turn + jitter) * 360 / AZIMUTHS) % 360),
        seed=number,
    )


def _cut(motion: Motion) -> Float64:
    return motion.joints[:MOST_FRAMES].astype(np.float64)


def _draw(seed: int, name: str) -> int:
    """The same number for a name everywhere."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big")


def class_name(action: str) -> str:
    """An action as UCF101 names classes: letters alone, at most three words."""
    words = re.findall(r"[A-Za-z0-9]+", action)[:3]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Motion"
