# SPDX-License-Identifier: Apache-2.0
"""Downloads that can be broken off at any moment: gone on with, checked, and only then named.

A file is written to ``NAME.part`` beside its place, which a later download goes on with. When it
is whole and its checksum is right it is renamed, so that what bears a name is complete. The
checksum is kept in ``NAME.sha256``, for :func:`verify` years later without a network.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from refseg_ros.errors import WeightsError
from refseg_ros.weights.catalogue import File, Published
from refseg_ros.weights.fetching import Advance, Fetcher, Patience, beside, digest, fault_of


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` forbids any connection."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def download(
    items: Sequence[Published],
    cache: Path,
    *,
    advance: Callable[[Published, File], Advance] = lambda item, file: lambda done, size: None,
    workers: int = 4,
    patience: Patience | None = None,
) -> list[Path]:
    """Fetch what is not there, several files at a time.

    Args:
        items: Checkpoints of the catalogue.
        cache: Folder to put them below; made if need be.
        advance: Makes what is told about the progress of one file.
        workers: Files at a time, at least 1.
        patience: With bad connections.

    Returns:
        The places of the files that were fetched; none when all were there.

    Raises:
        WeightsError: No network is allowed, the disk is too small, a server has no such file or
            another one, or the connection fails for good; what was received stays for the next
            time. The message names file and address.
    """
    todo = [(item, file) for item in items for file in item.missing(cache)]
    if not todo or (offline() and all(file.optional for _, file in todo)):
        return []
    if offline():
        names = ", ".join(dict.fromkeys(item.name for item, _ in todo))
        raise WeightsError(
            f"HF_HUB_OFFLINE forbids downloading {names}; unset it, or copy the files into {cache}"
        )
    _check_space(todo, cache)
    stop = threading.Event()
    fetchers = [
        Fetcher(item, file, cache, advance(item, file), patience or Patience(), stop)
        for item, file in todo
    ]
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(fetcher.fetch) for fetcher in fetchers]
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
            failed = [job for job in jobs if job.done() and job.exception()]
        finally:  # Ctrl-C and the first error end the others, which leave their parts
            stop.set()
            pool.shutdown(cancel_futures=True)
    if failed:
        raise failed[0].exception() or RuntimeError("unreachable")
    return [job.result() for job in jobs]


def verify(item: Published, cache: Path) -> list[str]:
    """Compare the files of a checkpoint with their checksums; no network is used.

    Args:
        item: A checkpoint of the catalogue.
        cache: Folder that it lies in.

    Returns:
        One line a fault: missing or damaged. None if all is well. What was put there by hand, and
        has no published checksum, is held against its own format.
    """
    faults = []
    for file in item.files:
        place = item.place(file, cache)
        if not place.is_file():
            faults += [] if file.optional else [f"{place}: missing"]
            continue
        known = file.sha256 or _recorded(place)
        if not known:
            fault = fault_of(place, place.suffix)
            faults += [f"{place}: damaged ({fault}); get it again"] if fault else []
        elif digest(place) != known:
            faults.append(f"{place}: damaged, its SHA-256 is not {known}; delete it")
    return faults


def _recorded(place: Path) -> str:
    record = beside(place, ".sha256")
    words = record.read_text("ascii", "replace").split() if record.is_file() else []
    return words[0] if words else ""


def _check_space(todo: Sequence[tuple[Published, File]], cache: Path) -> None:
    need = 0
    for item, file in todo:
        part = beside(item.place(file, cache), ".part")
        need += max(0, file.size - (part.stat().st_size if part.exists() else 0))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache).free
    except OSError as error:
        raise WeightsError(f"{cache}: cannot be made ({error.strerror})") from None
    if need > free:
        raise WeightsError(
            f"{cache}: {need / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free; make "
            "room, or set REFSEG_CACHE to a folder on another disk"
        )
