# SPDX-License-Identifier: Apache-2.0
"""Times conversions between messages and arrays, if the messages are built."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from refseg_lab.bench.recording import BenchRow
from refseg_lab.bench.stages import Table, timed
from refseg_ros.backbones.device import Device

HEIGHTS: Final = {"480p": (480, 640), "720p": (720, 1280), "1080p": (1080, 1920)}
_REPEATS = 5  # conversions are quick: so many for each run that was asked for
_MASKS = 20


def measure_messages(table: Table, runs: int) -> Iterator[BenchRow]:
    """Colour and depth in; mask, overlay and label image out."""
    missing = [name for name in ("sensor_msgs", "std_msgs") if not importlib.util.find_spec(name)]
    for label, size in HEIGHTS.items():
        if missing:
            note = f"not available: no {' and no '.join(missing)} here"
            yield BenchRow("messages", f"{label}: in and out", (), note)
            continue
        for name, work in _conversions(size):
            work()
            device = Device.from_name("cpu")
            seconds = tuple(timed(work, device)[0] for _ in range(_REPEATS * runs))
            yield BenchRow("messages", f"{label}: {name}", seconds)


def _conversions(size: tuple[int, int]) -> Iterator[tuple[str, Callable[[], Any]]]:
    from std_msgs.msg import Header

    from refseg_ros.ros import conversions

    header = Header()
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (*size, 3), np.uint8)
    for encoding in ("rgb8", "bgr8"):
        sent = conversions.to_image(colours, encoding, header)
        yield f"{encoding} in", partial(conversions.rgb_from_image, sent)
    depth = rng.integers(0, 3000, size, np.uint16)
    deep = conversions.to_image(depth, "16UC1", header)
    yield "16UC1 depth in", partial(conversions.depth_from_image, deep)
    mask = colours[..., 0] > 200
    yield "mask out", partial(conversions.to_mask, mask, header)
    yield "overlay out", partial(conversions.to_image, colours, "rgb8", header)
    masks = np.zeros((_MASKS, *size), np.bool_)
    for number, each in enumerate(masks):
        each[20 * number : 20 * number + 100, 30 * number : 30 * number + 100] = True
    yield (
        f"label image of {_MASKS} candidates out",
        lambda: conversions.to_image(conversions.label_image(masks), "16UC1", header),
    )
