"""Text encoders: the user's CLIP in every format, the packaged one, and which fits a checkpoint."""

import dataclasses
import inspect
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import tiny_clip
import torch
from safetensors.torch import load_file, save_file

from models.checkpoint import SHIPPED, load_checkpoint
from models.text.clip_package import clip_module, clip_vocabulary
from models.text.clip_text import CONTEXT, tokenise
from models.text.text_encoder import (
    MiniLM,
    encoder_for_checkpoint,
    gather,
    load_text_encoder,
    same_encoder,
)
from models.weight_files import read_weights

SENTENCES = (
    "a person walks forward and then turns LEFT, slowly.",
    "jump " * 60,  # more than twenty tokens
    "",
    "caf\u00e9 &amp; d\u00e9j\u00e0 vu",
)


@pytest.fixture(scope="module")
def clip():
    return tiny_clip.tiny_clip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clip")


@pytest.fixture(scope="module")
def formats(clip, folder):
    """The same weights in all formats."""
    return {
        "archive": tiny_clip.save_archive(clip, folder / "ViT-B-32.pt"),
        "state": tiny_clip.save_state(clip, folder / "state.pt"),
        "wrapped": tiny_clip.save_wrapped(clip, folder / "wrapped.pt"),
        "text tower": tiny_clip.save_transformers(clip, folder / "tower"),
        "whole": tiny_clip.save_transformers(clip, folder / "whole", whole=True),
    }


@pytest.fixture(scope="module")
def openais(clip):
    """What OpenAI's own class gives on tokens padded with zeros to its 77, as the paper's code."""
    tokens = torch.nn.functional.pad(tokenise(SENTENCES), (0, tiny_clip.POSITIONS - CONTEXT))
    with torch.inference_mode():
        return clip.encode_text(tokens).numpy()


FORMATS = ("archive", "state", "wrapped", "text tower", "whole")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_openais_embeddings(formats, openais, name):
    encoder = load_text_encoder(formats[name])
    got = encoder.encode(SENTENCES)
    assert got.dtype == np.float32
    assert got.shape == (len(SENTENCES), encoder.width)
    np.testing.assert_allclose(got, openais, atol=2e-5)


def test_the_same_weights_in_any_format_have_one_name_and_other_weights_another(formats, folder):
    names = {load_text_encoder(formats[name]).encoder_id for name in FORMATS}
    assert len(names) == 1
    (name,) = names
    assert name.startswith("clip-text-32-")
    assert len(name) == len("clip-text-32-") + 12
    other = tiny_clip.save_state(tiny_clip.tiny_clip(seed=1), folder / "other.pt")
    assert load_text_encoder(other).encoder_id != name


def test_transformers_own_class_gives_the_same(formats, openais):
    from transformers import CLIPTextModelWithProjection

    model = CLIPTextModelWithProjection.from_pretrained(formats["text tower"]).eval()
    with torch.inference_mode():
        theirs = model(input_ids=tokenise(SENTENCES)).text_embeds.numpy()
    np.testing.assert_allclose(
        load_text_encoder(formats["text tower"]).encode(SENTENCES), theirs, atol=2e-5
    )


def test_tokens_are_cut_to_twenty_between_start_and_end():
    tokens = tokenise(SENTENCES)
    words = clip_vocabulary().encoder
    start, end = words["<|startoftext|>"], words["<|endoftext|>"]
    assert tokens.shape == (len(SENTENCES), 22)
    assert (tokens[:, 0] == start).all()
    assert (tokens == end).sum(1).tolist() == [1] * len(SENTENCES)
    assert tokens[1, -1] == end  # cut
    assert tokens[2].tolist() == [start, end] + [0] * 20  # nothing said
    assert (tokens[0].argmax() < 21) and (tokens[0, int(tokens[0].argmax()) + 1 :] == 0).all()


