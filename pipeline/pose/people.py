"""The offline default for everybody in the picture: BlazePose's weights, one follower a person."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from pipeline.carriers import FrameBatch
from pipeline.pose.blazepose_graphs import JointReader
from pipeline.pose.joint_sets import MEDIAPIPE33
from pipeline.pose.movenet import weights_sha
from pipeline.pose.packaged import CHATTER, MODEL_COMPLEXITY, packaged_id
from pipeline.pose.people_blazepose import BlazePoseScene
from pipeline.pose.people_scene import Scene
from pipeline.pose.protocol import FramePersons, PersonTrack, iterate_frames
from pipeline.pose.quiet import stderr_without
from pipeline.pose.settings import PEOPLE_LINK, LinkSettings, PeopleSettings
from pipeline.tracking import link_as_found


class PackagedPeopleEstimator:
    """BlazePose (full) on the CPU, one thread, 33 landmarks, everybody.

    Every few frames MoveNet looks for people in the whole picture; BlazePose reads everybody's
    joints in a turned square of their own, which follows them, and is put right where a sure
    detection disagrees. With the detector `blazepose`, its `min_detection_confidence` at 0.5 (as
    for one person) and nobody else in sight, the joints of one person who is never lost are
    `PackagedEstimator`'s, to the bit. The confidence is the landmark's `visibility`.
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
            PoseSetupError: mediapipe is not installed, or a model's file is missing.
        """
        self._settings = settings or PeopleSettings()
        self._link = link or PEOPLE_LINK
        name = "blazepose-full-people"
        if self._settings.detector == "movenet":
            name = f"movenet-{weights_sha()}+{name}"
        self._id = packaged_id(name, [self._settings.told(), self._link.told()])

    @property
    def estimator_id(self) -> str:
        """`mediapipe-<version>:blazepose-full-people:settings-<sha>:weights-<sha>`.

        With MoveNet `movenet-<sha>+` stands before `blazepose-full-people`.
        """
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
        scene: Scene | None = None
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


def _new_scene(settings: PeopleSettings, frame_size: tuple[int, int]) -> Scene:
    if settings.detector == "movenet":
        from pipeline.pose.people_movenet import MoveNetScene  # noqa: PLC0415 - only where asked

        reader = JointReader(settings.movenet_tracking, MODEL_COMPLEXITY)
        return MoveNetScene(settings, frame_size, reader)
    reader = JointReader(settings.min_tracking_confidence, MODEL_COMPLEXITY)
    return BlazePoseScene(settings, frame_size, reader)
