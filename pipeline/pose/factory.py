"""Choose a pose backend by name; only the chosen one is imported."""

from pipeline.pose.protocol import PoseEstimator, PoseSetupError
from pipeline.pose.settings import LinkSettings, MMPoseSettings, PackagedSettings, PeopleSettings

BACKENDS = ("packaged", "mmpose")
PEOPLE = ("one", "all")


def make_estimator(
    name: str,
    *,
    people: str = "one",
    packaged: PackagedSettings | None = None,
    everybody: PeopleSettings | None = None,
    mmpose: MMPoseSettings | None = None,
    link: LinkSettings | None = None,
) -> PoseEstimator:
    """Build a pose estimator.

    Args:
        name: `packaged` (MediaPipe BlazePose, offline) or `mmpose` (RTMPose and its kin).
        people: `one` follows the person whom BlazePose follows, `all` everybody. mmpose sees
            everybody as soon as it has a detector, whatever is said here.
        packaged: Settings of the packaged backend for one person.
        everybody: Settings of the packaged backend for everybody.
        mmpose: Settings of the mmpose backend.
        link: When a detection continues a track.

    Returns:
        The estimator, its models found and checked.

    Raises:
        PoseSetupError: No such backend, or something it needs is missing; one sentence.
    """
    if people not in PEOPLE:
        raise PoseSetupError(f"people is {' or '.join(PEOPLE)}, not {people!r}")
    if name == "packaged" and people == "all":
        from pipeline.pose.people import PackagedPeopleEstimator  # noqa: PLC0415 - lazy on purpose

        return PackagedPeopleEstimator(everybody, link)
    if name == "packaged":
        from pipeline.pose.packaged import PackagedEstimator  # noqa: PLC0415 - lazy on purpose

        return PackagedEstimator(packaged, link)
    if name == "mmpose":
        from pipeline.pose.mmpose_models import require_mmpose  # noqa: PLC0415

        require_mmpose()
        from pipeline.pose.mmpose_backend import MMPoseEstimator  # noqa: PLC0415

        return MMPoseEstimator(mmpose or MMPoseSettings(), link)
    raise PoseSetupError(f"no pose backend {name!r}; there is {' and '.join(BACKENDS)}")
