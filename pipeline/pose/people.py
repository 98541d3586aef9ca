"""The offline default for everybody in the picture: BlazePose's weights, one follower a person."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from pipeline.arrays import UInt8
from pipeline.carriers import FrameBatch
from pipeline.pose.blazepose_graphs import Follower, JointReader, PersonFinder, Reading, Roi
from pipeline.pose.joint_sets import MEDIAPIPE33
from pipeline.pose.packaged import CHATTER, MODEL_COMPLEXITY, nobody, packaged_id
from pipeline.pose.people_search import (
    LookAround,
    Region,
    find_in,
    region_around,
    same_person,
    tiles,
)
from pipeline.pose.protocol import FramePersons, PersonTrack, iterate_frames, trusted_confidence
from pipeline.pose.quiet import stderr_without
from pipeline.pose.settings import PEOPLE_LINK, LinkSettings, PeopleSettings
from pipeline.tracking import (
    box_areas,
    contained,
    keypoint_similarity,
    link_as_found,
    person_boxes,
)

DOUBLE_AREAS = 3.0
"""A box that lies in another, this many times larger, is no double: somebody small in front of, or
behind, somebody large."""


@dataclass
class _Person:
    """One person who is being followed."""

    roi: Roi
    """Where to look in the next picture."""
    follower: Follower
    reading: Reading


@dataclass
class _Lost:
    """Somebody whose joints could no longer be read."""

    roi: Roi
    frames_left: int
    """Frames for which they are still looked for where they were."""


@dataclass
class _Scene:
    """All that is known while one shot runs; dies with it."""

    settings: PeopleSettings
    frame_size: tuple[int, int]
    finder: PersonFinder
    reader: JointReader
    people: list[_Person] = field(default_factory=list)
    lost: list[_Lost] = field(default_factory=list)
    frame: int = 0

    def __post_init__(self) -> None:
        every = [t for zoom in self.settings.tile_zooms for t in tiles(self.frame_size, zoom)]
        self.around = LookAround(every, self.settings.tiles_per_look)

    def take(self, picture: UInt8) -> FramePersons:
        """One frame: follow the known, look for the lost and, every so often, for new people."""
        lost_one = self._follow_known(picture)
        if self.frame % self.settings.detect_every == 0 or not self.people or lost_one:
            self._look(picture, self._regions())
        self._look(picture, self._where_lost())
        self.frame += 1
        return _gather([p.reading for p in self.people], self.frame_size)

    def close(self) -> None:
        """Give all graphs' memory back."""
        self.finder.close()
        self.reader.close()
        for person in self.people:
            person.follower.close()

    def _follow_known(self, picture: UInt8) -> bool:
        """Read everybody where they are expected; whether somebody was lost."""
        before, self.people = self.people, []
        known = len(self.lost)
        for person in before:
            reading = self.reader.read(picture, person.roi)
            if reading is None or self._is_double(reading, self.settings.double_overlap):
                self.lost.append(_Lost(person.roi, self.settings.search_frames))
                person.follower.close()
            else:
                self._keep(picture, person.follower, reading)
        return len(self.lost) > known

    def _regions(self) -> list[Region]:
        return [Region(0, 0, *self.frame_size), *self.around.next_tiles()]

    def _where_lost(self) -> list[Region]:
        """Around everybody lost a short while ago; who was found again is no longer looked for."""
        still = []
        for lost in self.lost:
            lost.frames_left -= 1
            if lost.frames_left > 0 and not any(same_person(lost.roi, p.roi) for p in self.people):
                still.append(lost)
        self.lost = still
        around = [region_around(lost.roi, self.frame_size) for lost in still]
        return [region for region in around if region is not None]

    def _look(self, picture: UInt8, regions: list[Region]) -> None:
        """Look for new people and begin to follow those whose joints can be read."""
        for region in regions:
            if len(self.people) >= self.settings.max_people:
                return
            for roi in find_in(self.finder, picture, region):
                if len(self.people) < self.settings.max_people and not any(
                    same_person(roi, person.roi) for person in self.people
                ):
                    self._begin(picture, roi)

    def _begin(self, picture: UInt8, roi: Roi) -> None:
        """Follow a newcomer, if the joints read in their square lead to nearly the same again."""
        reading = self.reader.read(picture, roi)
        if reading is None or self._is_double(reading, self.settings.newcomer_overlap):
            return
        follower = Follower()
        next_roi = follower.follow(picture, reading)
        again = None if next_roi is None else self.reader.read(picture, next_roi)
        if next_roi is None or again is None or not self._is_sure(reading, again):
            follower.close()
            return
        self.people.append(_Person(next_roi, follower, reading))

    def _keep(self, picture: UInt8, follower: Follower, reading: Reading) -> None:
        roi = follower.follow(picture, reading)
        if roi is None:
            follower.close()
            return
        self.people.append(_Person(roi, follower, reading))

    def _is_sure(self, reading: Reading, again: Reading) -> bool:
        """Whether two readings of a newcomer agree, and see enough of somebody."""
        first, second = (_gather([r], self.frame_size) for r in (reading, again))
        least = min(float(first.confidence.mean()), float(second.confidence.mean()))
        areas = box_areas(person_boxes(first.joints, first.confidence))
        alike = keypoint_similarity(first, second, areas, MEDIAPIPE33.oks_sigmas)
        return (
            least >= self.settings.min_newcomer_confidence
            and float(alike[0, 0]) >= self.settings.min_newcomer_agreement
        )

    def _is_double(self, reading: Reading, overlap: float) -> bool:
        """Whether these are the joints of somebody who is already followed in this frame.

        Args:
            reading: The joints.
            overlap: Largest share of the smaller box that may lie in the larger.
        """
        if not self.people:
            return False
        known = _gather([person.reading for person in self.people], self.frame_size)
        this = _gather([reading], self.frame_size)
        boxes, box = (person_boxes(p.joints, p.confidence) for p in (known, this))
        areas, area = box_areas(boxes), box_areas(box)
        alike = keypoint_similarity(known, this, areas, MEDIAPIPE33.oks_sigmas)
        ratio = np.maximum(areas, area) / np.maximum(np.minimum(areas, area), 1.0)
        inside = np.where(ratio < DOUBLE_AREAS, contained(box, boxes)[0], 0.0)
        return bool(alike.max() > self.settings.double_similarity or inside.max() > overlap)


