"""What parent and candidate make of the same input, to look at: held-out clips, and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.evaluation.wild import lift_anew
from models.evaluation.wild_examples import ShownLabel, WildExample
from models.generate.generation import MotionRequest, generate, noise_seed
from models.generate.sampling import SampleSettings
from pipeline.arrays import Float32

PARENT, CANDIDATE = "parent", "finetuned"
CLIPS, SENTENCES = 5, 3
"""How much is shown: a page has to stay small enough to be opened."""
SAMPLE_ROWS = 80
"""Feature rows of a motion from a sentence: four seconds at 20 fps."""


@dataclass(frozen=True)
class TextSample:
    """Motions of one sentence, from the same noise."""

    caption: str
    action: str
    joints: Mapping[str, Float32]
    """(T, J, 3) metres, by maker."""


def lifted_clips(
    parent: Checkpoint,
    candidate: Checkpoint,
    clips: Sequence[Motion],
    reprojection: Mapping[str, Mapping[str, float]],
) -> list[WildExample]:
    """Held-out clips at even distances from the largest gain to the largest loss.

    Args:
        parent: Labels as before.
        candidate: Labels as after.
        clips: Held out, with their views.
        reprojection: Metres, by maker (`PARENT`, `CANDIDATE`) and motion id.
    """
    before, after = reprojection[PARENT], reprojection[CANDIDATE]
    known = sorted(
        (c for c in clips if c.motion_id in before),
        key=lambda c: (after[c.motion_id] - before[c.motion_id], c.motion_id),
    )
    ranks = np.linspace(0, len(known) - 1, min(CLIPS, len(known))).round()
    makers = {PARENT: lift_anew(parent), CANDIDATE: lift_anew(candidate)}
    examples = []
    for clip in (known[int(rank)] for rank in ranks):
        labels = {}
        for name, label in makers.items():
            joints = label(clip)
            if joints is not None:
                labels[name] = ShownLabel(joints, reprojection[name][clip.motion_id])
        examples.append(WildExample(clip.motion_id, clip.action, labels))
    return examples


def text_samples(
    parent: Checkpoint, candidate: Checkpoint, clips: Sequence[Motion]
) -> list[TextSample]:
    """One sentence each of the first few classes, drawn by both from the same noise.

    Args:
        parent: As before.
        candidate: As after.
        clips: Held out; their first captions are the sentences.
    """
    chosen: dict[str, Motion] = {}
    for clip in clips:
        if clip.captions and len(clip.embeddings):
            chosen.setdefault(clip.action, clip)
    samples = []
    for action, clip in sorted(chosen.items())[:SENTENCES]:
        rows = min(SAMPLE_ROWS, parent.network.config.max_frames)
        caption = clip.captions[0]
        request = MotionRequest(clip.embeddings[0], rows, noise_seed(0, caption, 0))
        joints = {
            name: generate(checkpoint, [request], SampleSettings())[0].joints
            for name, checkpoint in ((PARENT, parent), (CANDIDATE, candidate))
        }
        samples.append(TextSample(caption, action, joints))
    return samples
