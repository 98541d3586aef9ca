"""What a prepared motion becomes in the `motions` table."""

from collections.abc import Mapping
from dataclasses import replace

from models.data.prepared import PreparedMotion
from models.text.text_encoder import gather
from pipeline.arrays import Float32
from storage.lineage import Lineage
from storage.rows import MOCAP, MotionRow


def motion_row(
    prepared: PreparedMotion,
    dataset: str,
    vectors: Mapping[str, Float32],
    encoder_id: str,
    lineage: Lineage,
) -> MotionRow:
    """One row, with its captions' embeddings taken from `vectors`."""
    motion = prepared.motion
    embeddings = gather(vectors, motion.captions) if motion.captions else None
    return MotionRow(
        motion_id=motion.motion_id,
        dataset=dataset,
        fps=motion.fps,
        joint_set=motion.joint_set,
        source_kind=MOCAP,
        joints3d=motion.joints,
        features3d=prepared.features3d,
        view2d=prepared.front_view,
        features2d=prepared.front_features,
        joint_mask=prepared.seen,
        views2d=prepared.views2d,
        features2d_views=prepared.features2d_views,
        captions=motion.captions,
        tokens=tuple(" ".join(words) for words in motion.tokens),
        caption_embeddings=embeddings,
        text_encoder=None if embeddings is None else encoder_id,
        mirrored=motion.mirrored,
        source=motion.source or None,
        action=motion.action or None,
        split=motion.split,
        lineage=replace(lineage, source_hash=motion.source_hash or None),
    )
