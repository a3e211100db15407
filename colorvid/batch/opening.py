"""Engines by what the user asks for; Dask is loaded only where it is needed."""

from __future__ import annotations

from colorvid.batch.engine import Engine
from colorvid.errors import ConfigError


def open_engine(jobs: int, cluster: str | None) -> Engine:
    """A pool of processes, an embedded cluster or a running one.

    Args:
        jobs: workers of a pool or of an embedded cluster.
        cluster: address of a scheduler of Dask, as in ``tcp://host:8786``; ``local`` = an embedded
            cluster; None = a pool.

    Raises:
        ConfigError: Dask is not installed.
        ClusterError: the scheduler cannot be reached.
    """
    if cluster is None:
        from colorvid.batch.pool import Pool

        return Pool(jobs)
    try:
        from colorvid.batch.cluster import Cluster
    except ImportError as error:
        raise ConfigError(
            f"cluster={cluster} needs Dask ({error.name} is missing); install it with: "
            "pip install 'colorvid[cluster]'"
        ) from error
    return Cluster(cluster, jobs)
