"""`crossdiff prepare humanml3d` and `kitml`: a folder in the data sets' own layout."""

from pathlib import Path

from flows.prepare import store_motions
from flows.prepare_report import PrepareReport
from models.data.folder_motions import folder_motions
from models.text.text_encoder import TextEncoder
from pipeline.motion_folder import open_motion_folder
from pipeline.skeletons import Skeleton

READER = "motion-folder"


def prepare_folder(
    path: Path, url: str, dataset: str, skeleton: Skeleton, encoder: TextEncoder
) -> PrepareReport:
    """Store every motion of the folder, and the mirror images that it does not bring itself.

    Args:
        path: The folder.
        url: The store.
        dataset: Name of the data set.
        skeleton: HumanML3D's or KIT-ML's.
        encoder: Embeds the captions.

    Raises:
        ValueError: The folder has another layout.
        StoreError: The store cannot be used.
    """
    folder = open_motion_folder(path, skeleton)
    kind = "joints" if folder.raw else "vectors"
    return store_motions(
        folder_motions(folder),
        url,
        dataset,
        encoder=encoder,
        skeleton=skeleton,
        config={"reader": READER, "from": kind},
    )
