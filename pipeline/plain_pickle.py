"""Plain values from a pickle file, without unpickling it: containers, strings, numbers, arrays.

Unpickling runs whatever a file says. Here its opcodes are read as data, and any that could make
something else is refused by name. Arrays stay in the file: what is read is where they lie.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.pickled_arrays import (
    INLINE_BYTES,
    BytesInFile,
    NamedThing,
    NotPlain,
    call,
    fill,
    named_thing,
)

MOST_BYTES = 1 << 28
"""Larger files are no vocabulary."""
MOST_BYTES_WITH_ARRAYS = 1 << 36
"""64 GiB: the largest published skeleton files have a few."""
MOST_OPCODES = 30_000_000
"""A clip takes about 60, so half a million clips. Beyond, a file is made to fill the memory."""
LONGEST_NUMBER = 8
"""Bytes of a whole number."""
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_OLD_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_SIMPLE = _STRINGS | _OLD_STRINGS | _NUMBERS
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REMEMBER = {"PUT", "BINPUT", "LONG_BINPUT"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}
_SILENT = {"PROTO", "FRAME", "STOP"}
_HEADS = {"SHORT_BINBYTES": 2, "BINBYTES": 5, "BINBYTES8": 9, "BYTEARRAY8": 9,
          "BINUNICODE": 5, "BINUNICODE8": 9, "BINSTRING": 5}  # fmt: skip
"""Bytes before the content, of the opcodes that may hold an array's: opcode and length."""
_DAMAGE = (IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError)


class _Mark:
    """Where a group of values begins on the stack."""


@dataclass
class _Machine:
    """What an unpickler keeps; values are built, nothing is called."""

    stack: list[Any]
    memo: dict[int, Any]
    arrays: bool
    """Whether anything beside lists, dicts, strings and whole numbers may occur."""


class _Bounded:
    """A file that never gives, or makes room for, more than it holds."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.tell = file.tell

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._size - self._file.tell():
            raise ValueError("cut off")
        return self._file.read(count)

    def readline(self) -> bytes:
        return self._file.readline(MOST_BYTES)


def read_plain_pickle(path: Path) -> Any:  # noqa: ANN401 - a list or a dict
    """The list or dict of strings and whole numbers that a pickle file holds.

    Raises:
        ValueError: Damaged, or it holds anything else; nothing of it was run.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is too large for a list of words")
    return _read(path, arrays=False)


def read_pickle_with_arrays(path: Path) -> Any:  # noqa: ANN401 - a list or a dict
    """The list or dict of a pickle file that also holds tuples, floats and NumPy arrays.

    Arrays are `pipeline.pickled_arrays.PickledArray`: larger ones are left in the file, so memory
    does not depend on their size. Protocols 2 to 5, NumPy 1 and 2.

    Raises:
        ValueError: Damaged, or it holds anything else; nothing of it was run.
    """
    if path.stat().st_size > MOST_BYTES_WITH_ARRAYS:
        raise ValueError(f"{path} has more than {MOST_BYTES_WITH_ARRAYS >> 30} GiB: split it")
    return _read(path, arrays=True)


def _read(path: Path, *, arrays: bool) -> Any:  # noqa: ANN401 - a list or a dict
    machine = _Machine([], {}, arrays)
    try:
        with path.open("rb") as file:
            for name, argument, position in _opcodes(file, path):
                if not _apply(name, argument, position, machine):
                    raise NotPlain(f"opcode {name}")
    except NotPlain as error:
        what = "arrays, words and numbers" if arrays else "words and numbers"
        raise ValueError(
            f"{path} holds more than {what} ({error}), which can "
            "run code when it is opened: give the file as its authors published it"
        ) from error
    except (*_DAMAGE, ValueError) as error:
        raise ValueError(f"{path} is damaged or no pickle file") from error
    if len(machine.stack) != 1 or not isinstance(machine.stack[0], list | dict):
        raise ValueError(f"{path} holds no list and no dictionary of words")
    return machine.stack[0]


def _opcodes(file: BinaryIO, path: Path) -> Iterator[tuple[str, Any, int]]:
    """(name, argument, position) of every opcode."""
    source = cast(BinaryIO, _Bounded(file, path.stat().st_size))
    for count, (opcode, argument, position) in enumerate(pickletools.genops(source)):
        if count >= MOST_OPCODES:
            raise NotPlain(f"more than {MOST_OPCODES:,} values")
        yield opcode.name, argument, position or 0


def _apply(name: str, argument: Any, position: int, machine: _Machine) -> bool:  # noqa: ANN401
    """Do what one opcode says; False for one that is not known."""
    stack, memo = machine.stack, machine.memo
    if name in _SILENT:
        return True
    if name in _SIMPLE:
        stack.append(_scalar(name, argument, position, machine))
    elif name in ("EMPTY_LIST", "EMPTY_DICT"):
        stack.append([] if name == "EMPTY_LIST" else {})
    elif name == "MARK":
        stack.append(_Mark())
    elif name in ("LIST", "DICT"):
        values = _above_mark(stack)
        stack.append(values if name == "LIST" else _pairs(values))
    elif name in _REMEMBER:
        memo[int(argument)] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in _RECALL:
        stack.append(memo[int(argument)])
    else:
        return _fill(name, stack) or (machine.arrays and _richer(name, argument, position, stack))
    return True


def _scalar(name: str, argument: Any, position: int, machine: _Machine) -> Any:  # noqa: ANN401
    """A string or a number; of a long string, which may be an array's bytes, only its place."""
    if name in _NUMBERS:
        if argument.bit_length() > 8 * LONGEST_NUMBER:
            raise NotPlain(f"a number of {argument.bit_length()} bits")
        return argument
    if machine.arrays and name in _HEADS and len(argument) > INLINE_BYTES:
        # What one character is in the file depends on it: an old string's is one byte.
        length = len(argument) if name in _OLD_STRINGS else len(argument.encode())
        escaped = name not in _OLD_STRINGS
        return BytesInFile(position + _HEADS[name], length, len(argument), escaped)
    return argument


def _richer(name: str, argument: Any, position: int, stack: list[Any]) -> bool:  # noqa: ANN401
    """Opcodes of tuples, floats, bytes and arrays."""
    if name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name == "BINFLOAT":
        stack.append(argument)
    elif name in _TUPLES:
        stack.append(tuple([stack.pop() for _ in range(_TUPLES[name])][::-1]))
    elif name == "TUPLE":
        stack.append(tuple(_above_mark(stack)))
    elif name in _BYTES:
        size = len(argument)
        inline = size <= INLINE_BYTES or name not in _HEADS
        place = None if inline else BytesInFile(position + _HEADS[name], size, size, escaped=False)
        stack.append(bytes(argument) if place is None else place)
    elif name == "GLOBAL":
        stack.append(named_thing(*argument.split(" ", 1)))
    elif name == "STACK_GLOBAL":
        attribute, module = stack.pop(), stack.pop()
        stack.append(named_thing(module, attribute))
    elif name == "REDUCE":
        arguments, thing = stack.pop(), stack.pop()
        if not isinstance(thing, NamedThing) or not isinstance(arguments, tuple):
            raise NotPlain(f"a call of {type(thing).__name__}")
        stack.append(call(thing, arguments))
    elif name == "BUILD":
        state = stack.pop()
        fill(stack[-1], state)
    else:
        return False
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
