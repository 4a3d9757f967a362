# SPDX-License-Identifier: Apache-2.0
"""Renders training data of tabletop scenes on several processes.

Writes `images.npy` (N, H, W, 3) uint8, `instances.npy` (N, H, W) uint8 and `scenes.jsonl`: for
each scene one line with its `spec`, the visible `areas` of its objects in pixels, their
`full_areas` if nothing hid them, and the camera matrix `intrinsics`. Benchmarks are stored by
`refseg_lab.simulation.benchmark`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.pools import in_processes
from refseg_lab.simulation.renderer import TabletopRenderer
from refseg_lab.simulation.sampling import PROFILES, sample_scene
from refseg_ros.errors import ConfigError, RefsegError

#: Width and height of the pictures in pixels unless others are asked for.
SIZE = (640, 480)

_SLICE = 20
_ARRAYS = ("images", "instances")

_renderer: TabletopRenderer | None = None


def write_dataset(
    out: Path,
    scenes: int,
    seed: int,
    width: int,
    height: int,
    workers: int,
    profile: str = "train",
) -> Iterator[int]:
    """Renders scenes with the seeds seed, seed + 1, … into a folder.

    Args:
        out: folder to create; files of an earlier run in it are replaced.
        scenes: number of scenes, at least 1.
        seed: seed of the first scene, at least 0.
        width: width of the pictures in pixels.
        height: height of the pictures in pixels.
        workers: processes to render with, at least 1.
        profile: see `sampling.sample_scene`.

    Yields:
        The number of scenes finished so far.

    Raises:
        ValueError: if a number is out of range or there is no such profile.
        RefsegError: if a process was ended from outside.
        RendererUnavailable: if no OpenGL back end can be started.
    """
    for name, value, least in (("scenes", scenes, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    sample_scene(seed, profile)
    out.mkdir(parents=True, exist_ok=True)
    for name, shape in (
        ("images.npy", (scenes, height, width, 3)),
        ("instances.npy", (scenes, height, width)),
    ):
        np.lib.format.open_memmap(out / name, "w+", np.uint8, shape).flush()
    jobs = [
        (str(out), start, min(_SLICE, scenes - start), seed, profile)
        for start in range(0, scenes, _SLICE)
    ]
    done = 0
    with (
        contextlib.closing(
            in_processes(_render_slice, jobs, workers, start_worker, (width, height, False))
        ) as slices,
        (out / "scenes.jsonl").open("w", encoding="utf-8") as listing,
    ):
        for lines in slices:
            listing.writelines(line + "\n" for line in lines)
            done += len(lines)
            yield done


def join_datasets(out: Path, parts: Sequence[tuple[Path, int | None]]) -> int:
    """Writes the first scenes of several folders into one, in their order.

    Args:
        out: folder to create; files of an earlier run in it are replaced.
        parts: folders of `write_dataset` with pictures of one size, and how many scenes of each;
            None for all.

    Returns:
        How many scenes it has.

    Raises:
        ConfigError: if a folder lacks scenes, or its pictures are of another size.
    """
    listed: list[str] = []
    sources: list[tuple[dict[str, NDArray[np.uint8]], int]] = []
    for folder, wanted in parts:
        try:
            lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        except (OSError, ValueError) as error:
            raise ConfigError(f"join: {folder} cannot be read: {error}") from error
        count = len(lines) if wanted is None else wanted
        if not 1 <= count <= len(lines):
            raise ConfigError(f"join: {folder} has {len(lines)} scenes, not {count}")
        if sources and arrays["images"].shape[1:] != sources[0][0]["images"].shape[1:]:
            raise ConfigError(f"join: the pictures of {folder} are of another size")
        listed += lines[:count]
        sources.append((arrays, count))
    out.mkdir(parents=True, exist_ok=True)
    for name in _ARRAYS:
        shape = (len(listed), *sources[0][0][name].shape[1:])
        joined = np.lib.format.open_memmap(out / f"{name}.npy", "w+", np.uint8, shape)
        start = 0
        for arrays, count in sources:
            for row in range(count):
                joined[start + row] = arrays[name][row]
            start += count
        joined.flush()
    (out / "scenes.jsonl").write_text("".join(line + "\n" for line in listed), encoding="utf-8")
    return len(listed)


def start_worker(width: int, height: int, depth: bool) -> None:
    """Prepares a process of a pool to render pictures of one size with `worker_renderer`."""
    global _renderer
    # The processes share out the cores; Mesa's software rasteriser would start threads in each.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    _renderer = TabletopRenderer(width, height, depth)


def worker_renderer() -> TabletopRenderer:
    """The renderer of this process.

    Raises:
        RuntimeError: outside a pool that was started with `start_worker`.
    """
    if _renderer is None:
        raise RuntimeError("this process was not started with start_worker")
    return _renderer


def _render_slice(job: tuple[str, int, int, int, str]) -> list[str]:
    """Renders consecutive scenes into their place and returns their lines of JSON."""
    out, start, count, seed, profile = job
    renderer = worker_renderer()
    images = np.lib.format.open_memmap(Path(out) / "images.npy", "r+")
    instances = np.lib.format.open_memmap(Path(out) / "instances.npy", "r+")
    lines = []
    for index in range(start, start + count):
        spec = sample_scene(seed + index, profile)
        frame = renderer.render(spec)
        images[index], instances[index] = frame.rgb, frame.instances
        record = {
            "spec": json.loads(spec.to_json()),
            "areas": frame.areas(len(spec.objects)),
            "full_areas": frame.full_areas,
            "intrinsics": frame.intrinsics.tolist(),
        }
        lines.append(json.dumps(record, separators=(",", ":")))
    return lines


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"size must read like 640x480, got {text!r}") from None


def _part(text: str) -> tuple[Path, int | None]:
    folder, _, count = text.rpartition(":")
    if not folder:
        return Path(text), None
    try:
        return Path(folder), int(count)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must read like FOLDER:1300, got {text!r}") from None


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m refseg_lab.simulation.dataset`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    parser = argparse.ArgumentParser(description="Render a data set of tabletop scenes.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--scenes", type=int, default=1000, help="number of scenes")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--profile", choices=PROFILES, default="train", help="kind of scenes")
    parser.add_argument("--size", type=_size, default=SIZE, help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes to render with")
    parser.add_argument(
        "--join",
        type=_part,
        nargs="+",
        metavar="FOLDER:COUNT",
        help="render nothing; put the first scenes of these folders into one",
    )
    options = parser.parse_args(arguments)
    if options.join:
        try:
            print(f"{join_datasets(options.out, options.join)} scenes in {options.out}")
        except RefsegError as error:
            sys.exit(f"error: {error}")
        return
    width, height = options.size
    for name, least in (("scenes", 1), ("seed", 0), ("workers", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} must be at least {least}, got {getattr(options, name)}")
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress("rendering", *columns) as progress:
        task = progress.add_task("scenes", total=options.scenes)
        for done in write_dataset(
            options.out,
            options.scenes,
            options.seed,
            width,
            height,
            options.workers,
            options.profile,
        ):
            progress.update(task, completed=done)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
