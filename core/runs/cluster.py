"""The Dask cluster that does the work: one of our own in a separate process, or a team's.

Our own is started on demand and outlives the page or command that started it. It listens on
127.0.0.1 only, speaks TLS with keys that only this user can read (a Dask scheduler runs whatever
it is sent, and other users of a machine can reach its ports), and leaves after half an hour
without work.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import RunError
from core.runs.code import code_version, version_on_disk
from core.runs.files import read_json, write_json
from core.runs.process import is_alive, this_process
from core.settings import PREFIX, PROJECT_ROOT, Settings, get_settings

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.security import Security

IDLE_MINUTES = 30.0
#: Threads of a matrix product sleep while they wait: on a busy machine, spinning ones take four
#: times the processor time for the same epoch.
PASSIVE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
_START_SECONDS = 90
_STOP_SECONDS = 15
_CONNECT_SECONDS = 10
_PROBE_SECONDS = 2.0
_INFO, _KEYS, _LOG, _LOCK = "cluster.json", "cluster.pem", "cluster.log", ".cluster.lock"


def cluster_info(settings: Settings) -> dict[str, Any] | None:
    """Address, process and size of our own cluster; None where none lives."""
    info = read_json(settings.workspace / _INFO)
    return info if info.get("address") and is_alive(info) is not False else None


def ensure_cluster(settings: Settings | None = None) -> str:
    """The address to send work to; our own cluster is started where it does not run.

    Raises
    ------
    RunError
        Where the configured scheduler does not answer, or our own cluster does not start.
    """
    settings = settings or get_settings()
    if settings.scheduler_address:
        if not reachable(settings.scheduler_address):
            raise RunError(
                f"The Dask scheduler at {settings.scheduler_address} does not answer; check "
                "DASK_SCHEDULER_ADDRESS, or unset it to use a cluster on this machine."
            )
        return settings.scheduler_address
    from filelock import FileLock

    settings.workspace.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.workspace / _LOCK, timeout=_START_SECONDS):
        info = cluster_info(settings)
        if info is not None and _outdated(info, settings):
            stop_cluster(settings)
            info = None
        return str((info or _start(settings))["address"])


def _outdated(info: dict[str, Any], settings: Settings) -> bool:
    """Whether an idle cluster has another size, or older code, than is wanted now."""
    from core.runs.store import STATUS, run_folders

    wanted = _size(settings) | {"code_version": version_on_disk()}
    if all(info.get(key) == value for key, value in wanted.items()):
        return False
    return not any(
        (status := read_json(folder / STATUS)).get("scheduler") == info["address"]
        and status.get("state") in {"queued", "running"}
        for folder in run_folders(settings)
    )


def _size(settings: Settings) -> dict[str, Any]:
    return {"workers": settings.workers, "memory_limit_gb": settings.memory_limit_gb}


def _start(settings: Settings) -> dict[str, Any]:
    """Start the cluster's process, detached, and wait until it has written its address."""
    (settings.workspace / _INFO).unlink(missing_ok=True)
    log = settings.workspace / _LOG
    environment = os.environ | {
        f"{PREFIX}WORKSPACE": str(settings.workspace),
        f"{PREFIX}WORKERS": str(settings.workers),
        f"{PREFIX}MEMORY_LIMIT_GB": str(settings.memory_limit_gb),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "cluster", "serve"],
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        info = cluster_info(settings)
        if info is not None:
            return info
        if process.poll() is not None:
            break
        time.sleep(0.05)
    else:
        process.terminate()
    raise RunError(f"The local Dask cluster did not start: {_last_words(log)} (see {log}).")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "it said nothing"


