# SPDX-License-Identifier: Apache-2.0
"""Where weights are found: bundled with the package, in the cache, or at a path of the user."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib import resources
from pathlib import Path

from refseg_ros.errors import WeightsError
from refseg_ros.weights.catalogue import CATALOGUE, Published, find

__all__ = [
    "BUNDLED",
    "CATALOGUE",
    "Published",
    "bundled_vocabulary",
    "cache_folder",
    "find",
    "resolve",
]

BUNDLED = "bundled:"


def cache_folder() -> Path:
    """Folder of downloaded weights: ``REFSEG_CACHE``, else ``~/.cache/refseg_ros``."""
    return Path(os.environ.get("REFSEG_CACHE") or Path.home() / ".cache" / "refseg_ros")


def resolve(name: str) -> Path:
    """Find weights by name.

    Args:
        name: ``bundled:PLACE`` for what ships with the package, an absolute or existing
            relative path, or a place below :func:`cache_folder`.

    Returns:
        The path of an existing file or folder.

    Raises:
        WeightsError: Nothing is there; the message says where it was looked for and, for a
            published checkpoint, from where to get it. Or a bundled file was changed.
    """
    if not name:
        raise WeightsError("weights '' name no file or folder; give a path or bundled:NAME")
    if name.startswith(BUNDLED):
        path = Path(str(resources.files("refseg_ros"))) / "weights" / "bundled"
        path /= name[len(BUNDLED) :]
        if not path.exists():
            raise WeightsError(
                f"bundled weights are missing: {path}; the installation is incomplete, "
                "install refseg_ros again"
            )
        check_sums(path, Path(str(resources.files("refseg_ros"))) / "weights" / "bundled")
        return path
    given = Path(name).expanduser()
    if given.exists():
        return given
    cached = cache_folder() / name
    if not given.is_absolute() and cached.exists():
        return cached
    known = find(name)
    where = f"weights {name!r} are at neither {given} nor {cached}"
    if given.is_absolute():
        where = f"there are no weights at {given}"
    if known is None:
        raise WeightsError(f"{where}; give the path of an existing file or folder")
    raise WeightsError(
        f"{where}; get them ({known.size:g} GB, licence {known.licence}) by `refseg weights "
        f"download {known.name}`, or from {known.source} and put them at "
        f"{cache_folder() / known.name}" + (f"; first {known.gated}" if known.gated else "")
    )


@lru_cache(maxsize=32)
def check_sums(path: Path, root: Path) -> None:
    """Compare files with their checksums, once in a process.

    Args:
        path: A file below ``root``, or a folder whose files are meant.
        root: Folder of the list ``SHA256SUMS``.

    Raises:
        WeightsError: A file is missing or is not the one that was listed.
    """
    for line in (root / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        listed = root / name
        if listed != path and path not in listed.parents:
            continue
        if not listed.is_file() or hashlib.sha256(listed.read_bytes()).hexdigest() != digest:
            raise WeightsError(
                f"bundled weights are damaged or were changed: {listed} is not the file of "
                "SHA256SUMS; install refseg_ros again"
            )


@lru_cache(maxsize=1)
def bundled_vocabulary() -> frozenset[str]:
    """Names of things, singular, and colours that the bundled text models were trained on.

    In lower case: "mug", "toy brick", "red".

    Raises:
        WeightsError: The list does not ship with this installation.
    """
    path = resolve(f"{BUNDLED}vocabulary.txt")
    return frozenset(path.read_text(encoding="utf-8").splitlines())
