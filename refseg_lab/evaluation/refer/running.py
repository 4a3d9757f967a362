# SPDX-License-Identifier: Apache-2.0
"""Runs a split, image by image, keeping each as soon as it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from refseg_lab.evaluation.records import SceneResult
from refseg_lab.evaluation.refer.layout import SplitFiles
from refseg_lab.evaluation.refer.loading import ReferImage, read_split
from refseg_lab.evaluation.refer.records import Log
from refseg_lab.evaluation.refer.source import ReferSource, sample_of
from refseg_lab.evaluation.runner import Loader, Measuring, SegmenterLoader, each_sample
from refseg_ros.config import SegmenterConfig
from refseg_ros.methods.catalogue import with_method
from refseg_ros.networks import Networks

Progress = Callable[[int, int], None]
"""Called with the number of images done and of all."""


@dataclass(frozen=True)
class ReferRun:
    """What is measured.

    Attributes:
        place: Files of the split.
        preset: Name or YAML file.
        method: Name; "" is the preset's own.
        device: Device name for :meth:`refseg_ros.backbones.device.Device.from_name`.
        limit: How many images, from the first; None for all.
        workers: Processes on this machine, or on the cluster.
        ray: Address of a Ray cluster; "" is none.
    """

    place: SplitFiles
    preset: str = "paper"
    method: str = ""
    device: str = "auto"
    limit: int | None = None
    workers: int = 1
    ray: str = ""

    @property
    def config(self) -> SegmenterConfig:
        """Configuration of the preset with the method.

        Raises:
            ConfigError: There is no such preset or method.
        """
        return with_method(SegmenterConfig.from_preset(self.preset), self.method)

    def as_json(self) -> dict[str, str]:
        """What distinguishes this run from others; where it runs does not."""
        place, config = self.place, self.config
        files = [file for file in (place.references, place.instances) if file is not None]
        return {
            "dataset": place.dataset,
            "by": place.by,
            "split": place.split,
            "preset": self.preset,
            "method": self.method,
            "settings": hashlib.sha256(repr(config).encode()).hexdigest(),
            "bytes of the files": " ".join(str(file.stat().st_size) for file in files),
        }


def run_split(
    asked: ReferRun,
    out: Path,
    *,
    load: Loader | None = None,
    progress: Progress = lambda done, count: None,
) -> tuple[tuple[ReferImage, ...], list[SceneResult]]:
    """Measure what is not measured yet.

    Args:
        asked: What.
        out: File of the results; a file of the same run is continued.
        load: Makes what is evaluated; None is the segmenter of the preset.
        progress: Called after each image.

    Returns:
        The images and their results, both in the order of the data set, whatever finished first.

    Raises:
        RefsegError: Files are missing or damaged, ``out`` belongs to another run, or a worker
            died. All images that were done are kept.
    """
    # The released code of Global-Local CLIP reads what was typed.
    images = read_split(asked.place, asked.method == "global_local")[: asked.limit]
    sample_of(images[0])  # what is wrong with the data as a whole shows before models are loaded
    if load is None:
        Networks.find(asked.config)
        load = SegmenterLoader(asked.config, asked.device)
    log = Log(out, asked.as_json())
    try:
        left = tuple(image for image in images if image.name not in log.done)
        count = len(images)
        progress(count - len(left), count)
        for image, result in zip(left, _results(asked, load, left), strict=True):
            log.add(image, result)
            progress(sum(item.name in log.done for item in images), count)
        return images, [log.done[image.name] for image in images]
    finally:
        log.close()


def _results(asked: ReferRun, load: Loader, left: tuple[ReferImage, ...]) -> Iterator[SceneResult]:
    if not left:
        return
    prepare, source = Measuring(load), ReferSource(left)
    if asked.ray:
        from refseg_lab.evaluation.refer.cluster import on_cluster

        yield from on_cluster(prepare, source, asked.ray, asked.workers)
        return
    yield from each_sample(prepare, source, asked.workers)
