"""Everybody in a shot while it runs: who is followed, and who was lost."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.arrays import UInt8
from pipeline.pose.blazepose_graphs import Follower, JointReader, Reading, Roi
from pipeline.pose.joint_sets import MEDIAPIPE33
from pipeline.pose.packaged import nobody
from pipeline.pose.people_search import Region, region_around, same_person
from pipeline.pose.protocol import FramePersons, trusted_confidence
from pipeline.pose.settings import PeopleSettings
from pipeline.tracking import box_areas, contained, keypoint_similarity, person_boxes

DOUBLE_AREAS = 3.0
"""A box that lies in another, this many times larger, is no double: somebody small in front of, or
behind, somebody large."""


@dataclass
class Person:
    """One person who is being followed."""

    roi: Roi
    """Where to look in the next picture."""
    follower: Follower
    reading: Reading


@dataclass
class Lost:
    """Somebody whose joints could no longer be read."""

    roi: Roi
    frames_left: int
    """Frames for which they are still looked for where they were."""


@dataclass
class Scene:
    """All that is known while one shot runs; dies with it. Each kind looks for people its way."""

    settings: PeopleSettings
    frame_size: tuple[int, int]
    reader: JointReader
    people: list[Person] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    frame: int = 0

    def take(self, picture: UInt8) -> FramePersons:
        """One frame: follow the known, look for the lost and, every so often, for new people."""
        lost_one = self.follow_known(picture)
        due = self.frame % self.settings.detect_every == 0 or not self.people or lost_one
        self.search(picture, due=due)
        self.frame += 1
        return gather([p.reading for p in self.people], self.frame_size)

    def search(self, picture: UInt8, *, due: bool) -> None:
        """Look for new and lost people.

        Args:
            picture: (H, W, 3) RGB.
            due: Whether it is time to look everywhere; else only for who was just lost.
        """
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """Whether as many are followed as may be."""
        return len(self.people) >= self.settings.max_people

    def close(self) -> None:
        """Give all graphs' memory back."""
        self.reader.close()
        for person in self.people:
            person.follower.close()

    def follow_known(self, picture: UInt8) -> bool:
        """Read everybody where they are expected; whether somebody was lost."""
        before, self.people = self.people, []
        known = len(self.lost)
        for person in before:
            reading = self.reader.read(picture, person.roi)
            if reading is None or self.is_double(reading, self.settings.double_overlap):
                self.lost.append(Lost(person.roi, self.settings.search_frames))
                person.follower.close()
            else:
                self.keep(picture, person.follower, reading)
        return len(self.lost) > known

    def where_lost(self) -> list[tuple[Roi, Region]]:
        """Around everybody lost a short while ago; who was found again is no longer looked for."""
        still = []
        for lost in self.lost:
            lost.frames_left -= 1
            if lost.frames_left > 0 and not any(same_person(lost.roi, p.roi) for p in self.people):
                still.append(lost)
        self.lost = still
        around = [(lost.roi, region_around(lost.roi, self.frame_size)) for lost in still]
        return [(roi, region) for roi, region in around if region is not None]

    def keep(self, picture: UInt8, follower: Follower, reading: Reading) -> None:
        """Go on following somebody whose joints were read."""
        roi = follower.follow(picture, reading)
        if roi is None:
            follower.close()
            return
        self.people.append(Person(roi, follower, reading))

    def is_double(self, reading: Reading, overlap: float) -> bool:
        """Whether these are the joints of somebody who is already followed in this frame.

        Args:
            reading: The joints.
            overlap: Largest share of the smaller box that may lie in the larger.
        """
        if not self.people:
            return False
        known = gather([person.reading for person in self.people], self.frame_size)
        this = gather([reading], self.frame_size)
        boxes, box = (person_boxes(p.joints, p.confidence) for p in (known, this))
        areas, area = box_areas(boxes), box_areas(box)
        alike = keypoint_similarity(known, this, areas, MEDIAPIPE33.oks_sigmas)
        ratio = np.maximum(areas, area) / np.maximum(np.minimum(areas, area), 1.0)
        inside = np.where(ratio < DOUBLE_AREAS, contained(box, boxes)[0], 0.0)
        return bool(alike.max() > self.settings.double_similarity or inside.max() > overlap)


def gather(readings: list[Reading], frame_size: tuple[int, int]) -> FramePersons:
    """One frame's persons."""
    if not readings:
        return nobody()
    joints = np.stack([reading.joints for reading in readings])
    visibility = np.stack([reading.visibility for reading in readings])
    world = np.stack([reading.world for reading in readings])
    return FramePersons(joints, trusted_confidence(joints, visibility, frame_size), world)
