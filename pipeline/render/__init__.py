"""Drawing: 2D joints over video pictures, 3D skeletons, films and thumbnails of a motion."""

from pipeline.render.film import FilmInfo, film_fps, write_side_by_side, write_skeleton_film
from pipeline.render.skeleton3d import SkeletonScene, draw_scene, skeleton_scene
from pipeline.render.subjects import (
    CleanedPose,
    DetectedPose,
    FilmCaption,
    FilmMotion,
    FilmTrack,
)
from pipeline.render.thumbnail import skeleton_thumbnail, thumbnail

__all__ = [
    "CleanedPose",
    "DetectedPose",
    "FilmCaption",
    "FilmInfo",
    "FilmMotion",
    "FilmTrack",
    "SkeletonScene",
    "draw_scene",
    "film_fps",
    "skeleton_scene",
    "skeleton_thumbnail",
    "thumbnail",
    "write_side_by_side",
    "write_skeleton_film",
]
