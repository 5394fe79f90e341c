"""``python -m core cluster``: the local Dask cluster that does the work in the background."""

from __future__ import annotations

from typing import Annotated

import typer

from core.runs import cluster
from core.settings import get_settings

NAME = "cluster"
app = typer.Typer(
    help="The local Dask cluster; it starts by itself when a run is submitted.",
    no_args_is_help=True,
)


@app.command()
def serve(
    idle_minutes: Annotated[
        float, typer.Option(min=0.1, help="Leave after so long without work.")
    ] = cluster.IDLE_MINUTES,
) -> None:
    """Be the cluster, in the foreground, until stopped or idle for long enough."""
    cluster.serve(idle_minutes=idle_minutes)


@app.command()
def start() -> None:
    """Start the cluster in a process of its own, where it does not run yet."""
    print(f"The cluster is at {cluster.ensure_cluster()}")


@app.command()
def stop() -> None:
    """Stop the cluster; runs that it works on become interrupted and can be resumed."""
    print("The cluster has stopped" if cluster.stop_cluster() else "No cluster was running")


@app.command()
def status() -> None:
    """Say whether a cluster runs, where, and how large it is."""
    settings = get_settings()
    if settings.scheduler_address:
        answers = cluster.reachable(settings.scheduler_address)
        print(f"{settings.scheduler_address} {'answers' if answers else 'does not answer'}")
        return
    info = cluster.cluster_info(settings)
    if info is None:
        print("No cluster is running; it starts when a run is submitted")
        return
    size = f"{info['workers']} worker(s) of {info['memory_limit_gb']:g} GB"
    print(f"{info['address']}, process {info['pid']}, {size}")
