"""Everybody, looked for with BlazePose's own detector: in the picture and in enlarged parts."""

from dataclasses import dataclass

from pipeline.arrays import UInt8
from pipeline.pose.blazepose_graphs import Follower, PersonFinder, Reading, Roi
from pipeline.pose.joint_sets import MEDIAPIPE33
from pipeline.pose.people_scene import Person, Scene, gather
from pipeline.pose.people_search import LookAround, Region, find_in, same_person, tiles
from pipeline.tracking import box_areas, keypoint_similarity, person_boxes


@dataclass
class BlazePoseScene(Scene):
    """People are found by the network that the one-person estimator finds its person with."""

    def __post_init__(self) -> None:
        every = [t for zoom in self.settings.tile_zooms for t in tiles(self.frame_size, zoom)]
        self.around = LookAround(every, self.settings.tiles_per_look)
        self.finder = PersonFinder(self.settings.min_detection_confidence)

    def search(self, picture: UInt8, *, due: bool) -> None:
        """Look everywhere when it is time, and around the lost."""
        if due:
            whole = Region(0, 0, *self.frame_size)
            self.look(picture, [whole, *self.around.next_tiles()])
        self.look(picture, [region for _, region in self.where_lost()])

    def close(self) -> None:
        """Give all graphs' memory back."""
        self.finder.close()
        super().close()

    def look(self, picture: UInt8, regions: list[Region]) -> None:
        """Look for new people and begin to follow those whose joints can be read."""
        for region in regions:
            if self.full:
                return
            for roi in find_in(self.finder, picture, region):
                if not self.full and not any(
                    same_person(roi, person.roi) for person in self.people
                ):
                    self.begin(picture, roi)

    def begin(self, picture: UInt8, roi: Roi) -> None:
        """Follow a newcomer, if the joints read in their square lead to nearly the same again."""
        reading = self.reader.read(picture, roi)
        if reading is None or self.is_double(reading, self.settings.newcomer_overlap):
            return
        follower = Follower()
        next_roi = follower.follow(picture, reading)
        again = None if next_roi is None else self.reader.read(picture, next_roi)
        if next_roi is None or again is None or not self.is_sure(reading, again):
            follower.close()
            return
        self.people.append(Person(next_roi, follower, reading))

    def is_sure(self, reading: Reading, again: Reading) -> bool:
        """Whether two readings of a newcomer agree, and see enough of somebody."""
        first, second = (gather([r], self.frame_size) for r in (reading, again))
        least = min(float(first.confidence.mean()), float(second.confidence.mean()))
        areas = box_areas(person_boxes(first.joints, first.confidence))
        alike = keypoint_similarity(first, second, areas, MEDIAPIPE33.oks_sigmas)
        return (
            least >= self.settings.min_newcomer_confidence
            and float(alike[0, 0]) >= self.settings.min_newcomer_agreement
        )
