# SPDX-License-Identifier: Apache-2.0
"""Renders the scenes of a benchmark split on several processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from refseg_lab.pools import in_processes
from refseg_lab.simulation.benchmark import load_frame
from refseg_lab.simulation.dataset import start_worker, worker_renderer
from refseg_lab.simulation.expressions import benchmark_referrals
from refseg_lab.simulation.rasteriser import Visibility, rasterise
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import SceneSpec
from refseg_lab.simulation.sensor import encode_jpeg
from refseg_lab.simulation.splits import SPLITS, Split
from refseg_lab.simulation.storage import (
    KINDS,
    SceneFiles,
    read_instances,
    replace_file,
    write_depth,
    write_instances,
)

# A sensor that does not compress is stored with so little loss that nobody can tell.
_STORED_QUALITY = 95
_CHUNK = 4


def made_records(
    split: Split, folder: Path, count: int, workers: int, size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Makes the first scenes of a split and yields their lines of the listing, in order.

    Pictures that still match the scene's seed are kept; expressions are always made again.

    Args:
        split: what to make.
        folder: where to.
        count: number of scenes.
        workers: processes.
        size: width and height in pixels.

    Raises:
        RefsegError: if a process was ended from outside.
        RendererUnavailable: if no OpenGL back end can be started.
    """
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    jobs = [(split.name, str(folder), index, size) for index in range(count)]
    yield from in_processes(_make, jobs, workers, start_worker, (*size, True), chunk=_CHUNK)


def _make(job: tuple[str, str, int, tuple[int, int]]) -> dict[str, Any]:
    """Makes one scene: its pictures if they are not there, and its line of the listing."""
    name, folder, index, size = job
    split, files = SPLITS[name], SceneFiles(Path(folder), index)
    spec = sample_scene(split.first_seed + index, split.profile)
    truth = rasterise(spec, *size)
    if not _is_there(files, spec, truth):
        _store(files, spec, worker_renderer().render(spec))
    # Expressions are made from what is stored, which is what readers will have.
    frame = load_frame(spec, files, truth.full_areas)
    return {
        "spec": json.loads(spec.to_json()),
        "areas": frame.areas(len(spec.objects)),
        "full_areas": frame.full_areas,
        "intrinsics": frame.intrinsics.tolist(),
        "referrals": [item.to_dict() for item in benchmark_referrals(spec, frame, name)],
    }


def _store(files: SceneFiles, spec: SceneSpec, frame: Frame) -> None:
    """Writes the pictures; the one that tells that all are there comes last."""
    replace_file(files.rgb, frame.jpeg or encode_jpeg(frame.rgb, _STORED_QUALITY))
    write_depth(files.depth, frame.depth)
    write_instances(files.instances, frame.instances, spec.to_json())


def _is_there(files: SceneFiles, spec: SceneSpec, truth: Visibility) -> bool:
    """Whether the stored pictures show this scene as it would be drawn now."""
    if not all(path.is_file() for path in files):
        return False
    try:
        frame = load_frame(spec, files, truth.full_areas)
        _, text = read_instances(files.instances)
    except (OSError, ValueError):
        return False
    return text == spec.to_json() and np.array_equal(frame.instances, truth.instances)
