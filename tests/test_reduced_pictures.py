"""Pictures are made smaller cheaply, and stay where they were."""

import cv2
import numpy as np
import pytest

from pipeline.reduced_pictures import halving, reduced, reduction


def bumps(width: int, height: int) -> np.ndarray:
    """A smooth picture, so that any way of making it smaller gives about the same."""
    y, x = np.mgrid[:height, :width]
    wave = np.sin(2 * np.pi * x / 91) + np.cos(2 * np.pi * y / 77)
    return (127 + 50 * wave).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "halves", "answer"),
    [
        ((320, 240), 0, (320, 240)),
        ((340, 256), 0, (320, 241)),
        ((640, 480), 1, (320, 240)),
        ((1280, 720), 2, (320, 180)),
        ((1081, 1921), 2, (180, 320)),
        ((100, 60), 0, (100, 60)),
    ],
)
def test_the_longer_side_comes_down_to_what_was_asked(size, halves, answer) -> None:
    how = reduction(size, 320)
    assert (how.halvings, how.size) == (halves, answer)
    small = reduced(bumps(*size), how)
    assert small.shape == answer[::-1] and small.dtype == np.uint8
    assert reduced(np.zeros((*size[::-1], 3), np.uint8), how).shape == (*answer[::-1], 3)


@pytest.mark.parametrize("size", [(340, 256), (645, 483), (1281, 719)])
def test_a_pixel_lies_where_the_factors_say(size) -> None:
    picture, how = bumps(*size), reduction(size, 320)
    small = reduced(picture, how).astype(float)
    v, u = np.mgrid[4 : small.shape[0] - 4, 4 : small.shape[1] - 4].astype(np.float32)
    x, y = ((axis + 0.5) * by - 0.5 for axis, by in zip((u, v), how.scale, strict=True))
    there = cv2.remap(picture.astype(np.float32), x.astype(np.float32), y.astype(np.float32), 1)
    inner = small[4:-4, 4:-4]
    assert np.abs(inner - there).mean() < 1.0
    # The bound means something: half a pixel of the small picture off is seen.
    assert np.abs(inner[:, 1:] - there[:, :-1]).mean() > 2.0


def test_a_picture_that_is_small_enough_is_not_touched() -> None:
    picture = bumps(120, 80)
    assert reduced(picture, reduction((120, 80), 320)) is picture


def test_halves_stay_at_least_as_long_as_was_asked() -> None:
    for longer, answer in (
        (127, 127),
        (256, 128),
        (320, 160),
        (1280, 160),
        (1281, 160),
        (511, 255),
    ):
        assert halving((longer, longer // 2), 128).size[0] == answer
    assert halving((5000, 1), 128).size == (5000, 1)
