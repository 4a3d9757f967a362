# SPDX-License-Identifier: Apache-2.0
"""The same work on the machines of a Ray cluster."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from typing import Any, TypeVar

from refseg_lab.evaluation.records import SampleSource
from refseg_lab.evaluation.runner import Prepare, Work, set_threads
from refseg_ros.errors import ConfigError, RefsegError

T = TypeVar("T")


class _Remote:
    """What lives in a worker: the networks and the open split, loaded once."""

    def __init__(self, prepare: Prepare[Any], source: SampleSource) -> None:
        set_threads(1)  # as on one machine, so that the answers are the same
        self._work = Work(prepare, source)

    def measure(self, index: int) -> Any:
        return self._work(index)


def on_cluster(
    prepare: Prepare[T], source: SampleSource, address: str, workers: int
) -> Iterator[T]:
    """Measure every sample of a split on a cluster.

    Args:
        prepare: See :func:`refseg_lab.evaluation.runner.over_samples`.
        source: The split; its files must be at the same place on every machine.
        address: The cluster: ``HOST:PORT``, ``auto``, or ``local`` for processes here.
        workers: Number of actors; each takes one CPU, and one GPU if ``address`` has enough.

    Yields:
        One result per sample, in the order of the split.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached.
        RefsegError: A worker died, or the networks cannot be read there.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("ray: not installed; pip install 'refseg_ros[cluster]'") from None
    _check_reachable(address)
    started = not ray.is_initialized()
    try:
        if started:
            ray.init(
                address=address,
                log_to_driver=False,
                include_dashboard=False if address == "local" else None,
                num_cpus=workers if address == "local" else None,
            )
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= workers else 0
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"ray: no cluster at {address!r} ({error})") from None
    try:
        remote = ray.remote(num_cpus=1, num_gpus=gpus)(_Remote)
        count = len(source.open())
        actors = [remote.remote(prepare, source) for _ in range(min(workers, count))]
        yield from _in_order(ray, actors, count)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, RefsegError):
            raise cause from None
        raise RefsegError(f"ray: a worker failed ({error})") from error
    finally:
        if started:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"ray: no cluster at {address!r} ({error})") from None


def _in_order(ray: Any, actors: list[Any], count: int) -> Iterator[Any]:
    """Two samples ahead for each actor, handed out in the order of the split."""
    waiting: deque[Any] = deque()
    asked = 0
    for _ in range(count):
        while asked < count and len(waiting) < 2 * len(actors):
            waiting.append(actors[asked % len(actors)].measure.remote(asked))
            asked += 1
        yield ray.get(waiting.popleft())
