"""Lists and dicts of strings and numbers from a pickle file, without unpickling it.

Unpickling runs whatever a file says. Here its opcodes are read as data, and any that could make
something else than a list, a dict, a string or a whole number is refused.
"""

import pickletools
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 28
"""Larger files are no vocabulary."""
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_OLD_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_REMEMBER = {"PUT", "BINPUT", "LONG_BINPUT"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}
_SILENT = {"PROTO", "FRAME", "STOP"}


class _Mark:
    """Where a group of values begins on the stack."""


def read_plain_pickle(path: Path) -> Any:  # noqa: ANN401 - a list or a dict
    """The list or dict of strings and whole numbers that a pickle file holds.

    Raises:
        ValueError: Damaged, or it holds anything else; nothing of it was run.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is too large for a list of words")
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(path.read_bytes()):
            if not _apply(opcode.name, argument, stack, memo):
                raise ValueError(
                    f"{path} holds more than words and numbers (opcode {opcode.name}), which can "
                    "run code when it is opened: give the files as Guo et al. published them"
                )
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged or no pickle file") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is damaged or no pickle file") from error
    if len(stack) != 1 or not isinstance(stack[0], list | dict):
        raise ValueError(f"{path} holds no list and no dictionary of words")
    return stack[0]


def _apply(name: str, argument: object, stack: list[Any], memo: dict[int, Any]) -> bool:
    """Do what one opcode says; False for one that is not known."""
    if name in _SILENT:
        return True
    if name in _STRINGS | _OLD_STRINGS | _NUMBERS:
        stack.append(argument)
    elif name in ("EMPTY_LIST", "EMPTY_DICT"):
        stack.append([] if name == "EMPTY_LIST" else {})
    elif name == "MARK":
        stack.append(_Mark())
    elif name in ("LIST", "DICT"):
        values = _above_mark(stack)
        stack.append(values if name == "LIST" else _pairs(values))
    elif name in _REMEMBER:
        memo[int(str(argument))] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in _RECALL:
        stack.append(memo[int(str(argument))])
    else:
        return _fill(name, stack)
    return True


def _fill(name: str, stack: list[Any]) -> bool:
    """Opcodes that put values into the list or dict below them."""
    if name in ("APPENDS", "SETITEMS"):
        values = _above_mark(stack)
    elif name in ("APPEND", "SETITEM"):
        count = 1 if name == "APPEND" else 2
        values = [stack.pop() for _ in range(count)][::-1]
    else:
        return False
    if name.startswith("APPEND"):
        stack[-1].extend(values)
    else:
        stack[-1].update(_pairs(values))
    return True


def _above_mark(stack: list[Any]) -> list[Any]:
    """Take everything above the last mark off the stack, and the mark."""
    values: list[Any] = []
    while not isinstance(value := stack.pop(), _Mark):
        values.append(value)
    return values[::-1]


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))
