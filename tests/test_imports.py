"""The import rule of the house, and what training and lifting need on a bare machine."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("pipeline", "models", "storage", "flows")
FORBIDDEN = {
    "pipeline": {"models", "storage", "flows", "prefect"},
    "models": {"storage", "flows", "prefect"},
    "storage": {"models", "flows", "prefect"},
}
"""What each room may never import, at the top of a file or inside a function."""
BARE = {"torch", "numpy", "pyarrow", "safetensors", "accelerate"}
"""All that training and lifting may need besides Python itself."""
HEAVY = ("scipy", "cv2", "prefect", "deltalake", "transformers", "diffusers", "mediapipe", "pandas")
ARITHMETIC_MODULES = {"numpy", "scipy", "cv2", "pandas", "math", "statistics", "operator"}
TORCH_FOR_DEVICES = {"device", "cuda", "set_num_threads"}
"""The names of torch that flows may say: which machine to use, not what to compute."""


def files_of(room: str) -> list[Path]:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} holds no code"
    return files


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything a module imports, lazily or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rsplit(".", 1)[-1]
            name = node.args[0]
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                yield str(name.value)


def imports_of(file: Path) -> set[str]:
    return set(imported(ast.parse(file.read_text(encoding="utf-8"))))


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_room_imports_what_lies_above_it(room):
    for file in files_of(room):
        wrong = {n for n in imports_of(file) if top(n) in FORBIDDEN[room]}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_rule_sees_every_way_to_import():
    code = """
import prefect
def f():
    from flows.cli import main
    import importlib; importlib.import_module("storage.rows")
if TYPE_CHECKING:
    import models.lifting.lift as lift
"""
    assert {top(n) for n in imported(ast.parse(code))} == {
        "prefect", "flows", "storage", "models", "importlib",
    }  # fmt: skip


def own_file(name: str) -> Path | None:
    """The file of one of our modules; `a.b.c` may be the name c inside module a.b."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:length])
        for file in (stem.with_suffix(".py"), stem / "__init__.py"):
            if file.is_file():
                return file
    return None


def needs(*modules: str) -> dict[str, set[Path]]:
    """Third-party packages that our modules import, directly or through one another."""
    todo = [own_file(m) for m in modules]
    done: set[Path] = set()
    out: dict[str, set[Path]] = {}
    while todo:
        file = todo.pop()
        assert file is not None
        if file in done:
            continue
        done.add(file)
        for name in imports_of(file):
            if top(name) in ROOMS:
                todo += [own_file(name), ROOT / top(name) / "__init__.py"]
            elif top(name) not in sys.stdlib_module_names:
                out.setdefault(top(name), set()).add(file.relative_to(ROOT))
    return out


def test_training_and_lifting_need_only_the_bare_packages():
    """Even inside functions: a lazy import fails on the bare machine all the same."""
    needed = needs(
        "models.train.training",
        "models.train.recipe",
        "models.lifting.lift",
        "models.lifting.evaluate_lift",
        "models.train.train_config",
    )
    extra = {name: files for name, files in needed.items() if name not in BARE}
    assert not extra
    assert {"torch", "numpy", "pyarrow", "safetensors", "accelerate"} <= set(needed)


BARE_RUN = """
import sys
heavy = sys.argv[2].split(",")
sys.modules.update(dict.fromkeys(heavy))  # None: any import of them raises ImportError
import models.lifting.evaluate_lift, models.train.recipe
from dataclasses import replace
from pathlib import Path
import training_victim as victim
from models.checkpoint import load_checkpoint
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view
out = Path(sys.argv[1])
train_bank, validation_bank, statistics = victim.tiny_data()
from models.train.training import train
train(replace(victim.TINY, steps=1), train_bank, validation_bank, statistics, out)
view = project_view(train_bank.joints[1, :60].numpy(), 90.0)
from models.lifting.lift import lift
label = lift(load_checkpoint(out / "best"), features_from_view(view, HUMANML3D))
assert label.joints.shape == (59, 22, 3)
print("loaded:", [name for name in heavy if sys.modules.get(name) is not None])
"""


