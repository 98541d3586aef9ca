"""Workers of a Ray cluster: one on this machine for one run, or a running one."""

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from flows.cluster_address import require_reachable_api
from flows.worker_process import code_here

if TYPE_CHECKING:
    from prefect_ray import RayTaskRunner

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leaves the GPUs in sight: --device chooses
}
ONCE = {"RAY_NUM_REDIS_GET_RETRIES": "1"}
"""How often to ask an address that does not answer as Ray does: 40 s each; Ray's default is 20."""
OBJECT_STORE_BYTES = 104_857_600
"""100 MiB, of a cluster made here: tasks exchange paths and counts, never frames."""
NAMESPACE = "crossdiff"


@contextmanager
def ray_pool(workers: int, address: str | None) -> "Iterator[tuple[RayTaskRunner, int]]":
    """A task runner for Prefect and the number of shards that the cluster can run at once.

    Ray is imported when its environment is ready: it reads it while it is imported.

    Args:
        workers: Processes of a cluster that is made here.
        address: A running cluster; None makes one that ends with the context.

    Raises:
        ConnectionError: No cluster answers, or none could be started here.
        ValueError: It has no CPUs, or other code than this machine.
    """
    for name, value in (QUIET if address is None else {**QUIET, **ONCE}).items():
        os.environ.setdefault(name, value)
    if address is None:
        _guard_own_cluster()
    import ray  # noqa: PLC0415
    from prefect_ray import RayTaskRunner  # noqa: PLC0415

    try:
        if address is None:
            _make(workers)
        else:
            _join(address)
            require_reachable_api(n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"])
            _require_same_code(address)
        # Prefect's runner takes the connection that is there, and leaves it to us. Ray's remarks
        # (a worker died, a node joined) are no part of what the command answers.
        with redirect_stdout(sys.stderr):
            yield RayTaskRunner(), _cpus()
    finally:
        ray.shutdown()


def _guard_own_cluster() -> None:
    """Ray listens on all addresses of a machine: whoever has no token is turned away.

    In the environment and not in a file of the user: it is worth nothing after the run.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _make(workers: int) -> None:
    import ray  # noqa: PLC0415

    try:
        ray.init(
            address="local",
            num_cpus=workers,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,  # standard output belongs to the command
            logging_level=logging.ERROR,
            namespace=NAMESPACE,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster could be started here: {error}") from error


def _join(address: str) -> None:
    import ray  # noqa: PLC0415

    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.ERROR, namespace=NAMESPACE
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster answers at --address {address}: {error}") from error


def _cpus() -> int:
    """A shard takes one CPU."""
    import ray  # noqa: PLC0415

    return int(ray.cluster_resources().get("CPU", 0))


def _require_same_code(address: str) -> None:
    import ray  # noqa: PLC0415

    if not _cpus():
        raise ValueError(f"the Ray cluster at {address} has no CPUs: start workers first")
    try:
        found = ray.get(ray.remote(code_here).remote())
    except ray.exceptions.RayError as error:
        raise ValueError(
            f"the workers at {address} cannot run this installation's code: {error}"
        ) from error
    if found != code_here():
        raise ValueError(
            f"the workers at {address} run other code ({found}) than this machine "
            f"({code_here()}): install the same everywhere"
        )
