"""2D pose: estimators behind one protocol, and the joint sets they speak."""

from pipeline.pose.factory import BACKENDS, PEOPLE, make_estimator
from pipeline.pose.joint_sets import JOINT_SETS, JointSet
from pipeline.pose.protocol import FramePersons, PersonTrack, PoseEstimator, PoseSetupError
from pipeline.pose.settings import (
    PEOPLE_LINK,
    LinkSettings,
    MMPoseSettings,
    PackagedSettings,
    PeopleSettings,
)

__all__ = [
    "BACKENDS",
    "JOINT_SETS",
    "PEOPLE",
    "PEOPLE_LINK",
    "FramePersons",
    "JointSet",
    "LinkSettings",
    "MMPoseSettings",
    "PackagedSettings",
    "PeopleSettings",
    "PersonTrack",
    "PoseEstimator",
    "PoseSetupError",
    "make_estimator",
]