def test_training_and_lifting_work_on_a_machine_that_has_nothing_else(tmp_path):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", BARE_RUN, str(tmp_path / "run"), ",".join(HEAVY)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("loaded: []")


def test_importing_them_drags_in_nothing_heavy():
    code = "import sys, models.train.training, models.lifting.lift; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not {top(name) for name in done.stdout.split()} & set(HEAVY)


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def is_series(node: ast.expr) -> bool:
    return is_text(node) or isinstance(node, ast.List | ast.Tuple | ast.ListComp)


def path_names(tree: ast.AST) -> set[str]:
    """Names that the file annotates as a path."""
    annotated = {
        **{a.arg: a.annotation for a in ast.walk(tree) if isinstance(a, ast.arg)},
        **{
            ast.unparse(a.target): a.annotation
            for a in ast.walk(tree)
            if isinstance(a, ast.AnnAssign)
        },
    }
    return {n for n, kind in annotated.items() if kind is not None and "Path" in ast.unparse(kind)}


def is_arithmetic(node: ast.BinOp | ast.AugAssign, paths: set[str]) -> bool:
    """Everything but: unions of types, joined paths, joined texts and lists, text % values."""
    left, right = (
        (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
    )
    if isinstance(node.op, ast.BitOr):
        return False
    if isinstance(node.op, ast.Div):
        joins = (
            is_text(right) or is_text(left) or (isinstance(right, ast.Name) and right.id.isupper())
        )
        inner = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div)
        named = ast.unparse(left).split(".")[-1] in paths
        return not (joins or named or (inner and not is_arithmetic(left, paths)))
    if isinstance(node.op, ast.Add):
        nested = isinstance(left, ast.BinOp) and not is_arithmetic(left, paths)
        return not (is_series(left) or is_series(right) or nested)
    return not (isinstance(node.op, ast.Mod) and is_text(left))


def arithmetic_in(source: str) -> list[str]:
    tree = ast.parse(source)
    paths = path_names(tree)
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.AugAssign) and is_arithmetic(node, paths)
    ]


@pytest.mark.parametrize(
    "source",
    [
        "x: int | None = None",
        "p = out / 'best'",
        "p = out / f'{name}.json'",
        "p = location.path / REPORT_NAME",
        "def f(folder: Path, name: str): return folder / name / 'x' / name",
        "lines += [a for a in b]",
        "s = 'a' + b + c",
        "s = '%s: %d' % (a, b)",
    ],
)
def test_what_flows_may_write(source):
    assert arithmetic_in(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "fps = frames / seconds",
        "x = 1 + y",
        "x = total - 1",
        "n += 1",
        "x = len(a) / len(b)",
        "x = 2 * n",
        "x = n // 2",
        "x = n % 2",
        "x = a ** 0.5",
        "x = a @ b",
        "def f(folder: Path, n: int): return n / 2",
    ],
)
def test_what_flows_may_not_write(source):
    assert arithmetic_in(source) != []


def test_flows_hold_no_arithmetic():
    for file in files_of("flows"):
        source = file.read_text(encoding="utf-8")
        assert not arithmetic_in(source), f"{file.relative_to(ROOT)}: {arithmetic_in(source)}"
        wrong = {n for n in imports_of(file) if top(n) in ARITHMETIC_MODULES}
        assert not wrong, f"{file.relative_to(ROOT)} imports {sorted(wrong)}"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch":
                assert node.attr in TORCH_FOR_DEVICES, (
                    f"{file.relative_to(ROOT)}: torch.{node.attr}"
                )
            if isinstance(node, ast.ImportFrom) and top(str(node.module)) == "torch":
                raise AssertionError(f"{file.relative_to(ROOT)} imports from torch")
