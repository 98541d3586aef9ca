"""Choose a pose backend by name; only the chosen one is imported."""

from pipeline.pose.protocol import PoseEstimator, PoseSetupError
from pipeline.pose.settings import LinkSettings, MMPoseSettings, PackagedSettings

BACKENDS = ("packaged", "mmpose")


def make_estimator(
    name: str,
    *,
    packaged: PackagedSettings | None = None,
    mmpose: MMPoseSettings | None = None,
    link: LinkSettings | None = None,
) -> PoseEstimator:
    """Build a pose estimator.

    Args:
        name: `packaged` (MediaPipe BlazePose, offline) or `mmpose` (RTMPose and its kin).
        packaged: Settings of the packaged backend.
        mmpose: Settings of the mmpose backend.
        link: When a detection continues a track.

    Returns:
        The estimator, its models found and checked.

    Raises:
        PoseSetupError: No such backend, or something it needs is missing; one sentence.
    """
    if name == "packaged":
        from pipeline.pose.packaged import PackagedEstimator  # noqa: PLC0415 - lazy on purpose

        return PackagedEstimator(packaged, link)
    if name == "mmpose":
        from pipeline.pose.mmpose_models import require_mmpose  # noqa: PLC0415

        require_mmpose()
        from pipeline.pose.mmpose_backend import MMPoseEstimator  # noqa: PLC0415

        return MMPoseEstimator(mmpose or MMPoseSettings(), link)
    raise PoseSetupError(f"no pose backend {name!r}; there is {' and '.join(BACKENDS)}")
