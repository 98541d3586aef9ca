"""What a training step trains on: a run's constants, and the motions and clips of each step."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from models.batches.augment import CROP_UNIT, make_batch
from models.batches.batch import Batch
from models.batches.wild_batch import make_wild_batch
from models.data.training_data import MotionBank
from models.data.wild_bank import WildBank
from models.diffusion import ForwardProcess
from models.train.data_order import EpochWalk, LengthGroups
from models.train.run_state import Run
from models.train.train_config import TrainConfig
from pipeline.representation3d import field_slices
from pipeline.skeletons import Skeleton

WILD_SEED = 500_009
"""Keeps the order of the in-the-wild clips apart from that of the motion capture."""


def feature_weights(config: TrainConfig, skeleton: Skeleton) -> Tensor:
    """(D3,) loss weight of each 3D feature, mean 1."""
    weight = torch.ones(skeleton.dim3)
    weight[field_slices(skeleton)["positions"]] = config.position_weight
    return weight / weight.mean()


@dataclass(frozen=True)
class Fixed:
    """Constants of a run on its device."""

    stats: dict[str, Tensor]
    process: ForwardProcess
    weight3: Tensor
    """(D3,) from `feature_weights`."""
    eligible: dict[int, Tensor]
    """Per window length: the motions that may be drawn for it."""
    has_3d: Tensor | None = None
    """(N,) motions whose 3D may be used; None: all."""
    walk: EpochWalk | None = None
    """The order of the epochs, where every window takes the same motions."""
    left_out: int = 0
    """Motions that are too short for every window, or have nothing that is trained."""
    wild_walk: EpochWalk | None = None
    """The order of the in-the-wild clips' own epochs."""

    @staticmethod
    def create(
        run: Run,
        bank: MotionBank,
        device: torch.device,
        has_3d: Tensor | None = None,
        wild: WildBank | None = None,
    ) -> "Fixed":
        """Move statistics, schedule and feature weights to the device.

        Raises:
            ValueError: No motion is long enough for one of the windows.
        """
        config, arrays = run.config, run.statistics.arrays().items()
        if has_3d is not None:
            has_3d = has_3d.to(device)
        eligible = {w: _eligible(config, bank, w, has_3d) for w in config.windows}
        empty = [w for w, index in eligible.items() if len(index) == 0]
        if empty:
            raise ValueError(f"no training motion has {min(empty)} frames: choose shorter windows")
        most = max(eligible.values(), key=len)
        return Fixed(
            {k: torch.from_numpy(v).to(device) for k, v in arrays},
            ForwardProcess.create(device),
            feature_weights(config, run.skeleton).to(device),
            eligible,
            has_3d if config.trains_2d else None,
            None if config.bucketed else EpochWalk(config.seed, most, _groups(config, bank, most)),
            len(bank) - len(most),
            None if wild is None else _wild_walk(config, wild.to(device)),
        )


def _groups(config: TrainConfig, bank: MotionBank, motions: Tensor) -> LengthGroups | None:
    if not config.length_groups:
        return None
    lengths = bank.rows[motions].clamp(max=max(config.windows)).cpu()
    return LengthGroups(lengths, config.batch_size, config.length_groups)


def _wild_walk(config: TrainConfig, wild: WildBank) -> EpochWalk:
    long_enough = torch.nonzero(wild.motions.rows >= CROP_UNIT).flatten()
    if not len(long_enough):
        raise ValueError(f"no in-the-wild clip has more than {CROP_UNIT} frames")
    return EpochWalk(config.seed + WILD_SEED, long_enough)


def _eligible(config: TrainConfig, bank: MotionBank, window: int, has_3d: Tensor | None) -> Tensor:
    shortest = window if config.bucketed else CROP_UNIT
    fits = bank.rows >= shortest
    if has_3d is not None and not config.trains_2d:
        fits = fits & has_3d
    return torch.nonzero(fits).flatten()


def draw_window(config: TrainConfig, g: torch.Generator) -> int:
    """The crop length of one step; `g` is a CPU generator."""
    return config.windows[int(torch.randint(0, len(config.windows), (1,), generator=g))]


