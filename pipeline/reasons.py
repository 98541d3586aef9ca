"""Why a clip did not become motion: a closed list of reason codes, stored with the row."""

from enum import StrEnum


class Reason(StrEnum):
    """One cause each; the value is what the `videos` table stores in `reason`."""

    NOT_FOUND = "not_found"  # the path does not exist (any more)
    UNREADABLE = "unreadable"  # the operating system refuses to open or read it
    EMPTY_FILE = "empty_file"  # zero bytes
    NOT_A_VIDEO = "not_a_video"  # no decoder recognises the content
    NO_MOOV = "no_moov"  # an MP4/MOV whose index (moov atom) is missing: cut off while written
    NO_FRAMES = "no_frames"  # a container that opens but gives no picture
    DECODE_ERROR = "decode_error"  # the decoders fail part-way and too little is left
    FRAME_TOO_LARGE = "frame_too_large"  # the picture has more pixels than the limit
    DECODER_CRASHED = "decoder_crashed"  # the decoding process died (signal, out of memory)
    DECODE_TIMEOUT = "decode_timeout"  # the decoder gave no frame for too long
    BAD_RECORD = "bad_record"  # an entry of a skeleton file that lacks what a clip needs
    TOO_SHORT = "too_short"  # fewer frames at 20 fps than the shortest clip kept
    NO_PERSON = "no_person"  # no person in (nearly) every frame
    PERSON_TOO_BRIEF = "person_too_brief"  # a person, but no run long enough to be a clip
    PERSON_TOO_SMALL = "person_too_small"  # a person too small in the picture to measure
    TOO_FEW_JOINTS = "too_few_joints"  # a person of whom too little can be seen (a face, a hand)
    POSE_ERROR = "pose_error"  # the pose backend raised on this clip
    LIFT_ERROR = "lift_error"  # the lift gave no finite motion


class PipelineError(Exception):
    """A clip that cannot go on, with the reason code its row will carry.

    Attributes:
        reason: The code.
        detail: One sentence for a human; never a traceback.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["PipelineError"], tuple[Reason, str]]:
        """Survive the trip between processes."""
        return (PipelineError, (self.reason, self.detail))
