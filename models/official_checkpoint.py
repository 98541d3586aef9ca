"""The published CrossDiff's weight files: one flat state dict (.pt) to our network and back.

Our parameters carry the published names, so that only three things differ: the published file
also holds its fixed sinusoid table, under two names; it says no sizes, which are read off the
shapes; and it holds no statistics.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.network import PE_TABLE_LENGTH, CrossDiff, NetworkConfig, sinusoidal_table
from models.weight_files import WeightFileError, name_some, read_weights

PUBLISHED_HEADS = 4
TABLE_NAMES = ("sequence_pos_encoder.pe", "embed_timestep.sequence_pos_encoder.pe")
TABLE_TOLERANCE = 2e-3
"""Of values within -1 and 1. Angles reach 5,000 radians, where float32 is 5e-4 coarse."""
TEXT_ENCODER_PREFIX = "clip_model."
"""Loops of this family sometimes save the frozen text encoder with the network."""


@dataclass(frozen=True)
class ImportedNetwork:
    """A network from a published file."""

    network: CrossDiff
    left_out: tuple[str, ...]
    """What else the file held, in words."""
    sha256: str
    """Of the file, hex."""


def import_network(path: Path, heads: int = PUBLISHED_HEADS) -> ImportedNetwork:
    """Read published weights; nothing in the file is executed.

    Args:
        path: The .pt file.
        heads: Attention heads, which no shape tells.

    Raises:
        WeightFileError: Damaged, not CrossDiff's, or names and shapes that do not fit together;
            the message names them.
    """
    file = read_weights(path)
    state, left_out = dict(file.tensors), list(file.left_out)
    encoder = [name for name in state if name.startswith(TEXT_ENCODER_PREFIX)]
    tables = [name for name in TABLE_NAMES if name in state]
    for name in tables:
        _check_table(state[name], name, path)
    if tables:
        left_out.append("the fixed sinusoid table")
    if encoder:
        left_out.append(f"{len(encoder)} tensors of its text encoder")
    state = {n: v.float() for n, v in state.items() if n not in {*encoder, *tables}}
    config = infer_config(state, heads, path)
    _check_names(state, config, path)
    broken = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if broken:
        raise WeightFileError(f"{path}: {name_some(broken)} hold values that are not finite")
    network = CrossDiff(config)
    network.load_state_dict(state)
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return ImportedNetwork(network.eval(), tuple(left_out), digest)


def infer_config(state: dict[str, Tensor], heads: int, path: Path) -> NetworkConfig:
    """All sizes of a network, from the shapes of its tensors.

    Raises:
        WeightFileError: A tensor that tells a size is missing, or the sizes are impossible.
    """

    def size(name: str, axis: int) -> int:
        return int(state[name].shape[axis])

    try:
        sizes: dict[str, Any] = {
            "width": size("motion_token", 2),
            "max_frames": size("motion_token", 0),
            "feed_forward": size("seqTransEncoder_m.layers.0.linear1.weight", 0),
            "root_feed_forward": size("r_encoder_m.layers.0.linear1.weight", 0),
            "private_layers": _count(state, "seqTransEncoder_m.layers."),
            "shared_layers": _count(state, "bridge."),
            "root_layers": _count(state, "r_encoder_m.layers."),
            "root3": size("r_linear_m.weight", 1),
            "root2": size("r_linear_j.weight", 1),
            "text_dim": size("embed_text.weight", 1),
        }
        dim3 = sizes["root3"] + size("p_linear_m.weight", 1)
        dim2 = sizes["root2"] + size("p_linear_j.weight", 1)
        return NetworkConfig(**sizes, dim3=dim3, dim2=dim2, heads=heads)
    except KeyError as error:
        raise WeightFileError(
            f"{path} is not a CrossDiff: it holds {name_some(list(state))}, but no {error}"
        ) from error
    except IndexError as error:
        raise WeightFileError(
            f"{path} is not a CrossDiff: motion_token or a weight has too few axes"
        ) from error
    except ValueError as error:
        raise WeightFileError(f"{path} has sizes that cannot be: {error}") from error


def _count(state: dict[str, Tensor], prefix: str) -> int:
    return len({n.removeprefix(prefix).split(".")[0] for n in state if n.startswith(prefix)})


def _check_names(state: dict[str, Tensor], config: NetworkConfig, path: Path) -> None:
    """One sentence with every kind of misfit, before 88 M parameters are made."""
    with torch.device("meta"):
        wanted = {n: tuple(v.shape) for n, v in CrossDiff(config).state_dict().items()}
    given = {n: tuple(v.shape) for n, v in state.items()}
    misfits = {
        "missing": [n for n in wanted if n not in given],
        "unknown": [n for n in given if n not in wanted],
        "of another shape": [
            f"{n} {given[n]} instead of {wanted[n]}"
            for n in wanted
            if n in given and given[n] != wanted[n]
        ],
    }
    told = [f"{len(names)} {kind}: {name_some(names)}" for kind, names in misfits.items() if names]
    if told:
        raise WeightFileError(f"{path} does not fit CrossDiff; tensors {'; '.join(told)}")


def _check_table(table: Tensor, name: str, path: Path) -> None:
    """The published network looks positions and timesteps up in this table; ours must be it."""
    rows, one, width = table.shape if table.ndim == 3 else (0, 0, 0)
    same = 0 < rows <= PE_TABLE_LENGTH and one == 1 and width % 2 == 0
    if same:
        ours = sinusoidal_table(rows, width)
        same = torch.allclose(table[:, 0].float(), ours, rtol=0, atol=TABLE_TOLERANCE)
    if not same:
        raise WeightFileError(f"{path}: {name} is not the sinusoid table that CrossDiff uses")


def export_state(network: CrossDiff) -> dict[str, Tensor]:
    """The published state dict: our tensors and the sinusoid table under its two names.

    Raises:
        WeightFileError: The network has no shared encoder, and the layout no place for two.
    """
    if not network.config.shared:
        raise WeightFileError("a network without the shared encoder has no published layout")
    if network.config.confidence_input:
        raise WeightFileError("a network that is told confidences has no published layout")
    state = {n: v.detach().cpu().contiguous() for n, v in network.state_dict().items()}
    table = sinusoidal_table(PE_TABLE_LENGTH, network.config.width)[:, None]
    return state | {name: table.clone() for name in TABLE_NAMES}


def write_official(network: CrossDiff, path: Path) -> None:
    """Write the published layout; the file appears whole or not at all.

    Raises:
        FileExistsError: The file is there already.
        WeightFileError: The network has no published layout.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already; choose another --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    torch.save(export_state(network), partial)
    partial.replace(path)
