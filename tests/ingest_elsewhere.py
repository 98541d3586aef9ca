"""An ingest as `ingest_here` does it, in a process of its own that a test may kill.

python ingest_elsewhere.py VIDEOS STORE
"""

import sys

from ingest_here import ingest_here, options_for


def main() -> None:
    ingest_here(options_for(*sys.argv[1:3]))


if __name__ == "__main__":
    main()
