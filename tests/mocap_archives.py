"""A small mocap archive in the packed format, and a text encoder that needs no weights.

python mocap_archives.py FOLDER URL SHARD_SIZE [PART]: prepares the archive, for tests that kill it.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from synthetic_motion import random_motion

SPLITS = ("train", "train", "val", "test", "train")
FRAMES = (24, 31, 45, 20, 60)
CAPTIONS = ("A person turns to the left, slowly.", "someone kicks with the right leg.")


def record(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": f"{number:06d}",
        "split": SPLITS[number % len(SPLITS)],
        "captions": [{"text": text, "source": "template"} for text in CAPTIONS],
        "label": "turn" if number % 2 else "kick",
        "source": "part",
        "trial": "x",
        "glitch": False,
        **changes,
    }


def write_archive(
    folder: Path,
    name: str,
    records: Sequence[dict[str, object]],
    *,
    joints: int = 22,
    seed: int = 0,
) -> None:
    """Clips of the lengths in `FRAMES`; a record may set its own `frames`."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, roots, starts, lengths = [], [], [], []
    for k, one in enumerate(records):
        length = int(str(one.get("frames", FRAMES[k % len(FRAMES)])))
        raw = random_motion(seed + k, length)
        root = raw[:, 0][:, [0, 2]].astype(np.float32)
        raw[:, :, [0, 2]] -= root[:, None]
        starts.append(sum(lengths))
        lengths.append(length)
        parts.append(np.rint(raw * 1e4).astype(np.int16)[:, :joints])
        roots.append(root)
    np.savez_compressed(
        folder / f"{name}.npz",
        q=np.concatenate(parts),
        root_xz=np.concatenate(roots),
        start=np.array(starts, np.int32),
        length=np.array(lengths, np.int32),
    )
    (folder / f"{name}.json").write_text(json.dumps(list(records)))


class Hashed:
    """Embeds a sentence as numbers from its hash: equal text, equal vector, whatever the batch."""

    width = 8

    def __init__(self, encoder_id: str = "hashed-1") -> None:
        self.encoder_id = encoder_id
        self.asked: list[str] = []

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        self.asked += list(sentences)
        out = np.zeros((len(sentences), self.width), np.float32)
        for row, text in zip(out, sentences, strict=True):
            digest = hashlib.sha256(f"{self.encoder_id} {text}".encode()).digest()
            row[:] = np.frombuffer(digest[: self.width], np.uint8) / 255.0
        return out


if __name__ == "__main__":
    from flows import prepare
    from flows.prepare_mocap import prepare_mocap

    prepare.SHARD_MOTIONS = int(sys.argv[3])
    prepare_mocap(Path(sys.argv[1]), sys.argv[2], sys.argv[4:] or ["part"], Hashed())
