"""`python -m tests.benchmarks.synthetic`: render clips with known 3D from a store's motions."""

import argparse
import csv
import sys
import time
from pathlib import Path

from flows.training_sets import open_training_set
from storage.errors import StoreError
from tests.benchmarks.synthetic.choose import DATASETS, choose
from tests.benchmarks.synthetic.film import Filmed, set_up, write_clip

COLUMNS = (
    "clip", "motion_id", "action", "camera", "view_deg", "elevation_deg", "distance_m",
    "field_deg", "whole_in_picture", "limbs_off_deg", "frames", "seed", "caption",
)  # fmt: skip


def main() -> int:
    """Render what is not there yet; one line a clip."""
    asked = _arguments()
    try:
        opened = open_training_set(asked.data, (asked.split,), asked.datasets)
        motions = opened.motions[asked.split]
        takes = choose(motions, asked.clips, asked.seed)
        for number, (take, joints) in enumerate(takes, 1):
            if (asked.out / f"{take.name}.avi").exists():
                continue
            began = time.perf_counter()
            filmed = set_up(take, joints)
            write_clip(filmed, asked.out)
            _note(asked.out / "manifest.csv", filmed)
            took = time.perf_counter() - began
            print(f"{number}/{len(takes)} {take.name} {take.kind} {took:.1f} s", flush=True)
    except (ValueError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="store that `crossdiff prepare mocap` wrote")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"])
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS))
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _note(manifest: Path, filmed: Filmed) -> None:
    """Add a clip's line; the manifest is of help to readers, nothing reads it back."""
    take, shoot = filmed.take, filmed.shoot
    row = [
        take.name, take.motion_id, take.action, take.kind, f"{shoot.azimuth_deg:.1f}",
        f"{shoot.elevation_deg:.1f}", f"{shoot.distance_m:.2f}", f"{shoot.field_deg:.1f}",
        filmed.inside, f"{filmed.limbs_off_deg:.2f}", len(filmed.camera.k), take.seed, take.caption,
    ]  # fmt: skip
    new = not manifest.exists()
    with manifest.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


if __name__ == "__main__":
    raise SystemExit(main())
