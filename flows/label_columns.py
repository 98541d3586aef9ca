"""What a label says of itself, as columns of `motions`: for an ingest and for a relabelling."""

from typing import Any

from models.lifting.pseudo_label import PseudoLabel


def label_columns(label: PseudoLabel) -> dict[str, Any]:
    """The columns that change with the label, beside the label itself."""
    quality, score = label.quality, label.score
    return {
        "view_azimuth_deg": quality.azimuth_deg,
        "view_elevation_deg": label.camera.elevation_deg,
        "view_name": label.camera.view_name,
        "quality_reprojection_error": quality.reprojection_m,
        "quality_foot_skating": quality.foot_skating,
        "quality_jitter": quality.jitter,
        "perspective_error": label.perspective_m,
        "quality_spread": label.spread_m,
        "second_opinion": label.opinion_share,
        "label_score": score.score if score else None,
        "label_error": score.error_m if score else None,
        "joint_error": score.joint_error_m.astype("float32") if score else None,
    }
