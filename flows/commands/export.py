"""`crossdiff export`: motions as files for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from flows.commands.outcome import Outcome


def export(
    items: Positional[tuple[str, ...]] = (),
    /,
    *,
    format: Literal["bvh", "glb", "npz", "csv", "mp4", "hf"],
    out: Path,
    store: str | None = None,
    query: str | None = None,
    dataset: str | None = None,
    action: str | None = None,
    min_score: float | None = None,
    include_dropped: bool = False,
    unit: Literal["cm", "m"] | None = None,
    fps: float | None = None,
    helpers: bool = True,
    body: Literal["capsules", "anny"] | None = None,
    licence: Annotated[str | None, tyro.conf.arg(name="license")] = None,
    overwrite: bool = False,
    json: bool = False,
) -> Outcome:
    """Write motions as files: BVH, GLB, NPZ, CSV, MP4, or a data set folder.

    One motion goes to --out FILE; any number goes to --out FOLDER, a file each, with export.json,
    which lists them with captions and lineage. Killed, the same command goes on.

    bvh: bones named as in MotionBuilder and Mixamo (Hips, Spine, LeftArm, ...), Y up, centimetres,
    T-pose. glb: the same skeleton in metres with a body of capsules, or a human one, skinned to it.
    Both have bones of constant length, and no twist that positions do not show. npz: FILE.npz has
    joints, features, fps, captions and lineage; a FOLDER has HumanML3D's own layout
    (new_joint_vecs, new_joints, texts, train.txt, Mean.npy, ...). csv: a row a frame, metres. mp4:
    a film of the skeleton. hf: a folder in the Hugging Face layout, Parquet and a card.

    Args:
        items: Motion ids as `crossdiff ls --motions` prints them; or, without --store, NPZ files
            that `crossdiff generate` wrote.
        format: bvh, glb, npz, csv, mp4 or hf.
        out: File or folder to write.
        store: The store, or `STORE@VERSION`.
        query: A condition in SQL over the columns of `crossdiff ls --motions` and `verdict`, e.g.
            "action = 'YoYo' AND n_frames > 60".
        dataset: Only this data set.
        action: Only this action class, e.g. YoYo.
        min_score: Only motions whose label has at least this score, 0 to 1.
        include_dropped: Also motions that a curator dropped; named ones are always taken.
        unit: Length unit of a BVH; default: cm.
        fps: Frames a second of a BVH or GLB; default: the motion's.
        helpers: Bones without length at hips and chest of a BVH or GLB, which keep all joints where
            they are; without them both are rigid and limbs move by some millimetres.
        body: Of a GLB: capsules (default) or anny, a human body in the motion's bone lengths, free
            to use and pass on (Apache-2.0 and CC0).
        licence: For hf: the licence of what you export, e.g. cc-by-4.0; default: other.
        overwrite: Write over what is at --out.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.export import export_motions, lines_of  # noqa: PLC0415
    from flows.export_options import ExportOptions  # noqa: PLC0415

    data = export_motions(
        ExportOptions(
            items=items,
            store=store,
            format=format,
            out=out,
            query=query,
            dataset=dataset,
            action=action,
            min_score=min_score,
            dropped=include_dropped,
            unit=unit,
            fps=fps,
            helpers=helpers,
            body=body,
            licence=licence,
            overwrite=overwrite,
        )
    )
    failed = bool(data["rejected"]) and (bool(items) or not data["exported"])
    return Outcome(data, lines_of(data), failed=failed)
