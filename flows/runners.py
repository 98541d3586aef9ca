"""Where shards run: threads or processes here, or the workers of a Ray or Dask cluster."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flows.prefect_settings import prepare_environment

prepare_environment()

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner  # noqa: E402

from flows.cluster_address import require_cluster  # noqa: E402
from flows.options import IngestOptions  # noqa: E402
from flows.worker_process import begin_worker  # noqa: E402
from storage.location import locate  # noqa: E402

RunnerKind = Literal["local", "ray", "dask"]


@dataclass(frozen=True)
class Pool:
    """Workers that are ready."""

    runner: TaskRunner[Any]
    workers: int
    """Shards that can run at the same time."""


@contextmanager
def task_runner(kind: RunnerKind, workers: int, address: str | None = None) -> Iterator[Pool]:
    """Workers for the time of a flow run; a cluster made here is gone afterwards.

    Args:
        kind: `local`: one worker is a thread of this process, several are processes.
            `ray`, `dask`: worker processes of a cluster.
        workers: How many; of a cluster at an address, it says itself.
        address: A running cluster; None makes one on this machine.

    Yields:
        The workers; give `runner` to a flow.

    Raises:
        ValueError: The runner's package is not installed, or the cluster cannot be used.
        ConnectionError: No cluster answers at the address.
    """
    if kind == "local":
        yield Pool(_local(workers), workers)
        return
    require_cluster(kind, address)
    if kind == "ray":
        from flows.ray_pool import ray_pool as cluster  # noqa: PLC0415
    else:
        from flows.dask_pool import dask_pool as cluster  # noqa: PLC0415
    with cluster(workers, address) as (runner, count):
        yield Pool(runner, count)


def _local(workers: int) -> TaskRunner[Any]:
    """Processes are spawned: the table engine panics after a fork."""
    if workers == 1:
        return ThreadPoolTaskRunner(max_workers=1)
    return ProcessPoolTaskRunner(max_workers=workers, initializer=begin_worker)


def lost_worker_errors() -> tuple[type[BaseException], ...]:
    """What a runner raises for a shard whose worker died, and its replacements too."""
    errors: list[type[BaseException]] = [BrokenProcessPool]
    if "ray" in sys.modules:
        from ray.exceptions import RayError  # noqa: PLC0415

        errors.append(RayError)
    if "distributed" in sys.modules:
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415

        errors += [KilledWorker, CancelledError]
    return tuple(errors)


def for_any_worker(options: IngestOptions) -> IngestOptions:
    """The same options with absolute paths: a cluster's workers start in other folders."""
    pose = options.pose
    config = pose.config
    if config is not None and Path(config).exists():
        config = os.path.abspath(config)  # noqa: PTH100 - a link stays a link, as without a cluster
    return replace(
        options,
        out=str(locate(options.out)),
        checkpoint=options.checkpoint.absolute(),
        pose=replace(
            pose,
            config=config,
            checkpoint=pose.checkpoint and pose.checkpoint.absolute(),
            detector_checkpoint=pose.detector_checkpoint and pose.detector_checkpoint.absolute(),
        ),
    )
