"""Anny's mesh and bones of any person at rest; the average one comes with the project as a file."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pipeline.arrays import Float64, Int64
from pipeline.parametric_body.rest import RestBody
from pipeline.skeletons import HUMANML3D

ADULT = 0.67
"""Anny's age at which a body is grown up."""
NECK_ABOVE_HIPS_M = 0.627
"""Of the captured skeleton: neck above the middle of the hips, upright."""
TORSO_M = {
    "pelvis": (0.0, 0.078, -0.020),
    "spine1": (0.0, 0.209, -0.018),
    "spine2": (0.0, 0.351, -0.009),
    "spine3": (0.0, 0.409, -0.006),
    "left_collar": (0.100, 0.497, -0.012),
    "right_collar": (-0.100, 0.497, -0.012),
}
"""Joints of the captured skeleton that Anny has no bone for, from the middle of the hips: means
over walking of the prepared CMU motions, on which the lifting networks were trained."""
TORSO_BONES = {
    "pelvis": "root",
    "spine1": "spine05",
    "spine2": "spine03",
    "spine3": "spine02",
    "left_collar": "spine01",
    "right_collar": "spine01",
}
LIMB_BONES = {
    "hip": "upperleg01",
    "knee": "lowerleg01",
    "ankle": "foot",
    "foot": "toe2-1",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "wrist": "wrist",
}
MIDDLE_BONES = {"neck": "neck01", "head": "head"}
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@dataclass(frozen=True)
class Person:
    """Anny's phenotype, each in [0, 1]."""

    gender: float = 0.5
    height: float = 0.5
    weight: float = 0.5
    muscle: float = 0.5


def load_body(person: Person) -> RestBody:
    """The rest body of a person.

    Raises:
        ValueError: The extra `[synthetic]` is not installed.
    """
    import torch

    model, face_points = _model()
    with torch.inference_mode():
        coefficients = model.get_phenotype_blendshape_coefficients(age=ADULT, **vars(person))
        rest = model.get_rest_model(coefficients)
    vertices = _y_up(rest["rest_vertices"][0].numpy())
    heads = _y_up(rest["rest_bone_heads"][0].numpy().astype(np.float64))
    labels = tuple(model.bone_labels)
    joints, carriers = _joints(heads, labels)
    return RestBody(
        vertices=vertices,
        faces=np.asarray(model.faces, np.int64),
        heads=heads,
        labels=labels,
        parents=tuple(int(p) for p in model.bone_parents),
        weights=model.vertex_bone_weights.numpy().astype(np.float32),
        bones=model.vertex_bone_indices.numpy().astype(np.int64),
        joints=joints,
        joint_bones=carriers,
        face_points=face_points @ vertices.astype(np.float64),
    )


@cache
def _model() -> tuple[Any, Float64]:
    """Anny, and (5, V) weights of the face's points."""
    try:
        import anny
    except ImportError as error:
        raise ValueError("rendering needs the extra: pip install 'crossdiff[synthetic]'") from error
    model = anny.Anny(skinning_method="lbs")
    face = anny.KeypointsRegressor.coco(model, labels=list(FACE))
    return model, face.regression_weights.numpy().astype(np.float64)


def _y_up(points: Any) -> Any:
    """From Z up, facing -Y."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _joints(heads: Float64, labels: tuple[str, ...]) -> tuple[Float64, Int64]:
    at = {label: heads[i] for i, label in enumerate(labels)}
    hips = (at["upperleg01.L"] + at["upperleg01.R"]) / 2
    scale = (at["neck01"][1] - hips[1]) / NECK_ABOVE_HIPS_M
    places, carriers = [], []
    for name in HUMANML3D.joint_names:
        if name in TORSO_M:
            place, bone = hips + scale * np.array(TORSO_M[name]), TORSO_BONES[name]
        elif name in MIDDLE_BONES:
            bone = MIDDLE_BONES[name]
            place = at[bone]
        else:
            side, part = name.split("_")
            bone = f"{LIMB_BONES[part]}.{side[0].upper()}"
            place = at[bone]
        places.append(place)
        carriers.append(labels.index(bone))
    return np.array(places), np.array(carriers, np.int64)
