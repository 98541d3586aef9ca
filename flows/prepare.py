"""`crossdiff prepare`: motion capture to a training set."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from flows.progress import progress
from models.text_encoder import MiniLM
from models.training_data import Motion, prepare_clip, write_motions
from pipeline.mocap_archive import read_archive


def prepare_mocap(folder: Path, out: Path, parts: tuple[str, ...]) -> dict[str, Any]:
    """Canonicalise, mirror and caption every clip of the archive; write one Parquet file.

    Raises:
        ValueError: A part is not in the folder.
    """
    clips = [clip for part in parts for clip in read_archive(folder, part)]
    motions: list[Motion] = []
    rejects: dict[str, str] = {}
    for clip in progress(clips, "prepare", "clip"):
        try:
            motions.extend(prepare_clip(clip))
        except ValueError as error:
            rejects[clip.clip_id] = str(error)
    encoder = MiniLM()
    texts = sorted({caption for motion in motions for caption in motion.captions})
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    told = [dataclasses.replace(m, embeddings=encoder.gather(vectors, m.captions)) for m in motions]
    path = out / "motions.parquet"
    write_motions(told, path)
    return {
        "out": str(path),
        "motions": len(told),
        "by_split": dict(Counter(m.split for m in told)),
        "captions": len(texts),
        "text_encoder": encoder.encoder_id,
        "rejected": rejects,
    }
