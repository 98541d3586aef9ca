"""2D pose: estimators behind one protocol, and the joint sets they speak."""

from pipeline.pose.factory import BACKENDS, make_estimator
from pipeline.pose.joint_sets import JOINT_SETS, JointSet
from pipeline.pose.protocol import FramePersons, PersonTrack, PoseEstimator, PoseSetupError
from pipeline.pose.settings import LinkSettings, MMPoseSettings, PackagedSettings

__all__ = [
    "BACKENDS",
    "JOINT_SETS",
    "FramePersons",
    "JointSet",
    "LinkSettings",
    "MMPoseSettings",
    "PackagedSettings",
    "PersonTrack",
    "PoseEstimator",
    "PoseSetupError",
    "make_estimator",
]
