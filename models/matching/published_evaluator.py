"""The published matching networks (`finest.tar`) as an evaluator, when the user has them."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.matching.body_parts import PARTS, Part, part_features, part_of_width
from models.matching.embedding import EvaluatorError
from models.matching.matching_data import RowScale
from models.matching.networks import MatchingNetwork, sizes_of
from models.matching.tokens import TAGS
from models.matching.word_vectors import WORD_WIDTH
from models.weight_files import name_some
from pipeline.array_files import read_npy
from pipeline.arrays import Float32
from pipeline.representation3d import field_slices
from pipeline.skeletons import SKELETONS, Skeleton

NETWORKS = ("movement_encoder", "motion_encoder", "text_encoder")
"""Keys of the published file; its optimizers' states are left out."""
STATISTICS = ("mean.npy", "std.npy")
CONTACT_TOLERANCE = 0.5
"""Contacts are 0 or 1, so that their mean demands their deviation; an evaluator's statistics have
a fifth of it. What has more than half of it is the data set's own."""


@dataclass(frozen=True)
class PublishedNetworks:
    """What a published file holds."""

    network: MatchingNetwork
    skeleton: Skeleton
    part: Part
    sha256: str
    """Of the file, hex."""
    left_out: tuple[str, ...]
    """Other keys of the file."""


def read_published(path: Path) -> PublishedNetworks:
    """Read the published networks; nothing in the file is executed.

    Args:
        path: `finest.tar` (a PyTorch file), or safetensors with the same names.

    Raises:
        EvaluatorError: Not such a file, or names, shapes or a width that are not known.
    """
    if not path.is_file():
        raise EvaluatorError(f"{path} is not a file: give the finest.tar you downloaded")
    state, left_out = _tensors(_open(path), path)
    try:
        sizes = sizes_of(state)
        width = state["movement_encoder.main.0.weight"].shape[1]
    except (KeyError, IndexError, ValueError) as error:
        raise EvaluatorError(
            f"{path} is no set of matching networks: it has no usable tensor {error}"
        ) from error
    known = part_of_width(width)
    if known is None:
        raise EvaluatorError(f"{path} takes {width} numbers a frame; known are {_known_widths()}")
    if (sizes.word, sizes.tags) != (WORD_WIDTH, len(TAGS)):
        raise EvaluatorError(
            f"{path} reads words of {sizes.word} numbers with {sizes.tags} tags; the published "
            f"networks read {WORD_WIDTH} and {len(TAGS)}"
        )
    with torch.device("meta"):
        wanted = MatchingNetwork(sizes, width).state_dict()
    _check_names(state, wanted, path)
    network = MatchingNetwork(sizes, width)
    network.load_state_dict(state)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PublishedNetworks(network.eval(), *known, digest, left_out)


def _known_widths() -> str:
    """Of every skeleton's parts, in words."""
    told = (
        f"{', '.join(str(len(part_features(skeleton, part))) for part in PARTS)} ({skeleton.name})"
        for skeleton in SKELETONS.values()
    )
    return f"{' and '.join(told)}, each {', '.join(PARTS)}"


