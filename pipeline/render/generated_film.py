"""Films of motions that no video shows: the skeleton over the sentences that it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import AnyFloat, Float64, UInt8
from pipeline.render import canvas
from pipeline.render.camera import AZIMUTH_DEG
from pipeline.render.film import PANEL_PX, FilmInfo
from pipeline.render.mp4 import mp4_writer
from pipeline.render.palette import STRIP, TEXT
from pipeline.render.skeleton3d import draw_scene, skeleton_scene
from pipeline.render.strip import MARGIN_PX, TITLE_BASELINE, blank_strip, draw_clock
from pipeline.render.subjects import FilmCaption
from pipeline.skeletons import HUMANML3D, Skeleton
from pipeline.views import UNITS_PER_METRE

WIDTH_PX = PANEL_PX * 4 // 3
SENTENCE_PX = 12.0
LINE_PX = 22
"""Distance between two lines of a sentence."""
MOST_LINES = 4
"""A sentence that needs more ends in dots."""
LONGEST_CLOCK = "000.00 s"
"""Stands beside the last line."""
LONGEST_WORD, MOST_WORDS = 80, 200
"""Letters and words that are looked at: more than ever fit."""


@dataclass(frozen=True)
class Sentence:
    """What the body is asked to do from a frame on."""

    start: int
    """Frame number."""
    text: str


def write_generated_film(
    joints: AnyFloat,
    fps: float,
    out: Path | str,
    sentences: Sequence[Sentence],
    *,
    note: str = "",
    skeleton: Skeleton = HUMANML3D,
) -> FilmInfo:
    """Write a motion as a film, a picture a frame, with the sentence of the moment under it.

    Args:
        joints: (T, J, 3) metres, y up; or (T, J, 2) of a projected view, which is shown as a flat
            body facing the camera.
        fps: Frames a second.
        out: An `.mp4` file.
        sentences: By rising start; the first one starts at 0. Letters that the film's font lacks
            become `?`, and lines too many are left out.
        note: A few words under the sentence, e.g. how the motion was made.
        skeleton: Whose joints they are.

    Raises:
        ValueError: `out` cannot be written, or the joints have another shape or are not finite.
    """
    flat = joints.ndim == 3 and joints.shape[-1] == 2
    body = _standing_flat(joints) if flat else joints
    azimuth = 0.0 if flat else AZIMUTH_DEG
    scene = skeleton_scene(body, fps, (WIDTH_PX, PANEL_PX), azimuth, skeleton)
    lines = [_wrapped(sentence.text) for sentence in sentences] or [[]]
    strips = [_strip(part, max(map(len, lines)), note) for part in lines]
    size = (WIDTH_PX, PANEL_PX + len(strips[0]))
    with mp4_writer(out, size, fps) as write:
        for frame in range(scene.n_frames):
            said = [i for i, sentence in enumerate(sentences) if sentence.start <= frame]
            now = strips[said[-1] if said else 0].copy()
            # The clock belongs to the lowest part of the strip, which has the usual layout.
            draw_clock(now[-_base_height() :], frame / fps, None)
            write(np.vstack([draw_scene(scene, float(frame)), now]))
    return FilmInfo(Path(out), scene.n_frames, fps, *size)


def _standing_flat(view: AnyFloat) -> Float64:
    """(T, J, 3) metres of a view (T, J, 2): in the plane z = 0, its lowest joint on the floor."""
    metres = view.astype(np.float64) / UNITS_PER_METRE
    metres[..., 1] -= metres[..., 1].min()
    return np.concatenate([metres, np.zeros_like(metres[..., :1])], axis=-1)


def _base_height() -> int:
    return len(blank_strip(WIDTH_PX, FilmCaption("")))


def _strip(lines: Sequence[str], most: int, note: str) -> UInt8:
    """The strip under the picture, as high as the longest sentence of the film needs."""
    head = canvas.filled((WIDTH_PX, LINE_PX * (max(most, 1) - 1)), STRIP)
    strip = np.vstack([head, blank_strip(WIDTH_PX, FilmCaption("", note=note))])
    for number, line in enumerate(lines):
        place = (MARGIN_PX, TITLE_BASELINE + LINE_PX * number)
        canvas.text(strip, line, place, SENTENCE_PX, TEXT)
    return strip


def _wrapped(words: str) -> list[str]:
    """At most `MOST_LINES` lines that fit the width; a word too long for a line is cut."""
    room = WIDTH_PX - 2 * MARGIN_PX - canvas.text_width(f"{LONGEST_CLOCK} ", SENTENCE_PX)
    lines: list[str] = []
    rest = [word[:LONGEST_WORD] for word in canvas.plain(words).split()[:MOST_WORDS]]
    while rest and len(lines) < MOST_LINES:
        count = 1
        while count < len(rest) and _width(rest[: count + 1]) <= room:
            count += 1
        line = " ".join(rest[:count])
        while _width([line]) > room:
            line = line[:-1]
        lines.append(line)
        rest = rest[count:]
    if rest:
        lines[-1] = lines[-1][:-3] + "..."
    return lines


def _width(words: Sequence[str]) -> int:
    return canvas.text_width(" ".join(words), SENTENCE_PX)