def draw_motions(
    config: TrainConfig, fixed: Fixed, window: int, g: torch.Generator | None
) -> Tensor:
    """(B,) motions long enough for the window, drawn with replacement."""
    eligible = fixed.eligible[window]
    count, device = config.batch_size - config.wild_count, eligible.device
    return eligible[torch.randint(0, len(eligible), (count,), generator=g, device=device)]


def draw_batch(
    run: Run,
    bank: MotionBank,
    fixed: Fixed,
    window: int,
    g: torch.Generator | None,
    index: Tensor | None = None,
) -> Batch:
    """The crops, views and noise of one step.

    Args:
        run: The run.
        bank: Training split.
        fixed: The run's constants.
        window: From `draw_window`.
        g: On the bank's device; None draws from the device's own generator.
        index: (B,) motions; None: from `draw_motions`.
    """
    config = run.config
    taken = draw_motions(config, fixed, window, g) if index is None else index
    return make_batch(
        bank,
        taken,
        _longest_crop(bank, taken, window) if config.length_groups else window,
        run.skeleton,
        camera=config.camera,
        noise=config.noise,
        generator=g,
        whole=config.bucketed,
        mix=config.mix,
        proportions=config.proportions,
    )


def _longest_crop(bank: MotionBank, index: Tensor, window: int) -> int:
    """Rows of the longest crop that the motions can give."""
    return min(window, int(bank.rows[index].max()) // CROP_UNIT * CROP_UNIT)


def _next_motions(
    run: Run, fixed: Fixed, accelerator: Accelerator, window: int, g: torch.Generator
) -> Tensor:
    """(B,) this process's part of the epoch, or a draw where windows take different motions."""
    size = run.config.batch_size - run.config.wild_count
    if fixed.walk is None:
        return draw_motions(run.config, fixed, window, g)
    return _part_of(fixed.walk, size, run, accelerator)


def _part_of(walk: EpochWalk, size: int, run: Run, accelerator: Accelerator) -> Tensor:
    """(size,) what this process takes of a walk in this step."""
    turn = run.step * accelerator.num_processes + accelerator.process_index
    return walk.take(turn * size, size)


@dataclass(frozen=True)
class StepData:
    """The samples of one step: motion capture first, then in-the-wild clips."""

    batch: Batch
    has_3d: Tensor | None
    """(B,) False where only 2D may be learned from, though 3D is there; None: nowhere."""


def step_data(
    run: Run,
    training: MotionBank,
    wild: WildBank | None,
    accelerator: Accelerator,
    fixed: Fixed,
    window: int,
    g: torch.Generator,
) -> StepData:
    """As many of each kind as the configuration says, of this process's part of the epochs.

    Args:
        run: The run.
        training: Training split of the motion capture.
        wild: In-the-wild clips; None without any.
        accelerator: Which process this is, of how many.
        fixed: The run's constants.
        window: From `draw_window`.
        g: On the banks' device.
    """
    if wild is None or fixed.wild_walk is None:
        return _motion_capture(run, training, accelerator, fixed, window, g)
    count = run.config.wild_count
    if count == run.config.batch_size:
        taken = _part_of(fixed.wild_walk, count, run, accelerator)
        return StepData(make_wild_batch(wild, taken, window, run.skeleton, g), None)
    captured = _motion_capture(run, training, accelerator, fixed, window, g)
    taken = _part_of(fixed.wild_walk, count, run, accelerator)
    clips = make_wild_batch(wild, taken, window, run.skeleton, g)
    has_3d = captured.has_3d
    if has_3d is not None:  # of the clips, their own weights tell
        has_3d = torch.cat([has_3d, torch.ones_like(taken, dtype=torch.bool)])
    return StepData(captured.batch.join(clips), has_3d)


def _motion_capture(
    run: Run,
    training: MotionBank,
    accelerator: Accelerator,
    fixed: Fixed,
    window: int,
    g: torch.Generator,
) -> StepData:
    index = _next_motions(run, fixed, accelerator, window, g)
    batch = draw_batch(run, training, fixed, window, g, index)
    return StepData(batch, None if fixed.has_3d is None else fixed.has_3d[index])
