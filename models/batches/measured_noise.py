"""Detector noise by name; `tests/benchmarks/detector_errors.py` measured what is not guessed."""

from models.batches.detector_noise import DetectorNoise

NO_NOISE = DetectorNoise()
BASE_NOISE = DetectorNoise(share=0.5, jitter_m=0.04, white_share=0.5, flicker_share=0.4)
"""Guessed, and larger than any detector's; the shipped weights were trained with it."""
# fmt: off
BLAZEPOSE = DetectorNoise(
    share=0.75,
    jitter_m=0.01,
    scale=0.06,
    drop_share=0.25,
    flicker_share=0.2,
    # pelvis, hips, spine1, knees, spine2, ankles, spine3, feet, neck, collars, head, shoulders,
    # elbows, wrists
    constant_m=(
        0.034, 0.021, 0.021, 0.028, 0.015, 0.015, 0.017, 0.017, 0.017, 0.011, 0.014, 0.014,
        0.034, 0.020, 0.020, 0.037, 0.027, 0.027, 0.022, 0.022, 0.011, 0.011,
    ),
    moving_m=(
        0.009, 0.010, 0.010, 0.010, 0.010, 0.010, 0.009, 0.010, 0.010, 0.008, 0.010, 0.010,
        0.009, 0.010, 0.010, 0.008, 0.011, 0.011, 0.013, 0.013, 0.010, 0.010,
    ),
    moving_frames=7,
    level_spread=0.5,
    failure_share=0.25,
    failure_m=0.15,
    swap_share=0.15,
    frame_share=0.25,
    burst_share=0.1,
    confidence_at_1m=2.86,
    confidence_slope=-0.22,
    confidence_spread=2.14,
)
# fmt: on
"""MediaPipe's BlazePose after mapping and cleaning, on nine rendered clips (819 frames), left and
right averaged. Measured: `constant_m`, `moving_m`, `moving_frames` and the confidences. Chosen to
cover what was seen, or for what those clips do not show: the shares, `level_spread`, `scale` and
`failure_m`."""
NOISES = {"none": NO_NOISE, "base": BASE_NOISE, "blazepose": BLAZEPOSE}
"""By `--noise`."""
