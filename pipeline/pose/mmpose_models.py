"""Find, build and fill mmpose and mmdet models: configs by name or path, weights checked."""

import difflib
import hashlib
import importlib
import json
import warnings
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import torch

from pipeline.pose.checkpoints import load_weights, read_checkpoint
from pipeline.pose.joint_sets import JOINT_SETS, JointSet
from pipeline.pose.protocol import PoseSetupError

INSTALL = "pip install 'crossdiff[mmpose]'"
PACKAGES = ("mmengine", "mmcv", "mmdet", "mmpose")
PERSON = "person"


class Network(Protocol):
    """What this package uses of an mmpose or mmdet model."""

    cfg: Any
    dataset_meta: dict[str, Any]

    def test_step(self, data: object) -> list[Any]:
        """Answers, one a sample."""
        ...


@dataclass(frozen=True)
class _Config:
    parsed: Any
    """An mmengine `Config`."""
    package: str
    """`mmpose` or `mmdet`."""
    name: str


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run, and the fingerprints of what it was made from."""

    network: Network
    """An mmpose or mmdet model on its device, in eval mode."""
    config_name: str
    config_sha: str
    """SHA-256 prefix of the whole resolved config."""
    weights_sha: str
    """SHA-256 prefix of the checkpoint file."""


def require_mmpose() -> None:
    """Make mmpose and mmdet importable.

    Raises:
        PoseSetupError: The [mmpose] extra is not installed.
    """
    for package in PACKAGES:
        _package_folder(package)
    # Torch's deprecations inside mmdet's layers are not the user's to fix.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mm(det|pose|engine)\.")
    warnings.filterwarnings("ignore", message="torch.meshgrid")
    from pipeline.pose.mmcv_ext import install_if_absent  # noqa: PLC0415 - needs mmcv

    install_if_absent()


def load_pose_model(
    config: str, checkpoint: Path | None, device: str, flip_test: bool | None
) -> LoadedModel:
    """Build a top-down pose model and fill it.

    Args:
        config: An mmpose config: a path, or a name such as
            `rtmpose-m_8xb256-420e_coco-256x192`. A config file is Python and runs as such.
        checkpoint: A `.pth`, or the folder `mim download` filled.
        device: A torch device.
        flip_test: Average with the mirrored picture (twice the time); None keeps the config's word.

    Returns:
        The model.

    Raises:
        PoseSetupError: Config, weights or device cannot be had.
    """
    chosen = _parse_config("mmpose", config)
    if flip_test is not None:
        chosen.parsed.model.setdefault("test_cfg", {})["flip_test"] = flip_test
    api = _import_quietly("mmpose.apis")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = api.init_model(chosen.parsed, None, device="cpu")
    return _filled(network, chosen, checkpoint, device)


def load_detector(config: str, checkpoint: Path | None, device: str) -> LoadedModel:
    """Build an mmdet detector that knows persons and fill it.

    Args:
        config: An mmdet config: a path, or a name such as `rtmdet_m_8xb32-300e_coco`.
        checkpoint: A `.pth`, or the folder `mim download` filled.
        device: A torch device.

    Returns:
        The model.

    Raises:
        PoseSetupError: Config, weights or device cannot be had, or it has no class `person`.
    """
    chosen = _parse_config("mmdet", config)
    _import_quietly("mmdet.apis")  # registers every part a config can name
    registry = _import_quietly("mmengine.registry")
    chosen.parsed.model.pop("train_cfg", None)
    with registry.DefaultScope.overwrite_default_scope("mmdet"):
        network = registry.MODELS.build(chosen.parsed.model)
    network.cfg, network.dataset_meta = chosen.parsed, {}
    loaded = _filled(network, chosen, checkpoint, device)
    if PERSON not in loaded.network.dataset_meta.get("classes", ()):
        raise PoseSetupError(f"the detector {chosen.name} has no class {PERSON!r}")
    return loaded


def joint_set_of(network: Network) -> JointSet:
    """The joint set a pose model gives, recognised by its joints' names and order.

    Args:
        network: An mmpose model with `dataset_meta`.

    Returns:
        The joint set.

    Raises:
        PoseSetupError: The model gives joints that are not in `joint_sets`.
    """
    names_by_id = network.dataset_meta.get("keypoint_id2name", {})
    names = tuple(names_by_id[i] for i in sorted(names_by_id))
    for joint_set in JOINT_SETS.values():
        if joint_set.joints == names:
            return joint_set
    raise PoseSetupError(
        f"this model gives {len(names)} joints of {network.dataset_meta.get('dataset_name')!r}; "
        f"known joint sets: {', '.join(JOINT_SETS)}"
    )


def resolve_device(device: str) -> str:
    """Turn `auto`, `cpu`, `cuda`, `cuda:1` into a device that is there.

    Raises:
        PoseSetupError: The device does not exist on this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise PoseSetupError(f"there is no device {device!r} on this machine") from error
    return device