def test_words_beyond_the_context_change_nothing_and_others_do(formats):
    encoder = load_text_encoder(formats["state"])
    a, b, c = encoder.encode(["jump " * 20, "jump " * 20 + "twice", "jump " * 19])
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_a_sentence_does_not_depend_on_its_batch(formats):
    encoder = load_text_encoder(formats["state"])
    many = [f"a person takes {n} steps" for n in range(70)]
    np.testing.assert_allclose(encoder.encode(many)[68], encoder.encode([many[68]])[0], atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_images_need_no_package_of_their_own():
    """OpenAI's front door imports torchvision, which the base installation has not."""
    for name in ("model", "simple_tokenizer"):
        assert "import torchvision" not in (source := inspect.getsource(clip_module(name)))
        assert "from torchvision" not in source


def refused(path) -> str:
    with pytest.raises(ValueError) as error:
        load_text_encoder(path)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


def test_files_that_are_no_clip_are_refused_with_a_sentence(formats, folder, clip):
    assert "does not exist; give minilm" in refused(folder / "nowhere.pt")
    noise = folder / "noise.pt"
    noise.write_bytes(np.random.default_rng(0).bytes(4096))
    assert "damaged or not a weight file" in refused(noise)
    for name in ("archive", "state"):
        cut = folder / f"cut_{name}.pt"
        cut.write_bytes(formats[name].read_bytes()[:3_000_000])
        assert "damaged or not a weight file" in refused(cut)
    torch.save({"a": torch.zeros(3)}, folder / "else.pt")
    assert "is not a CLIP (no matrix text_projection" in refused(folder / "else.pt")
    torch.save([1, 2], folder / "list.pt")
    assert "holds no network's tensors" in refused(folder / "list.pt")
    empty = folder / "empty"
    empty.mkdir()
    assert "neither model.safetensors" in refused(empty)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("ln_final.bias"), "is not a whole CLIP (ln_final.bias missing"),
        (lambda s: s.update(ln_mid=torch.zeros(2)), "is not a whole CLIP (ln_mid missing, unknown"),
        (lambda s: s["ln_final.bias"].fill_(np.nan), "ln_final.bias holds values that are not"),
        (lambda s: s.update({"token_embedding.weight": torch.zeros(100, 64)}), "CLIP of 100 words"),
        (lambda s: s.update(positional_embedding=torch.zeros(16, 64)), "and 16 positions"),
    ],
)
def test_a_clip_that_is_not_whole_is_refused(clip, folder, change, sentence):
    state = {name: value.clone() for name, value in clip.state_dict().items()}
    change(state)
    torch.save(state, folder / "changed.pt")
    assert sentence in refused(folder / "changed.pt")


def test_a_transformers_folder_of_another_kind_is_refused(formats, tmp_path):
    def copy(name):
        return shutil.copytree(formats["text tower"], tmp_path / name)

    other = copy("gelu")
    tiny_clip.edit_json(other / "config.json", hidden_act="gelu")
    assert "another kind of CLIP" in refused(other)
    other = copy("heads")
    tiny_clip.edit_json(other / "config.json", num_attention_heads=2)
    assert "another kind of CLIP" in refused(other)
    other = copy("unconfigured")
    (other / "config.json").unlink()
    assert "config.json is missing" in refused(other)
    other = copy("words")
    (other / "vocab.json").write_text('{"hello": 0}')
    assert "another vocabulary" in refused(other)
    same = copy("same words")
    (same / "vocab.json").write_text(json.dumps(clip_vocabulary().encoder))
    load_text_encoder(same)
    other = copy("partial")
    state = load_file(other / "model.safetensors")
    del state["text_model.encoder.layers.1.self_attn.k_proj.bias"]
    save_file(state, other / "model.safetensors")
    assert "self_attn.k_proj.bias' missing" in refused(other)


