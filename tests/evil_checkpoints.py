"""Objects that do something when a checkpoint which holds them is unpickled carelessly."""

import os
from pathlib import Path
from typing import Any

import numpy as np


class Evil:
    """Unpickled carelessly, it creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


class EvilByLookup:
    """The same through `getattr`, which the reader answers with a stand-in of its own."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return _Lookup("system"), (f"touch '{self.mark}'",)


class EvilByKnownName:
    """`getattr(numpy.ndarray, ...)`: every name in it is one the reader knows, but not the call."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        content = np.frombuffer(b"mark", np.uint8)
        return _TofileOf(content), (str(self.mark),)


class _TofileOf:
    def __init__(self, content: np.ndarray) -> None:
        self.content = content

    def __call__(self, *_: object) -> None: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.content, "tofile")


class _Lookup:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: object) -> None: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (_Module("os"), self.name)


class _Module:
    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        import importlib

        return importlib.import_module, (self.name,)
