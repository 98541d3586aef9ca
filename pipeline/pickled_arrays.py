"""NumPy arrays inside a pickle file: which calls of it describe one, and reading it from there."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

INLINE_BYTES = 1024
"""Up to here an array's content is kept, beyond only its place in the file."""
_KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
"""Element types: numbers alone. An array of Python objects would have to be unpickled."""
_ORDERS = {"<": "<", ">": ">", "=": "=", "|": "|"}
_MOST_AXES = 8


class NotPlain(Exception):  # noqa: N818 - named as what it says of a file
    """A pickle file holds something that is neither a plain value nor an array of numbers."""


@dataclass(frozen=True)
class BytesInFile:
    """Content of an array that stays in the file."""

    offset: int
    length: int
    """Bytes in the file."""
    size: int
    """Bytes once read."""
    escaped: bool
    """Each byte is a character in UTF-8: how protocol 2 of Python 3 writes bytes."""

    def read(self, file: BinaryIO) -> bytes:
        """The content; raises ValueError when the file is not the one that was read."""
        file.seek(self.offset)
        raw = file.read(self.length)
        content = raw.decode().encode("latin-1") if self.escaped else raw
        if len(content) != self.size:
            raise ValueError("the file has become shorter")
        return content


@dataclass(frozen=True)
class NamedThing:
    """One of the few functions and types that arrays are written with; never the thing itself."""

    name: str


@dataclass
class PickledType:
    """An array's element type."""

    code: str
    order: str = "="

    @property
    def numpy(self) -> np.dtype[Any]:
        """The same for NumPy."""
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


@dataclass
class PickledArray:
    """An array of a pickle file; read its values with `read`."""

    shape: tuple[int, ...] = ()
    kind: PickledType | None = None
    content: bytes | BytesInFile = b""
    columns_first: bool = False
    """Fortran's order."""

    @property
    def code(self) -> str:
        """Its element type: f2, i8."""
        return self.kind.code if self.kind is not None else ""

    @property
    def is_float(self) -> bool:
        """Whether its values are floating-point numbers."""
        return self.code.startswith("f")

    @property
    def size_bytes(self) -> int:
        """Of its values."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    def read(self, file: BinaryIO) -> np.ndarray[Any, Any]:
        """The values, in C order and this machine's byte order.

        Args:
            file: The pickle file, opened for reading bytes.

        Raises:
            ValueError: The file has changed since it was indexed.
        """
        assert self.kind is not None  # noqa: S101 - `fill` has checked it
        content = self.content if isinstance(self.content, bytes) else self.content.read(file)
        values = np.frombuffer(content, self.kind.numpy)
        shaped = values.reshape(self.shape, order="F" if self.columns_first else "C")
        return np.ascontiguousarray(shaped, self.kind.numpy.newbyteorder("="))


def named_thing(module: object, attribute: object) -> NamedThing:
    """A function or type that a file names.

    Raises:
        NotPlain: None that arrays are written with.
    """
    name = f"{module}.{attribute}"
    if name not in _CALLS and name != "numpy.ndarray":
        raise NotPlain(f"it names {name[:200]}")
    return NamedThing(name)


def call(thing: NamedThing, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """What a call of a named thing stands for; nothing is called.

    Raises:
        NotPlain: Not as NumPy writes it.
    """
    if thing.name not in _CALLS:
        raise NotPlain(f"a call of {thing.name}")
    return _CALLS[thing.name](*arguments)


def fill(thing: object, state: object) -> None:
    """Give an empty array or element type its state.

    Raises:
        NotPlain: Not as NumPy writes it.
    """
    if isinstance(thing, PickledType) and isinstance(state, tuple) and len(state) >= 5:
        if any(part is not None for part in state[2:5]) or state[1] not in _ORDERS:
            raise NotPlain("an array of records")
        thing.order = _ORDERS[state[1]]
    elif isinstance(thing, PickledArray) and isinstance(state, tuple) and len(state) == 5:
        made = _array(state[1], state[2], state[4], columns_first=bool(state[3]))
        thing.shape, thing.kind, thing.content = made.shape, made.kind, made.content
        thing.columns_first = made.columns_first
    else:
        raise NotPlain(f"a state of {type(thing).__name__}")


def _array(shape: object, kind: object, content: object, *, columns_first: bool) -> PickledArray:
    """An array whose parts fit each other."""
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if not all(type(n) is int and n >= 0 for n in sizes) or len(sizes) > _MOST_AXES:
        raise NotPlain("an array of no shape")
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(kind, PickledType) or not isinstance(content, bytes | BytesInFile):
        raise NotPlain("an array of Python objects")
    made = PickledArray(sizes, kind, content, columns_first)
    if made.size_bytes != math.prod(sizes) * kind.numpy.itemsize:
        raise NotPlain(f"an array of shape {sizes} in {made.size_bytes} bytes")
    return made


def _reconstruct(thing: object, _shape: object = None, _kind: object = None) -> PickledArray:
    if thing != NamedThing("numpy.ndarray"):
        raise NotPlain("a subclass of arrays")
    return PickledArray()


def _from_buffer(content: object, kind: object, shape: object, order: object) -> PickledArray:
    return _array(shape, kind, content, columns_first=order == "F")


def _type(code: object, *_: object) -> PickledType:
    if code not in _KINDS:
        raise NotPlain(f"an array of {'Python objects' if str(code)[:1] == 'O' else code}")
    return PickledType(str(code))


def _number(kind: object, content: object) -> int | float:
    array = _array((1,), kind, content, columns_first=False)
    if not isinstance(array.content, bytes):
        raise NotPlain("a number of many bytes")
    value: int | float = np.frombuffer(array.content, array.kind.numpy)[0].item()  # type: ignore[union-attr]
    return value


def _encode(text: object, encoding: object) -> bytes | BytesInFile:
    """How protocol 2 writes bytes: as a string of their characters."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str | BytesInFile):
        raise NotPlain(f"a text in {encoding}")
    return text if isinstance(text, BytesInFile) else text.encode("latin-1")


def _no_bytes() -> bytes:
    """How protocol 2 writes none."""
    return b""


_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _type,
    "_codecs.encode": _encode,
    "builtins.bytes": _no_bytes,
    "__builtin__.bytes": _no_bytes,
    **{
        f"numpy.{core}.{name}": meaning
        for core in ("core", "_core")
        for name, meaning in (
            ("multiarray._reconstruct", _reconstruct),
            ("multiarray.scalar", _number),
            ("numeric._frombuffer", _from_buffer),
        )
    },
}
