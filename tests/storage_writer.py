"""An ingest run in a process of its own, for tests that kill it or run several at once.

python storage_writer.py URL FIRST LAST SHARD_SIZE [--noise X] [--no-lock] [--reverse] [--line-up]
Plans as the real one does: asks which videos are known, computes the rest, commits shard by shard.
With --line-up it says "ready" when it has planned, and commits when it is told to on stdin.
"""

import argparse
import sys

import storage_shards as samples

from storage.recipes import register_recipe
from storage.shards import commit_shard, known_hashes
from storage.store import create_store


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("shard_size", type=int)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--no-lock", action="store_true")
    parser.add_argument("--reverse", action="store_true")
    parser.add_argument("--line-up", action="store_true")
    args = parser.parse_args()
    store = create_store(args.url, locking=not args.no_lock)
    register_recipe(store, "demo", samples.RECIPE)
    known = known_hashes(store, "demo")
    wanted = [n for n in range(args.first, args.last) if samples.video_hash(n) not in known]
    if args.reverse:
        wanted.reverse()
    starts = range(0, len(wanted), args.shard_size)
    shards = [samples.shard(wanted[k : k + args.shard_size], noise=args.noise) for k in starts]
    if args.line_up:
        print("ready", flush=True)
        sys.stdin.readline()
    for shard in shards:
        commit_shard(store, shard)


if __name__ == "__main__":
    main()
