"""A trained network that is told no confidences, extended by that input without any change yet."""

from dataclasses import replace

import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.network import CrossDiff, NetworkConfig


def weights_for(network: CrossDiff, wanted: NetworkConfig) -> dict[str, Tensor]:
    """A network's weights, as one with `wanted` sizes loads them to begin with.

    Only `confidence_input` may be new. Its weights are zero: the output stays what it was,
    whatever the input is told, until it is trained on.

    Raises:
        ValueError: The sizes differ in something else.
    """
    have = network.config
    same = replace(wanted, confidence_input=have.confidence_input, dropout=have.dropout)
    if same != have:
        raise ValueError("only confidence_input can be added to a trained network: keep its sizes")
    if have.confidence_input and not wanted.confidence_input:
        raise ValueError("the network is told confidences: it cannot go on without them")
    weights = dict(network.state_dict())
    if wanted.confidence_input and not have.confidence_input:
        like = network.embed_text.weight
        weights["c_linear_j.weight"] = like.new_zeros(have.width, 2 * have.joints)
    return weights


def extend_with_confidence(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with a network that takes confidences and gives what it gave before.

    Its id stays, as its numbers do: what is trained on from here gets its own when it is saved.
    """
    network = checkpoint.network
    config = replace(network.config, confidence_input=True)
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are replaced at once
        wider = CrossDiff(config)
    wider.load_state_dict(weights_for(network, config))
    device = network.embed_text.weight.device
    return replace(checkpoint, network=wider.to(device).train(network.training))
