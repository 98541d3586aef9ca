"""`crossdiff prepare bvh`: the user's own motion capture, any BVH skeleton."""

from pathlib import Path
from typing import Any

from flows.prepare import store_motions
from flows.prepare_report import PrepareReport
from models.data.bvh_motions import BvhSet, bvh_motions
from models.text.text_encoder import TextEncoder
from pipeline.bvh_families import find_joint_map
from pipeline.bvh_file import read_bvh
from pipeline.bvh_folder import BvhOptions, Unit, Up, find_bvh_files, survey
from pipeline.bvh_joint_maps import map_template, read_joint_map
from pipeline.caption_files import read_captions
from pipeline.skeletons import HUMANML3D
from storage.rows import check_name
from storage.statistics import splits_by_source
from storage.store import create_store

READER = "bvh"


def bvh_options(joint_map: Path | None, unit: Unit, up: Up, skip_frames: int) -> BvhOptions:
    """What the user said, with the joint map read.

    Raises:
        ValueError: The joint map cannot be used.
    """
    return BvhOptions(read_joint_map(joint_map) if joint_map else None, unit, up, skip_frames)


def joint_map_template(folder: Path) -> str:
    """A joint map to fill in for the first file of the folder.

    Raises:
        ValueError: The folder holds no BVH file, or the first one cannot be read.
    """
    first = find_bvh_files(folder)[0]
    names = [node.name for node in read_bvh(first).nodes]
    return map_template(names, find_joint_map(names)[0])


def prepare_bvh(
    folder: Path,
    url: str,
    dataset: str,
    captions: Path | None,
    options: BvhOptions,
    encoder: TextEncoder,
) -> tuple[PrepareReport, dict[str, Any]]:
    """Store every clip of the folder and its mirror image.

    Args:
        folder: Holds BVH files, in folders or not.
        url: The store.
        dataset: Name of the data set.
        captions: A list or a folder of texts; None: the motions have no captions.
        options: Joint map, unit, up axis.
        encoder: Embeds the captions.

    Returns:
        The report, and what was assumed of the files.

    Raises:
        ValueError: No file can be used, or the captions cannot be read.
        StoreError: The store cannot be used.
    """
    check_name("--dataset", dataset)
    files = find_bvh_files(folder)
    told = read_captions(captions) if captions else {}
    known = survey(files, options)
    stored = splits_by_source(create_store(url), dataset)
    given = BvhSet(folder, files, dataset, told, options, known, stored)
    config = {
        "reader": READER,
        "joint_map": options.joint_map.to_json() if options.joint_map else "built in",
        "up": known.up,
        "skip_frames": options.skip_frames,
    }
    report = store_motions(
        bvh_motions(given), url, dataset, encoder=encoder, skeleton=HUMANML3D, config=config
    )
    assumed = {
        "files": len(files),
        "joint_maps": list(known.maps),
        "up": known.up,
        "unit": known.unit,
        "files_without_caption": given.uncaptioned(),
        "captions_without_file": given.unused_captions(),
        "assumed": known.sentence(),
    }
    return report, assumed
