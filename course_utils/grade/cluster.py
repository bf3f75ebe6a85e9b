"""A Dask cluster as an executor: its scheduler hands tasks to workers on other machines, and again if a worker is lost.

What travels is a notebook's bytes and exercises' numbers, and plain marks back. A worker of the cluster never runs a learner's
code: it starts the sandboxed process, as a worker here does, and so needs the course and, for namespaces, bubblewrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

SCHEME = "dask://"
PATIENCE = 20
"""Seconds for the scheduler to answer."""
FIRST_ANSWER = 120
"""Seconds for a first worker to answer, which has to import everything."""


class NoCluster(Exception):
    """A cluster that can't be used; says why and what to do."""


@contextmanager
def opened(address: str | None) -> Iterator[Executor | None]:
    """An executor for ``dask://HOST:PORT``; None for none."""
    if address is None:
        yield None
        return
    if not address.startswith(SCHEME) or ":" not in address.removeprefix(SCHEME):
        raise NoCluster(f"--executor wants dask://HOST:PORT, got {address!r}")
    try:
        from distributed import Client
    except ImportError:
        raise NoCluster("--executor dask://... needs the package distributed: pip install distributed") from None
    try:
        client = Client(f"tcp://{address.removeprefix(SCHEME)}", timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise NoCluster(f"there is no Dask scheduler at {address}: {error}") from None
    with client:
        yield client.get_executor(pure=False)


def first(executor: Executor, function: Callable[..., T], *args: Any) -> T:
    """What a worker answers to the first question; raises NoCluster if the workers can't work at all."""
    try:
        return executor.submit(function, *args).result(FIRST_ANSWER)
    except TimeoutError:
        raise NoCluster(f"no worker of the cluster has answered within {FIRST_ANSWER} s") from None
    except ImportError as error:
        raise NoCluster(f"the workers of the cluster don't have the course ({error}): install it there too") from None
