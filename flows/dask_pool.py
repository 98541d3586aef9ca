"""Workers of a Dask cluster: one on this machine for one run, or a running one."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")  # read while it is imported

import dask
from distributed import Client, LocalCluster
from distributed.comm import connect
from distributed.security import Security
from prefect_dask import DaskTaskRunner

from flows.cluster_address import ANSWER_S, require_reachable_api
from flows.worker_process import code_here

SPAWN = {"distributed.worker.multiprocessing-method": "spawn"}
"""The table engine panics after a fork."""
ALONE = "start Dask workers with --nthreads 1: the models of a process serve one shard at a time"


@contextmanager
def dask_pool(workers: int, address: str | None) -> Iterator[tuple[DaskTaskRunner, int]]:
    """A task runner for Prefect and the number of its workers.

    Args:
        workers: Processes of a cluster that is made here.
        address: A running scheduler; None makes a cluster that ends with the context.

    Raises:
        ConnectionError: The scheduler does not answer.
        ValueError: It has no workers, or ones that cannot do the work.
    """
    if address is None:
        with _own(workers) as cluster:
            yield _runner(cluster.scheduler_address, cluster.security), workers
        return
    yield _runner(address), _count(address)


def _runner(address: str, security: Security | None = None) -> DaskTaskRunner:
    return DaskTaskRunner(
        address=address, client_kwargs={"timeout": ANSWER_S, "security": security}
    )


@contextmanager
def _own(workers: int) -> Iterator[LocalCluster]:
    """Encrypted and on the loopback: whoever reaches a scheduler can run code as its owner."""
    with (
        dask.config.set(SPAWN),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=True,
            dashboard_address=None,
            memory_limit=0,  # as local processes: none
            preload=["flows.worker_process"],
        ) as cluster,
    ):
        yield cluster


def _count(address: str) -> int:
    """How many workers the scheduler has, all of them fit for the work."""
    _require_scheduler(address)
    with Client(address, timeout=ANSWER_S, set_as_default=False) as client:
        threads = client.nthreads()
        if not threads:
            raise ValueError(f"the Dask scheduler at {address} has no workers: start some first")
        if set(threads.values()) != {1}:
            raise ValueError(ALONE)
        require_reachable_api(urlsplit(worker).hostname or worker for worker in threads)
        _require_same_code(client, address)
    return len(threads)


def _require_scheduler(address: str) -> None:
    """Shake hands: the client's own timeout does not end its wait for a server of another kind."""

    async def shake_hands() -> None:
        comm = await connect(address, timeout=ANSWER_S, **Security().get_connection_args("client"))
        await comm.close()

    try:
        asyncio.run(asyncio.wait_for(shake_hands(), ANSWER_S))
    except (OSError, ValueError, TimeoutError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at --address {address}: {str(error) or 'it is silent'}"
        ) from error


def _require_same_code(client: Client, address: str) -> None:
    try:
        found = client.run(code_here)
    except Exception as error:
        raise ValueError(f"the workers at {address} cannot run this installation's code: "
                         f"{error}") from error  # fmt: skip
    strange = [worker for worker, code in found.items() if code != code_here()]
    if strange:
        raise ValueError(f"the worker {strange[0]} runs other code ({found[strange[0]]}) than "
                         f"this machine ({code_here()}): install the same everywhere")  # fmt: skip
