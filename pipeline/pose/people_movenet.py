"""Everybody, looked for with MoveNet, which seats BlazePose's readers and puts them right."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import UInt8
from pipeline.pose.blazepose_graphs import Follower, Reading, Roi
from pipeline.pose.movenet import Detection, MoveNet
from pipeline.pose.people_scene import Person, Scene
from pipeline.pose.people_search import Region, same_size
from pipeline.pose.seats import agreement, box_of, seat_of, turned_between
from pipeline.tracking import box_iou

SAME_IOU = 0.3
"""A detection whose box overlaps a followed person's joints' box by more is that person."""
TURNED = np.pi / 3
"""A square turned by more than this against the detection's leads astray ..."""
RESIZED = 1.5
"""... as one does that is so many times larger or smaller."""
SURE_SCORE = 0.3
"""Least score of a detection that may re-seat somebody."""
CLEARLY_BETTER = 0.1
"""By so much (OKS) the joints read in the new seat must agree more with the detection."""


@dataclass
class MoveNetScene(Scene):
    """MoveNet looks every few frames at the whole picture, and closely where somebody was lost."""

    def __post_init__(self) -> None:
        self.net = MoveNet(self.settings.movenet_score)

    def search(self, picture: UInt8, *, due: bool) -> None:
        """Look everywhere when it is time; closely around those who are lost even then.

        Close by, an onlooker is as easily found as the lost: only somebody of their size counts.
        """
        if due:
            self.seat_all(picture, self.net.find(picture))
        for lost, region in self.where_lost():
            if self.frame % self.settings.lost_every:
                continue
            near = self._closely(picture, region)
            self.seat_all(picture, [d for d in near if same_size(seat_of(d), lost)])

    def seat_all(self, picture: UInt8, found: list[Detection]) -> None:
        """Follow who is new, and put right who is followed wrongly."""
        for detection in found:
            seat, known = seat_of(detection), self._whose(detection)
            if known is not None:
                self._put_right(picture, known, detection, seat)
            elif not self.full:
                self._begin(picture, detection, seat)

    def _closely(self, picture: UInt8, region: Region) -> list[Detection]:
        """Who is in an enlarged part of a picture, in pixels of the whole."""
        corner = np.array([region.x, region.y], np.float32)
        part = picture[region.y : region.y + region.height, region.x : region.x + region.width]
        return [
            replace(d, box=d.box + np.tile(corner, 2), joints=d.joints + corner)
            for d in self.net.find(part)
        ]

    def _whose(self, detection: Detection) -> int | None:
        """Who of the followed it is."""
        if not self.people:
            return None
        boxes = np.stack([box_of(person.reading) for person in self.people])
        overlap = box_iou(detection.box[None], boxes)[0]
        best = int(overlap.argmax())
        return best if overlap[best] > SAME_IOU else None

    def _begin(self, picture: UInt8, detection: Detection, seat: Roi) -> None:
        """Follow a newcomer whose joints, as read, are about those that were detected."""
        reading = self.reader.read(picture, seat)
        if reading is None or self.is_double(reading, self.settings.double_overlap):
            return
        if agreement(detection, reading) >= self.settings.min_newcomer_agreement:
            self._follow(picture, reading, None)

    def _put_right(self, picture: UInt8, known: int, detection: Detection, seat: Roi) -> None:
        """Read somebody anew where they were detected, if their square has gone astray."""
        person = self.people[known]
        ratio = max(seat.width, person.roi.width) / max(min(seat.width, person.roi.width), 1e-6)
        astray = turned_between(seat, person.roi) > TURNED or ratio > RESIZED
        if detection.score < SURE_SCORE or not astray:
            return
        reading = self.reader.read(picture, seat)
        before = agreement(detection, person.reading)
        if reading is not None and agreement(detection, reading) > before + CLEARLY_BETTER:
            self._follow(picture, reading, known)

    def _follow(self, picture: UInt8, reading: Reading, place: int | None) -> None:
        """Follow somebody from these joints on, as a newcomer or in somebody's place."""
        follower = Follower()
        roi = follower.follow(picture, reading)
        if roi is None:
            follower.close()
        elif place is None:
            self.people.append(Person(roi, follower, reading))
        else:
            self.people[place].follower.close()
            self.people[place] = Person(roi, follower, reading)