def _open(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise EvaluatorError(
            f"{path} holds Python objects besides tensors, which can run code when they are "
            "opened, or is damaged: give the published finest.tar"
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise EvaluatorError(f"{path} is damaged or no PyTorch file: download it again") from error
    except (EOFError, OSError, SafetensorError) as error:
        raise EvaluatorError(f"{path} is damaged or no PyTorch file: download it again") from error


def _tensors(value: object, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors under `network.name`, and the file's other keys."""
    if not isinstance(value, Mapping):
        raise EvaluatorError(f"{path} holds no networks: give the published finest.tar")
    if all(isinstance(v, Tensor) for v in value.values()):
        parts = {str(k): v.float() for k, v in value.items()}
    else:
        missing = [name for name in NETWORKS if not isinstance(value.get(name), Mapping)]
        if missing:
            raise EvaluatorError(
                f"{path} lacks {', '.join(missing)}; it holds {name_some([str(k) for k in value])}:"
                " give the finest.tar of text_mot_match"
            )
        parts = {
            f"{name}.{key}": tensor.float()
            for name in NETWORKS
            for key, tensor in value[name].items()
            if isinstance(tensor, Tensor)
        }
    others = [str(key) for key in value if str(key).split(".")[0] not in NETWORKS]
    return parts, tuple(others)


def _check_names(state: Mapping[str, Tensor], wanted: Mapping[str, Any], path: Path) -> None:
    misfits = {
        "missing": [n for n in wanted if n not in state],
        "unknown": [n for n in state if n not in wanted],
        "of another shape": [
            f"{n} {tuple(state[n].shape)} instead of {tuple(wanted[n].shape)}"
            for n in wanted
            if n in state and state[n].shape != wanted[n].shape
        ],
    }
    told = [f"{len(names)} {kind}: {name_some(names)}" for kind, names in misfits.items() if names]
    if told:
        raise EvaluatorError(
            f"{path} does not fit the matching networks; tensors {'; '.join(told)}"
        )


def find_statistics(weights: Path, given: Path | None) -> Path:
    """The folder with the `mean.npy` and `std.npy` that published networks were trained with.

    Args:
        weights: The published file, whose neighbourhood is searched.
        given: What the user named instead.

    Raises:
        EvaluatorError: Nowhere, or in several places that differ.
    """
    beside = weights.resolve().parent
    near = [beside, beside / "meta", beside.parent / "meta"]
    # The published download keeps them with another model: t2m/Comp_v6_KLD01/meta.
    far = sorted(beside.parent.parent.glob("*/meta"))
    if given is not None:
        near, far = [given, given / "meta"], []
    found = [place for place in near if _has_statistics(place)][:1]
    found = found or [place for place in far if _has_statistics(place)]
    if not found:
        where = f"beside {weights}" if given is None else f"in {given}"
        raise EvaluatorError(
            f"no mean.npy and std.npy {where}: give --stats the `meta` folder that the networks "
            "were trained with (in the published download Comp_v6_KLD01/meta, for KIT-ML "
            "Comp_v6_KLD005/meta)"
        )
    contents = {tuple((p / name).read_bytes() for name in STATISTICS) for p in found}
    if len(contents) > 1:
        raise EvaluatorError(
            f"{found[0]} and {found[-1]} hold different statistics: say with --stats which the "
            "networks were trained with"
        )
    return found[0]


def _has_statistics(place: Path) -> bool:
    return all((place / name).is_file() for name in STATISTICS)


def read_scale(folder: Path, skeleton: Skeleton, part: Part) -> RowScale:
    """Statistics as the published networks use them: the root's deviations divided by five.

    Raises:
        EvaluatorError: Damaged, of another skeleton, or the data set's own statistics.
    """
    mean, std = (_read_row(folder / name) for name in STATISTICS)
    if mean.shape != (skeleton.dim3,) or std.shape != mean.shape:
        raise EvaluatorError(
            f"{folder} has statistics of {len(mean)} and {len(std)} numbers, {skeleton.name} has "
            f"{skeleton.dim3}"
        )
    if not np.isfinite([mean, std]).all() or not (std > 0).all():
        raise EvaluatorError(f"the statistics in {folder} are not finite and positive")
    contacts = field_slices(skeleton)["contacts"]
    share = np.clip(mean[contacts].astype(np.float64), 0.0, 1.0)
    demanded = float(np.sqrt(share * (1 - share)).mean())
    if float(std[contacts].mean()) > CONTACT_TOLERANCE * demanded:
        raise EvaluatorError(
            f"{folder} holds a data set's own statistics, not an evaluator's, whose deviations of "
            "root and contacts are a fifth: give --stats the `meta` folder of the download"
        )
    return RowScale(mean, std, part_features(skeleton, part))


def _read_row(file: Path) -> Float32:
    try:
        values = read_npy(file)
    except ValueError as error:
        raise EvaluatorError(str(error)) from error
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise EvaluatorError(f"{file} does not hold one row of numbers")
    return values.astype(np.float32)
