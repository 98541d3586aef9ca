"""People who meet: predicted paths keep them apart, and where nobody can tell, tracks end."""

import numpy as np

from pipeline.identity import unsure_pairs
from pipeline.pose import PEOPLE_LINK, FramePersons, LinkSettings, PersonTrack
from pipeline.pose.joint_sets import COCO17
from pipeline.tracking import contained, link_persons

FPS = 20.0
J = len(COCO17)
BODY = np.random.default_rng(1).uniform(-1, 1, (J, 2)).astype(np.float32)


def _walkers(paths: np.ndarray, hidden: dict[int, int] | None = None) -> list[FramePersons]:
    """(T, P) x positions to frames; `hidden` says who is not seen in which frame."""
    frames = []
    for t, xs in enumerate(paths):
        seen = [p for p in range(len(xs)) if (hidden or {}).get(t) != p]
        joints = [BODY * np.float32([20, 60]) + np.float32([xs[p], 120 + 2 * p]) for p in seen]
        frames.append(
            FramePersons(
                np.array(joints, np.float32).reshape(-1, J, 2),
                np.full((len(seen), J), 0.9, np.float32),
            )
        )
    return frames


def _link(frames: list[FramePersons], link: LinkSettings) -> list[PersonTrack]:
    return link_persons(frames, np.arange(len(frames)) / FPS, "coco17", (640, 240), link)


def _swapped(tracks: list[PersonTrack]) -> int:
    """Tracks that hold more than one walker; the second stands 2 pixels lower."""
    heights = [track.pose.joints[track.seen, :, 1].mean(axis=1) for track in tracks]
    return sum(bool(np.ptp(height) > 1) for height in heights)


CROSSING = np.stack([np.linspace(100, 500, 60), np.linspace(500, 100, 60)], 1)
BEHIND = dict.fromkeys(range(26, 34), 1)
"""The second walker is hidden by the first while they pass."""


def test_walkers_who_cross_are_not_swapped() -> None:
    tracks = _link(_walkers(CROSSING, BEHIND), PEOPLE_LINK)
    assert _swapped(tracks) == 0
    assert sum(int(t.seen.sum()) for t in tracks) == 2 * 60 - len(BEHIND)
    assert len(tracks) <= 4


def test_prediction_finds_the_hidden_walker_again() -> None:
    tracks = _link(_walkers(CROSSING, BEHIND), LinkSettings(predict=True))
    assert len(tracks) == 2
    assert _swapped(tracks) == 0
    assert len(_link(_walkers(CROSSING, BEHIND), LinkSettings())) > 2, "needs no prediction"


def test_where_two_stand_in_one_place_both_tracks_end() -> None:
    meeting = np.stack([np.linspace(200, 300, 20), np.linspace(400, 300, 20)], 1)
    paths = np.concatenate([meeting, meeting[::-1]])  # they meet and part: nobody can tell how
    plain = _link(_walkers(paths), LinkSettings())
    honest = _link(_walkers(paths), LinkSettings(unsure_margin=0.1))
    assert len(plain) == 2
    assert len(honest) > 2
    assert all(t.first_frame + len(t.seen) < 40 for t in honest if t.first_frame == 0)
    assert sum(int(t.seen.sum()) for t in honest) == 80, "a detection was lost"


def test_a_link_is_unsure_only_where_a_rival_comes_near() -> None:
    sure = np.array([[0.9, 0.2], [0.1, 0.8]])
    close = np.array([[0.9, 0.85], [0.85, 0.9]])
    lost_rival = np.array([[0.9], [0.85]])
    pairs, both = [(0, 0), (1, 1)], [True, True]
    assert unsure_pairs(sure, pairs, both, [0.0, 0.0], 0.1) == set()
    assert unsure_pairs(close, pairs, both, [0.0, 0.0], 0.1) == set(pairs)
    assert unsure_pairs(close, pairs, both, [0.0, 0.0], 0.04) == set()
    assert unsure_pairs(lost_rival, [(0, 0)], both, [0.0, 0.0], 0.1) == {(0, 0)}
    assert unsure_pairs(lost_rival, [(0, 0)], [True, False], [0.0, 0.0], 0.1) == set(), (
        "a flicker contests"
    )
    assert unsure_pairs(lost_rival, [(0, 0)], both, [1.0, 0.0], 0.1) == set(), "the lost contest"


def test_defaults_tell_an_id_nothing_new() -> None:
    assert LinkSettings().told() == {"max_gap_s": 1.0, "min_similarity": 0.1}
    assert PEOPLE_LINK.told()["predict"] is True


def test_containment_of_known_boxes() -> None:
    small, large = np.float32([[2, 2, 4, 4]]), np.float32([[0, 0, 10, 3]])
    assert contained(small, large).item() == 0.5
    assert contained(small, np.float32([[np.nan] * 4])).item() == 0