def stop_cluster(settings: Settings | None = None) -> bool:
    """Stop our own cluster; runs it works on become interrupted.

    Returns
    -------
    bool
        Whether there was one to stop.
    """
    import psutil

    settings = settings or get_settings()
    info = cluster_info(settings)
    if info is None or not is_alive(info):
        return False
    try:
        process = psutil.Process(info["pid"])
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        for member in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(left, timeout=_STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
    (settings.workspace / _INFO).unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def connect(settings: Settings, address: str) -> Iterator[Client]:
    """A short-lived client of the scheduler at ``address``."""
    from distributed import Client

    security = None if settings.scheduler_address else _load_security(settings)
    try:
        client = Client(
            address,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            security=security,
            heartbeat_interval=5000,
        )
    except OSError as error:
        raise RunError(f"The Dask scheduler at {address} does not answer: {error}.") from None
    try:
        yield client
    finally:
        client.close()


def reachable(address: str) -> bool:
    """Whether something listens at ``tcp://host:port``."""
    parts = urlsplit(address)
    try:
        if parts.hostname is None or parts.port is None:
            return False
        socket.create_connection((parts.hostname, parts.port), timeout=_PROBE_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _make_security(settings: Settings) -> Security:
    """TLS keys of one life of the cluster, kept where only this user reads them."""
    from distributed.security import Security

    security = Security.temporary()
    keys = {"certificate": str(security.tls_ca_file), "key": str(security.tls_client_key)}
    write_json(settings.workspace / _KEYS, keys, mode=0o600)
    return security


def _load_security(settings: Settings) -> Security:
    from distributed.security import Security

    keys = read_json(settings.workspace / _KEYS)
    if not keys:
        raise RunError(f"The keys of the local cluster are missing in {settings.workspace}.")
    certificate, key = keys["certificate"], keys["key"]
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        tls_client_cert=certificate,
        tls_client_key=key,
    )


def serve(settings: Settings | None = None, *, idle_minutes: float = IDLE_MINUTES) -> None:
    """Be the cluster, in this process, until stopped, replaced, or idle for long enough."""
    import dask
    from distributed import LocalCluster

    settings = settings or get_settings()
    settings.workspace.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    options = {
        "distributed.scheduler.work-stealing": settings.workers > 1,
        "distributed.nanny.pre-spawn-environ": _thread_environment(settings.workers),
        "distributed.scheduler.http.routes": [],  # nothing to see for other users of the machine
        "distributed.worker.http.routes": [],
        # results are a word each, so Dask has nothing to spill when a model needs memory
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    with dask.config.set(options):
        cluster = LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            memory_limit=f"{settings.memory_limit_gb}GB",
            security=_make_security(settings),
            local_directory=str(settings.workspace / ".dask"),
        )
    me = this_process().as_dict()
    info = {"address": cluster.scheduler_address, **me, **_size(settings)}
    write_json(settings.workspace / _INFO, info | {"code_version": code_version()})
    up = time.time()
    while not stop.wait(0.5):
        ours = read_json(settings.workspace / _INFO).get("pid") == me["pid"]
        scheduler = cluster.scheduler
        if not ours or scheduler is None or scheduler.status.name in {"closing", "closed"}:
            break
        if scheduler.idle_since:
            idle = time.time() - max(up, scheduler.idle_since)
            if idle > idle_minutes * 60:
                break
    if read_json(settings.workspace / _INFO).get("pid") == me["pid"]:
        (settings.workspace / _INFO).unlink(missing_ok=True)
    _close(cluster)


def _close(cluster: LocalCluster) -> None:
    """Close without waiting for the tasks: a thread that trains cannot be talked out of it."""
    import psutil

    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(nanny.pid).kill()
    with contextlib.suppress(TimeoutError):
        cluster.close(timeout=_STOP_SECONDS / 2)


def _thread_environment(workers: int) -> dict[str, str]:
    """Share the cores among the workers, unless the user has set the number of threads."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    threads = str(max(1, cores // workers))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    wanted = dict.fromkeys(names, threads) | PASSIVE_THREADS
    return {name: os.environ.get(name, value) for name, value in wanted.items()}
