"""OpenAI's CLIP package without its front door, which imports torchvision to prepare images."""

import functools
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast


class Vocabulary(Protocol):
    """What is used of the package's tokenizer."""

    encoder: dict[str, int]
    """Token -> number."""

    def encode(self, text: str) -> list[int]:
        """A sentence's token numbers, without start and end."""
        ...


@functools.cache
def clip_module(name: str) -> ModuleType:
    """One file of the package: `model` or `simple_tokenizer`.

    Raises:
        ValueError: The package is not installed.
    """
    package = importlib.util.find_spec("clip")
    folders = package.submodule_search_locations if package is not None else None
    file = Path(folders[0]) / f"{name}.py" if folders else None
    spec = importlib.util.spec_from_file_location(f"_openai_clip_{name}", file) if file else None
    if file is None or not file.is_file() or spec is None or spec.loader is None:
        raise ValueError("the CLIP package is not installed: pip install openai-clip")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def clip_vocabulary() -> Vocabulary:
    """CLIP's byte-pair tokenizer, whose vocabulary comes with the package."""
    return cast(Vocabulary, clip_module("simple_tokenizer").SimpleTokenizer())
