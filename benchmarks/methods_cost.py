#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each method costs: observing a picture of 640x480, and each sentence after that.

All methods in one run on the same pictures and sentences, taken in turn, so that whatever else the
machine does falls on all alike. Median and the range of the middle 80 %.

    python benchmarks/methods_cost.py --pictures 8
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from refseg_lab.evaluation.runner import threads
from refseg_lab.evaluation.timing import THREADS, cores, machine
from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.methods.catalogue import METHODS, with_method
from refseg_ros.networks import Networks


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="tabletop", help="a preset or a YAML file")
    parser.add_argument("--pictures", type=int, default=8, help="so many of the bundled ones")
    parser.add_argument("--sentences", type=int, default=6, help="so many of each")
    parser.add_argument("--threads", type=int, default=min(THREADS, cores()), help="of torch")
    options = parser.parse_args(arguments)
    device = Device.from_name("auto")
    networks, preset = Networks(device), SegmenterConfig.from_preset(options.preset)
    segmenters = {
        name: Segmenter.from_config(with_method(preset, name), device, networks)
        for name in METHODS
    }
    observing: defaultdict[str, list[float]] = defaultdict(list)
    selecting: defaultdict[str, list[float]] = defaultdict(list)
    with threads(options.threads):
        for number, item in enumerate(list(bundled_slice())[: options.pictures + 1]):
            for name, segmenter in segmenters.items():
                begun = time.perf_counter()
                scene = segmenter.observe(item.frame.rgb)
                observed = time.perf_counter() - begun
                for referral in item.referrals[: options.sentences]:
                    begun = time.perf_counter()
                    scene.select(referral.expression)
                    if number:  # the first picture warms up
                        selecting[name].append(time.perf_counter() - begun)
                if number:
                    observing[name].append(observed)
    table = Table("method", "observe ms", "sentence ms", box=None)
    for name in METHODS:
        table.add_row(name, _spread(observing[name]), _spread(selecting[name]))
    console = Console()
    console.print(table)
    console.print(
        f"{machine()}, {options.threads} threads, {device}; {options.pictures} pictures, median "
        "(10th to 90th percentile)"
    )
    return 0


def _spread(seconds: Sequence[float]) -> str:
    low, middle, high = 1e3 * np.quantile(seconds, (0.1, 0.5, 0.9))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    sys.exit(main())
