"""Motions as files that other programs open: BVH, GLB, NPZ, CSV, HumanML3D's folder."""
