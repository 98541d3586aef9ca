"""Captions of action classes: all of UCF101, fit for the text encoder, and overridden by a user."""

import json
import re

import numpy as np
import pytest

from models.text.action_captions import PACKAGED, key_of, load_action_captions
from models.text.text_encoder import MiniLM

UCF101 = re.findall(
    r"\w+",
    """
ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch Basketball
BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling
BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling
CricketShot CuttingInKitchen Diving Drumming Fencing FieldHockeyPenalty FloorGymnastics FrisbeeCatch
FrontCrawl GolfSwing Haircut Hammering HammerThrow HandstandPushups HandstandWalking HeadMassage
HighJump HorseRace HorseRiding HulaHoop IceDancing JavelinThrow JugglingBalls JumpingJack JumpRope
Kayaking Knitting LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars
PizzaTossing PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano
PlayingSitar PlayingTabla PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting
RockClimbingIndoor RopeClimbing Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet
SkyDiving SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi
TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog
WallPushups WritingOnBoard YoYo
""",
)
"""As in the data set's classInd.txt, in its order."""


def packaged() -> dict[str, list[str]]:
    return {k: v for file in PACKAGED for k, v in json.loads(file.read_text()).items()}


def test_every_class_of_ucf101_has_its_captions_and_no_other_stands_there():
    assert len(UCF101) == 101
    assert list(json.loads(PACKAGED[0].read_text())) == UCF101


def test_five_different_sentences_each_and_none_of_them_twice():
    said = packaged()
    assert {name: len(sentences) for name, sentences in said.items()} == dict.fromkeys(said, 5)
    everything = [s for sentences in said.values() for s in sentences]
    assert len({key_of(s) for s in everything}) == len(everything)


def test_sentences_are_short_plain_and_about_somebody():
    for sentence in (s for sentences in packaged().values() for s in sentences):
        words = sentence.split()
        assert 5 <= len(words) <= 15, sentence
        assert sentence == " ".join(words) and re.fullmatch(r"[a-z ,'-]+", sentence), sentence
        assert not {"left", "right"} & set(words), sentence  # which limb, the video decides
        people = "person|someone|people|gymnast|player|rider|jockey|skater|swimmer|dancer"
        more = "archer|boxer|cellist|climber|golfer|jumper|kicker|paddler|rower|skier|soldier"
        last = "surfer|thrower|vaulter|wrestler|fencer"
        assert re.search(rf"\b({people}|{more}|{last})\b", sentence), sentence


def test_the_text_encoder_tells_the_classes_apart():
    names = UCF101[::12]
    captions = load_action_captions()
    vectors = MiniLM().encode([s for name in names for s in captions.sentences(name)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    alike = vectors @ vectors.T
    same = np.kron(np.eye(len(names)), np.ones((5, 5))).astype(bool)
    others_of_the_class = alike[same & ~np.eye(len(vectors), dtype=bool)]
    assert others_of_the_class.mean() > alike[~same].mean() + 0.1


@pytest.mark.parametrize("name", ["YoYo", "yo_yo", "yo yo", " YO-YO "])
def test_a_class_is_found_however_it_is_spelt(name):
    assert load_action_captions().sentences(name) == tuple(packaged()["YoYo"])


@pytest.mark.parametrize("name", ["", "--", "no such action"])
def test_an_unknown_class_has_none(name):
    assert load_action_captions().sentences(name) == ()


@pytest.mark.shared
def test_the_classes_of_the_shared_videos_are_known(shared):
    captions = load_action_captions()
    wanted = {
        "YoYo", "Archery", "wave", "cartwheel", "tai chi", "clean and jerk", "running", "walking",
        "basketball", "walking on beam",
    }  # fmt: skip
    assert all(len(captions.sentences(name)) == 5 for name in wanted)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.json", '{"Yo Yo": "a person  plays ", "New": ["a", "b", "a"], "new": "c"}'),
        (
            "own.csv",
            '﻿Action, Caption ,more\nYo Yo,a person plays,x\nNew,a,\nNew,b,\nnew,"c",\n',
        ),
    ],
)
def test_the_users_file_goes_first_class_by_class(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    captions = load_action_captions(file)
    assert captions.sentences("YoYo") == ("a person plays",)
    assert captions.sentences("NEW") == ("a", "b", "c")
    assert captions.sentences("Archery") == tuple(packaged()["Archery"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.json", b"{", "is not JSON"),
        ("c.json", b"[" * 20000, "is not JSON"),
        ("c.json", b'["a"]', "must hold one object"),
        ("c.json", b'{"YoYo": []}', "no sentence for 'YoYo'"),
        ("c.json", b'{"YoYo": " "}', "no sentence for 'YoYo'"),
        ("c.json", b'{"YoYo": {"a": "b"}}', "no sentence for 'YoYo'"),
        ("c.json", b'{"YoYo": ["a", 3]}', "no sentence for 'YoYo'"),
        ("c.json", b'{"-": "a"}', "needs a letter or a digit"),
        ("c.json", b"{}", "holds no caption"),
        ("c.csv", b"", "needs the columns action and caption"),
        ("c.csv", b"action,sentence\nYoYo,a\n", "needs the columns action and caption"),
        ("c.csv", b"action,caption\nYoYo,a man, jumping\n", "record 1 of c.csv has more cells"),
        ("c.csv", b"action,caption\nYoYo,a\nYoYo,\n", "record 2 of c.csv has no caption"),
        ("c.csv", b"action,caption\n,a\n", "record 1 of c.csv has no action"),
        ("c.csv", b"action,caption\n\xff,a\n", "is not UTF-8"),
        ("c.txt", b"YoYo a", "must be a .json or .csv file"),
        ("c.json", None, "there is no such file"),
    ],
)
def test_a_bad_file_is_named_in_one_sentence(tmp_path, name, content, said):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        load_action_captions(file)
    assert name in str(error.value) and "\n" not in str(error.value)