class Payload:
    """Touches a file when it is unpickled carelessly."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (self.marker.touch, ())


def test_a_pickle_is_not_executed(tmp_path):
    marker = tmp_path / "executed"
    torch.save({"x": Payload(marker)}, tmp_path / "evil.pt")
    assert "can run code when they are opened" in refused(tmp_path / "evil.pt")
    assert not marker.exists()


def test_code_in_a_torchscript_archive_is_not_executed(formats, tmp_path):
    marker = tmp_path / "executed"
    evil = tmp_path / "evil.pt"
    with zipfile.ZipFile(formats["archive"]) as good, zipfile.ZipFile(evil, "w") as bad:
        for item in good.infolist():
            content = good.read(item)
            if item.filename.endswith("/data.pkl"):
                content = pickle.dumps({"x": Payload(marker)})
            bad.writestr(item, content)
    assert "can run code when they are opened" in refused(evil)
    assert not marker.exists()


def test_code_beside_the_tensors_of_an_archive_is_not_even_read(formats, tmp_path):
    """`torch.jit.load` would compile it; here it may as well be nonsense."""
    hollow = tmp_path / "hollow.pt"
    with zipfile.ZipFile(formats["archive"]) as good, zipfile.ZipFile(hollow, "w") as bad:
        for item in good.infolist():
            code = item.filename.endswith((".py", "constants.pkl"))
            bad.writestr(item, b"nonsense" if code else good.read(item))
    with pytest.raises(RuntimeError), pytest.warns(FutureWarning):
        torch.jit.load(str(hollow))
    assert load_text_encoder(hollow).encoder_id == load_text_encoder(formats["state"]).encoder_id


def test_an_archive_gives_every_tensor_of_the_state_dict_bit_by_bit(formats, clip):
    read = read_weights(formats["archive"]).tensors
    wanted = clip.state_dict()
    assert set(wanted) <= set(read)
    for name, value in wanted.items():
        assert torch.equal(read[name].float(), value), name


def test_the_packaged_encoder_keeps_its_name_and_width():
    encoder = load_text_encoder("minilm")
    assert (encoder.encoder_id, encoder.width) == ("all-MiniLM-L6-v2", 384)
    vectors = encoder.encode(["a person walks", "someone is walking", "the stock market fell"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_embeddings_are_gathered_in_the_order_of_the_sentences():
    vectors = {"a": np.full(3, 1.0, np.float32), "b": np.full(3, 2.0, np.float32)}
    np.testing.assert_array_equal(gather(vectors, ["b", "a", "b"])[:, 0], [2, 1, 2])
    assert gather(vectors, []).shape == (0, 0)


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(SHIPPED)


def clip_trained(checkpoint, encoder_id, width=tiny_clip.EMBEDDING):
    config = dataclasses.replace(checkpoint.network.config, text_dim=width)
    network = type("Network", (), {"config": config})()
    return dataclasses.replace(checkpoint, network=network, about={"text_encoder": encoder_id})


def test_a_checkpoint_gets_the_encoder_that_it_was_trained_with(checkpoint, formats):
    assert isinstance(encoder_for_checkpoint(checkpoint), MiniLM)
    assert isinstance(encoder_for_checkpoint(checkpoint, "minilm"), MiniLM)
    name = load_text_encoder(formats["state"]).encoder_id
    for trained in (name, "clip-text", None):
        given = encoder_for_checkpoint(clip_trained(checkpoint, trained), formats["archive"])
        assert given.encoder_id == name


def test_which_embeddings_a_network_may_go_on_with():
    assert same_encoder("clip-text", "clip-text-512-0123456789ab")  # published: any CLIP
    assert same_encoder(None, "all-MiniLM-L6-v2")  # not written down
    assert not same_encoder("clip-text", "all-MiniLM-L6-v2")
    assert not same_encoder("clip-text-512-0123456789ab", "clip-text-512-ba9876543210")


def test_another_encoder_than_the_checkpoints_is_refused(checkpoint, formats):
    cases = [
        (checkpoint, formats["state"], "trained with text encoder all-MiniLM-L6-v2, but"),
        (
            clip_trained(checkpoint, "clip-text-32-0123456789ab"),
            formats["state"],
            "0123456789ab, but",
        ),
        (clip_trained(checkpoint, "clip-text"), "minilm", "clip-text, but minilm is all-MiniLM"),
        (clip_trained(checkpoint, "clip-text"), None, "give the encoder's weights with --text-enc"),
        (clip_trained(checkpoint, None), None, r"\(not recorded\); give"),
        (clip_trained(checkpoint, None, 512), formats["state"], "takes text embeddings of 512"),
    ]
    for trained, given, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            encoder_for_checkpoint(trained, given)
