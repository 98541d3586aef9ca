"""Batches of in-the-wild clips: the view that was seen, the stored label, what is known of both.

Nothing is projected and nothing is spoilt: the view comes from a real detector.
"""

import torch
from torch import Tensor

from models.batches.augment import caption_texts, crop_lengths
from models.batches.batch import Batch, Knowledge
from models.batches.projection import feature_mask, view_features
from models.data.wild_bank import WildBank
from pipeline.skeletons import Skeleton


def make_wild_batch(
    bank: WildBank, index: Tensor, window: int, skeleton: Skeleton, g: torch.Generator | None
) -> Batch:
    """Crops of `window` rows, each as if its clip began there, with one caption each.

    Args:
        bank: In-the-wild clips.
        index: (B,) which of them.
        window: Rows; shorter clips are padded.
        skeleton: The joint tree.
        g: On the bank's device; the batch is a function of its state. None is the device's own.
    """
    length = crop_lengths(bank.motions.rows[index], window, g)
    u = torch.rand(len(index), generator=g, device=index.device)
    start = seen_starts(bank, index, length, u)
    text = caption_texts(bank.motions, index, g)
    return wild_crops(bank, index, start, length, text, window, skeleton)


def seen_starts(bank: WildBank, index: Tensor, length: Tensor, u: Tensor) -> Tensor:
    """(B,) first rows of crops of `length` (B,) rows, drawn by `u` (B,) in [0, 1).

    A crop's root is told relative to its first frame, so it begins where the root was seen. A clip
    without such a frame begins anywhere: its root entries are then masked.
    """
    spare = bank.motions.rows[index] - length
    allowed = torch.arange(bank.seen.shape[1], device=index.device) <= spare[:, None]
    anchored = allowed & bank.seen[index][:, :, 0]
    allowed = torch.where(anchored.any(1, keepdim=True), anchored, allowed)
    count = allowed.sum(1)
    which = torch.minimum((u * count).long(), count - 1)
    reached = allowed.cumsum(1) > which[:, None]
    return reached.int().argmax(1)  # of equal values the first


def wild_crops(
    bank: WildBank,
    index: Tensor,
    start: Tensor,
    length: Tensor,
    text: Tensor,
    window: int,
    skeleton: Skeleton,
) -> Batch:
    """The rows `start` .. `start + length` of clips, zero wherever nothing is known.

    Neither needs to be moved: 3D rows hold velocities and positions in the body's own frame, and
    2D rows tell the root relative to the crop's first frame.

    Args:
        bank: In-the-wild clips.
        index: (B,) which of them.
        start: (B,) first row of each.
        length: (B,) rows of each, at most `window`.
        text: (B, text_dim).
        window: Rows of the batch.
        skeleton: The joint tree.
    """
    last = start + length
    frame = start[:, None] + torch.arange(window + 1, device=index.device)
    inside, pick = torch.minimum(frame, last[:, None]), index[:, None]
    pad = frame[:, :-1] >= last[:, None]
    row = inside[:, :-1].clamp(max=bank.mask3.shape[1] - 1)
    view, seen = bank.view[pick, inside], bank.seen[pick, inside]
    weight = bank.label_weight[index]
    mask3 = bank.mask3[pick, row] & ~pad[..., None] & (weight > 0)[:, None, None]
    mask2 = feature_mask(seen, skeleton) & ~pad[..., None]
    x3 = torch.where(mask3, bank.motions.features3[pick, row], 0.0)
    x2 = torch.where(mask2, view_features(view, skeleton), 0.0)
    sure = seen[:, :-1].to(x2.dtype)
    return Batch(x3, x2, x2, mask2, pad, text, Knowledge(mask3, mask2, weight), sure)
