"""What a reader may notice about a file and survive: the codes of `VideoInfo.warnings`."""

from enum import StrEnum


class Notice(StrEnum):
    """One observation each; a file may carry several."""

    HEADER_FRAME_COUNT = "header_frame_count"  # the header claims another number of frames
    DAMAGED_FRAMES = "damaged_frames"  # some frames are missing or were patched up by the codec
    TRUNCATED = "truncated"  # the file ends before its own structure says
    DECODER_SWITCHED = "decoder_switched"  # decord failed part-way, OpenCV read the rest
    TIMES_FROM_INDEX = "times_from_index"  # the file holds no times: frame number / frame rate
    TIMES_FILLED = "times_filled"  # some times were missing and interpolated from the others
    TIMES_UNORDERED = "times_unordered"  # times ran backwards in display order; sorted
    TIMES_RESET = "times_reset"  # the clock restarted inside the file; joined end to end
    TIMES_UNCERTAIN = "times_uncertain"  # decord repeated frames: times may be off by those
    NON_SQUARE_PIXELS = "non_square_pixels"  # pixels are not square; frames are left as stored
