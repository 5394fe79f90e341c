"""Many small tasks of one run, spread over the workers of the cluster that the run is on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

MapTasks = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
#: Tasks in flight for each worker: one that is worked on and one that waits for it.
_AHEAD = 2


def map_here(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Results one after the other in this process."""
    return map(function, tasks)


def map_on_cluster(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Results as they come from the workers; only to be called within a Dask task.

    The calling task gives its thread back while it waits, so that a cluster of one worker does
    the tasks itself. Few tasks are in flight, so memory stays bounded however many there are. A
    task whose worker dies is done again by another; an error of a task is raised here.
    """
    from distributed import as_completed, worker_client

    with worker_client() as client:
        waiting = iter(tasks)
        workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        pending = as_completed(with_results=True)
        futures: set[Any] = set()

        def feed() -> bool:
            for task in waiting:
                future = client.submit(function, task, pure=False)
                futures.add(future)
                pending.add(future)
                return True
            return False

        try:
            for _ in range(_AHEAD * workers):
                if not feed():
                    break
            for future, result in pending:
                futures.discard(future)
                feed()
                yield result
        finally:
            for future in futures:
                future.cancel()