def _filled(
    network: torch.nn.Module, config: _Config, checkpoint: Path | None, device: str
) -> LoadedModel:
    """Fill a built network from its checkpoint, on its device."""
    path = _find_weights(config.package, config.name, checkpoint)
    content = read_checkpoint(path)
    unused = load_weights(network, content, path)
    if unused:
        lost = f"{len(unused)} weights have no place in {config.name}, e.g. {unused[0]}"
        warnings.warn(f"{path}: {lost}", stacklevel=2)
    network.to(resolve_device(device)).eval()
    model = cast("Network", network)
    own_meta = content.get("meta", {}).get("dataset_meta")
    if own_meta:  # what the weights were trained for outranks the config, as in mmpose
        model.dataset_meta = {key.lower(): value for key, value in own_meta.items()}
    elif "CLASSES" in content.get("meta", {}):  # mmdet before 3.0
        model.dataset_meta = {"classes": content["meta"]["CLASSES"]}
    whole = json.dumps(config.parsed.to_dict(), sort_keys=True, default=str)
    with path.open("rb") as file:
        weights_sha = hashlib.file_digest(file, "sha256").hexdigest()
    config_sha = hashlib.sha256(whole.encode()).hexdigest()
    return LoadedModel(model, config.name, config_sha[:12], weights_sha[:12])


def _parse_config(package: str, config: str) -> _Config:
    """Read a config given by path or by name."""
    engine = _import_quietly("mmengine.config")
    path = Path(config)
    if path.suffix != ".py":
        path = _find_config(package, config)
    if not path.is_file():
        raise PoseSetupError(f"there is no config {path}")
    try:
        parsed = engine.Config.fromfile(path)
    except (SyntaxError, ImportError, NameError, AttributeError, KeyError, ValueError) as error:
        raise PoseSetupError(f"config {path} cannot be read: {error}") from error
    if "model" not in parsed or "test_dataloader" not in parsed:
        raise PoseSetupError(f"{path} is not a model's config: it has no model or test_dataloader")
    return _Config(parsed, package, path.stem)


def _package_folder(package: str) -> Path:
    """Where an installed package lies."""
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PoseSetupError(f"the mmpose backend needs {package}: {INSTALL}")
    return Path(spec.submodule_search_locations[0])


def _find_config(package: str, name: str) -> Path:
    """The config of that name in the installed package."""
    folder = _package_folder(package) / ".mim" / "configs"
    known = {path.stem: path for path in folder.rglob("*.py")}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise PoseSetupError(f"{package} has no config named {name!r}{hint}")


def _find_weights(package: str, name: str, checkpoint: Path | None) -> Path:
    """The `.pth` to read, or the command that fetches it."""
    fetch = f"mim download {package} --config {name} --dest checkpoints"
    advice = f"fetch them with `{fetch}` (after `pip install openmim`) and give that folder"
    if checkpoint is None:
        raise PoseSetupError(f"{name} needs weights: {advice}")
    if checkpoint.is_dir():
        files = sorted(checkpoint.glob("*.pth"))
        if len(files) > 1:  # a folder that several downloads share: the config's own weights
            files = [file for file in files if file.name == _published_file(package, name)]
        if len(files) == 1:
            return files[0]
        raise PoseSetupError(f"no weights for {name} in {checkpoint}: {advice}, or name the file")
    if not checkpoint.is_file():
        raise PoseSetupError(f"no weights at {checkpoint}: {advice}")
    return checkpoint


def _published_file(package: str, name: str) -> str | None:
    """File name under which a named config's weights are published, from its metafile."""
    fileio = _import_quietly("mmengine.fileio")
    folder = _find_config(package, name).parent
    for metafile in folder.glob("*.yml"):
        for model in fileio.load(metafile)["Models"]:
            if Path(model["Config"]).stem == name and "Weights" in model:
                return str(model["Weights"]).rsplit("/", 1)[-1]
    return None


def _import_quietly(module: str) -> ModuleType:
    """Import without the deprecation warnings that mmengine's chain shows every user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)
