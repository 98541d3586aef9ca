"""Sentences for the action classes of video data sets, whose clips come without captions.

Ours cover the 101 classes of UCF101 and some everyday names of other data sets; a user's own file
goes before them, class by class. They describe the body's motion, as HumanML3D's captions do, and
not the scene: the skeleton shows no ball and no water.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGED = tuple(
    Path(__file__).parent / "captions" / name for name in ("ucf101.json", "everyday.json")
)
"""Ours; where two name one class, the first counts."""
COLUMNS = ("action", "caption")
"""What a CSV list must have in its first line."""

Pairs = Iterable[tuple[str, str]]
"""(action, sentence), an action as often as it has sentences."""


def key_of(action: str) -> str:
    """An action's name as it is compared: letters and digits alone, case ignored.

    `YoYo`, `yo_yo` and `yo yo` are one.
    """
    return "".join(c for c in action.casefold() if c.isalnum())


@dataclass(frozen=True)
class ActionCaptions:
    """What to say about a clip of which only the class is known."""

    own: Mapping[str, tuple[str, ...]]
    """The user's sentences by `key_of` the action."""
    packaged: Mapping[str, tuple[str, ...]]
    """Ours, likewise."""

    def sentences(self, action: str) -> tuple[str, ...]:
        """The user's sentences on an action, else ours, else ()."""
        key = key_of(action)
        return self.own.get(key) or self.packaged.get(key, ())


def load_action_captions(file: Path | None = None) -> ActionCaptions:
    """Our sentences, and before them those of a user's file.

    Args:
        file: JSON `{action: sentence or [sentences]}`, or CSV with the columns action and caption,
            where several lines may name one action; None for ours alone.

    Raises:
        ValueError: The file is not there or holds something else; says what to do about it.
    """
    packaged: dict[str, tuple[str, ...]] = {}
    for ours in reversed(PACKAGED):
        packaged |= _by_action(_from_json(_text(ours), ours.name))
    return ActionCaptions({} if file is None else _by_action(_pairs(file)), packaged)


def _pairs(file: Path) -> Pairs:
    kind = file.suffix.lower()
    if kind not in (".json", ".csv"):
        raise ValueError(f"captions {file} must be a .json or .csv file")
    pairs = _from_json(_text(file), file.name) if kind == ".json" else _from_csv(file)
    for action, _ in (pairs := list(pairs)):
        if not key_of(action):
            raise ValueError(f"{file.name} has the action '{action}': it needs a letter or a digit")
    if not pairs:
        raise ValueError(f"{file.name} holds no caption: leave it out, or add one")
    return pairs


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"captions {file}: there is no such file") from None
    except UnicodeDecodeError:
        raise ValueError(f"captions {file} is not UTF-8 text: save it as UTF-8") from None


def _from_json(text: str, name: str) -> Pairs:
    """Pairs of `{action: sentence or [sentences]}`; an action that stands twice keeps both."""
    wanted = "{action: sentence or [sentences]}"
    try:
        said = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(said, tuple):
        raise ValueError(f"{name} must hold one object {wanted}")
    for action, captions in said:
        sentences = captions if isinstance(captions, list) else [captions]
        if not sentences or not all(isinstance(s, str) and s.strip() for s in sentences):
            raise ValueError(f"{name} has no sentence for '{action}': it must hold {wanted}")
        yield from ((action, sentence) for sentence in sentences)


def _from_csv(file: Path) -> Pairs:
    reader = csv.DictReader(io.StringIO(_text(file), newline=""), skipinitialspace=True)
    try:
        reader.fieldnames = [column.strip().lower() for column in reader.fieldnames or []]
        if not set(COLUMNS) <= set(reader.fieldnames):
            raise ValueError(f"{file.name} needs the columns action and caption in its first line")
        for number, row in enumerate(reader, start=1):
            yield _row(row, f"record {number} of {file.name}")
    except csv.Error as error:
        raise ValueError(f"{file.name} cannot be read as a table: {error}") from None


def _row(row: Mapping[str | None, object], where: str) -> tuple[str, str]:
    if row.get(None):  # a sentence must not end at its first comma
        raise ValueError(
            f"{where} has more cells than the first line: put a caption with commas into quotes"
        )
    action, caption = (str(row.get(column) or "").strip() for column in COLUMNS)
    if not action or not caption:
        raise ValueError(f"{where} has no {'caption' if action else 'action'}: fill it in")
    return action, caption


def _by_action(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    """Distinct sentences by `key_of` the action, in the file's order."""
    out: dict[str, dict[str, None]] = {}
    for action, sentence in pairs:
        out.setdefault(key_of(action), {})[" ".join(sentence.split())] = None
    return {key: tuple(sentences) for key, sentences in out.items()}