class PackagedPeopleEstimator:
    """BlazePose (full) on the CPU, one thread, 33 landmarks, everybody.

    People are looked for every few frames in the whole picture and in enlarged parts of it, and
    followed in between, each in a square of their own. The confidence is the landmark's
    `visibility`, as with `PackagedEstimator`. At that estimator's `min_detection_confidence` (0.5;
    a lower one shifts the first square a little) and nobody else in sight, the joints of one person
    who is never lost are its own, to the bit.
    """

    joint_set = MEDIAPIPE33.name

    def __init__(
        self, settings: PeopleSettings | None = None, link: LinkSettings | None = None
    ) -> None:
        """Check that the models are there; load nothing yet.

        Args:
            settings: How people are looked for; the defaults when None.
            link: When a detection continues a track; `PEOPLE_LINK` when None.

        Raises:
            PoseSetupError: mediapipe is not installed, or its wheel carries no model.
        """
        self._settings = settings or PeopleSettings()
        self._link = link or PEOPLE_LINK
        self._id = packaged_id("blazepose-full-people", [self._settings.told(), self._link.told()])

    @property
    def estimator_id(self) -> str:
        """`mediapipe-<version>:blazepose-full-people:settings-<sha>:weights-<sha>`."""
        return self._id

    def estimate(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> list[PersonTrack]:
        """Find and follow everybody in one shot; see `PoseEstimator.estimate`."""
        found = self._frame_persons(batches, frame_size)
        tracks = link_as_found(found, self.joint_set, frame_size, self._link)
        return [t for t in tracks if int(t.seen.sum()) >= self._settings.min_track_frames]

    def _frame_persons(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> Iterator[tuple[float, FramePersons]]:
        """Run fresh graphs over the frames."""
        scene: _Scene | None = None
        warming_up = True  # until a person was seen: the last of the chatter comes with them
        try:
            for time, frame in iterate_frames(batches, frame_size):
                with stderr_without(CHATTER) if warming_up else nullcontext():
                    scene = scene or _new_scene(self._settings, frame_size)
                    persons = scene.take(frame)
                warming_up = warming_up and not len(persons)
                yield time, persons
        finally:
            if scene is not None:
                scene.close()


def _new_scene(settings: PeopleSettings, frame_size: tuple[int, int]) -> _Scene:
    finder = PersonFinder(settings.min_detection_confidence)
    reader = JointReader(settings.min_tracking_confidence, MODEL_COMPLEXITY)
    return _Scene(settings, frame_size, finder, reader)


def _gather(readings: list[Reading], frame_size: tuple[int, int]) -> FramePersons:
    """One frame's persons."""
    if not readings:
        return nobody()
    joints = np.stack([reading.joints for reading in readings])
    visibility = np.stack([reading.visibility for reading in readings])
    world = np.stack([reading.world for reading in readings])
    return FramePersons(joints, trusted_confidence(joints, visibility, frame_size), world)
