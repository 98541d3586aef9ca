"""The figures that the CrossDiff paper prints for text to motion (Ren et al. 2024, table 1)."""

from collections.abc import Mapping

from pipeline.skeletons import HUMANML3D, KIT

_NAMES = ("r_precision_3", "fid", "mm_dist", "diversity", "fid_upper", "fid_lower")
_HUMANML3D: Mapping[str, tuple[float, ...]] = {
    "CrossDiff": (0.730, 0.162, 3.358, 9.577, 0.118, 0.281),
    "MDM": (0.611, 0.544, 5.566, 9.559, 0.825, 0.840),
    "T2M-GPT": (0.775, 0.141, 3.121, 9.722, 0.145, 0.607),
    "MLD": (0.772, 0.473, 3.196, 9.724, 0.541, 0.553),
    "ReMoDiffuse": (0.795, 0.103, 2.974, 9.018, 0.125, 0.565),
}
PAPER: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    HUMANML3D.name: {
        method: dict(zip(_NAMES, values, strict=True)) for method, values in _HUMANML3D.items()
    },
    KIT.name: {
        "CrossDiff": {
            "r_precision_3": 0.704,
            "fid": 0.474,
            "mm_dist": 3.308,
            "fid_upper": 0.434,
            "fid_lower": 0.625,
        }
    },
}
"""Skeleton -> method -> score -> figure, on the licensed data sets with the published networks."""
