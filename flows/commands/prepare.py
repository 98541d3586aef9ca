"""`crossdiff prepare ...`: motion capture to a training set."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from flows.commands.outcome import Outcome
from flows.names import split_names

if TYPE_CHECKING:
    from pipeline.skeletons import Skeleton

SHOWN_NAMES = 5
MORE_FILES = "give more files or a `split` column in --captions"


def mocap(
    folder: Positional[Path],
    /,
    out: str,
    parts: tuple[str, ...] = ("cmu", "hdm05"),
    text_encoder: str = "minilm",
    min_frames: int = 20,
    json: bool = False,
) -> Outcome:
    """Store motion capture for training: canonical, mirrored, four views, captions embedded.

    Every part becomes a data set of its name. Safe to interrupt and to repeat. The archive's
    captions carry no parts of speech: their tokens say `word/OTHER`.

    Args:
        folder: A packed mocap archive: NAME.npz and NAME.json per part.
        out: The store: a folder, s3://... or gs://...
        parts: Which parts of the archive, with spaces or commas between them.
        text_encoder: `minilm` needs no download; or the path of CLIP ViT-B/32's weights.
        min_frames: Shorter clips are rejects (20 frames are a second).
        json: Print one JSON object on stdout instead of text.
    """
    from flows.prepare_mocap import archive_sizes, prepare_mocap  # noqa: PLC0415
    from models.text.text_encoder import load_text_encoder  # noqa: PLC0415

    archive_sizes(folder, parts)  # the encoder takes seconds to load: look at the folder first
    reports = prepare_mocap(folder, out, parts, load_text_encoder(text_encoder), min_frames)
    data = {"store": out, "datasets": [report.data() for report in reports]}
    return Outcome(data, [line for report in reports for line in report.lines()])


def humanml3d(
    folder: Positional[Path],
    /,
    out: str,
    dataset: str = "humanml3d",
    text_encoder: str = "minilm",
    json: bool = False,
) -> Outcome:
    """Store a HumanML3D folder for training, its vectors as they are.

    Layout: new_joint_vecs/ID.npy, texts/ID.txt, train.txt, val.txt, test.txt. With joints/ID.npy
    in place of the vectors the whole chain runs: retarget, floor, facing, features. Mirrored
    copies (MID) are taken as they are and made where there are none. Clips of 40 to 199 rows.

    Args:
        folder: The data set's folder.
        out: The store: a folder, s3://... or gs://...
        dataset: Name of the data set in the store.
        text_encoder: `minilm` needs no download; or the path of CLIP ViT-B/32's weights.
        json: Print one JSON object on stdout instead of text.
    """
    from pipeline.skeletons import HUMANML3D  # noqa: PLC0415

    return _folder(folder, out, dataset, HUMANML3D, text_encoder)


def kitml(
    folder: Positional[Path],
    /,
    out: str,
    dataset: str = "kitml",
    text_encoder: str = "minilm",
    json: bool = False,
) -> Outcome:
    """Store a KIT-ML folder for training: 21 joints, 251 columns, 12.5 fps.

    The layout is HumanML3D's, see `crossdiff prepare humanml3d --help`. Clips of 24 to 199 rows.
    Raw joints are retargeted to the first motion's bones.

    Args:
        folder: The data set's folder.
        out: The store: a folder, s3://... or gs://...
        dataset: Name of the data set in the store.
        text_encoder: `minilm` needs no download; or the path of CLIP ViT-B/32's weights.
        json: Print one JSON object on stdout instead of text.
    """
    from pipeline.skeletons import KIT  # noqa: PLC0415

    return _folder(folder, out, dataset, KIT, text_encoder)


def _folder(
    folder: Path, out: str, dataset: str, skeleton: "Skeleton", text_encoder: str
) -> Outcome:
    from flows.prepare_folder import prepare_folder  # noqa: PLC0415
    from models.text.text_encoder import load_text_encoder  # noqa: PLC0415

    report = prepare_folder(folder, out, dataset, skeleton, load_text_encoder(text_encoder))
    return Outcome(report.data(), report.lines(), failed=not report.in_store)


def bvh(
    folder: Positional[Path],
    /,
    out: str = "",
    dataset: str = "",
    captions: Path | None = None,
    joint_map: Path | None = None,
    unit: Literal["auto", "m", "cm", "mm", "inch"] = "auto",
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "auto",
    skip_frames: int = 0,
    text_encoder: str = "minilm",
    print_map: bool = False,
    json: bool = False,
) -> Outcome:
    """Store your own motion capture for training: BVH files of any skeleton.

    Files are resampled to 20 fps, mapped to 22 joints, scaled to one body, put on the floor, turned
    to face forward, and mirrored. Files longer than 10 s are cut into pieces. A broken file is
    reported and the run goes on.

    Args:
        folder: A folder with .bvh files, at any depth.
        out: The store: a folder, s3://... or gs://...
        dataset: Name of the data set in the store.
        captions: A .csv, .tsv or .json with the columns file and caption, and if you like split
            (train, val, test), start and end (seconds); or a folder with a text file a motion.
        joint_map: TOML or JSON that names your skeleton's joints; CMU, Mixamo, LAFAN1, Xsens, 3ds
            Max, Biped, Bandai-Namco, Unity, SMPL, Poser names need none.
        unit: Length unit of the files. Motions are scaled to the body anyway; this one is checked.
        up: Axis that points up; auto judges from several files.
        skip_frames: Frames to leave out at the start of each file (a T-pose, say); the captions'
            seconds count from there.
        text_encoder: `minilm` needs no download; or the path of CLIP ViT-B/32's weights.
        print_map: Print a joint map to fill in for the folder's first file, and do nothing else.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.prepare_bvh import bvh_options, joint_map_template, prepare_bvh  # noqa: PLC0415
    from models.text.text_encoder import load_text_encoder  # noqa: PLC0415

    if print_map:
        template = joint_map_template(folder)
        return Outcome({"joint_map": template}, [template.rstrip()])
    if not out or not dataset:
        raise ValueError("say where the motions go: --out STORE --dataset NAME")
    options = bvh_options(joint_map, unit, up, skip_frames)
    encoder = load_text_encoder(text_encoder)
    report, assumed = prepare_bvh(folder, out, dataset, captions, options, encoder)
    lines = [f"{dataset}: {assumed['assumed']}", *report.lines(MORE_FILES)]
    if captions and assumed["files_without_caption"]:
        lines.append(f"  files without caption: {_some(assumed['files_without_caption'])}")
    if assumed["captions_without_file"]:
        lines.append(f"  captions without file: {_some(assumed['captions_without_file'])}")
    return Outcome({**report.data(), **assumed}, lines, failed=not report.in_store)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    return f"{len(names)} ({shown}{', ...' if len(names) > SHOWN_NAMES else ''})"


def snapshot(
    store: Positional[str],
    /,
    out: Path,
    datasets: tuple[str, ...] = (),
    json: bool = False,
) -> Outcome:
    """Write training and validation motions as one Parquet file, for machines without a store.

    `python -m models.train.recipe` trains from it; that needs torch, numpy, pyarrow, safetensors
    and accelerate alone.

    Args:
        store: Store that `crossdiff prepare` filled, URL or URL@version.
        out: The .parquet file to write.
        datasets: Only these data sets; default: all motion capture.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.training_sets import open_training_set, save_motions  # noqa: PLC0415

    found = open_training_set(store, datasets=split_names(datasets))
    save_motions(found, out, features=False)
    data = {"out": str(out), "motions": found.lineage["motions"], "data": found.lineage}
    return Outcome(data, [f"{out}: {found.lineage['motions']}"])
