"""What was asked of labels and cannot be done, said before an ingest begins."""

from dataclasses import replace

from flows.options import IngestOptions
from models.checkpoint_id import checkpoint_id
from models.lifting.calibration_file import load_calibration, way_of_labels, why_unscored
from pipeline.skeleton_files import is_skeleton_file


def label_warnings(options: IngestOptions) -> list[str]:
    """A sentence on each option that will change no label.

    Raises:
        CalibrationError: The calibration of labels is damaged.
    """
    label, said = options.label, []
    foreign = options.pose.backend == "mmpose" or is_skeleton_file(options.videos)
    opinion = label.second_opinion
    if opinion and foreign:
        said.append("no 3D comes with this 2D: --second-opinion could do nothing")
        opinion = False
    if label.body_joints and foreign:
        said.append("where this 2D has its joints was not measured: --body-joints could do nothing")
        label = replace(label, body_joints=False)
    if label.score:
        way = way_of_labels(label, second_opinion=opinion)
        lifting = checkpoint_id(options.checkpoint)
        if load_calibration(lifting, way, options.checkpoint) is None:
            said.append(why_unscored(lifting, way))
    return said
