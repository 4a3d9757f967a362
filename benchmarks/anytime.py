#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an answer before the captions is worth: how much sooner, how often right, or changed.

The scenes that come with the package are observed without captions and asked, then captioned
and asked again, as the node does with anytime:=true.

    python benchmarks/anytime.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.results import Selection, Status
from refseg_ros.tracking.outline import overlap

RIGHT = 0.5
"""IoU from which an answer is right."""


def main() -> int:
    """Measure and print; the exit status is 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="tabletop")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scenes", type=int, default=40, help="of those that come along")
    options = parser.parse_args()
    segmenter = Segmenter.from_preset(options.preset, options.device)
    scenes = bundled_scenes()[: options.scenes]
    segmenter.observe(scenes[0].frame.rgb)  # first calls allocate
    early_ms, whole_ms, counts = [], [], Counter[str]()
    for item in scenes:
        started = time.perf_counter()
        early = segmenter.observe(item.frame.rgb, captions=False)
        early_ms.append(1e3 * (time.perf_counter() - started))
        whole = early.captioned()
        whole_ms.append(1e3 * (time.perf_counter() - started))
        for referral in item.referrals:
            numbers = [index + 1 for index in referral.targets]
            truth = np.isin(item.frame.instances, numbers)
            first, last = early.select(referral.expression), whole.select(referral.expression)
            counts["asked"] += 1
            counts["first right"] += right(first, truth)
            counts["last right"] += right(last, truth)
            counts["same mask"] += np.array_equal(first.mask, last.mask)
            counts["same status"] += first.status is last.status
            sure = first.status is Status.SELECTED
            counts["first sure"] += sure
            counts["sure and another mask"] += sure and not np.array_equal(first.mask, last.mask)
    for name, times in (("without captions", early_ms), ("with captions", whole_ms)):
        low, middle, high = np.percentile(times, (5, 50, 95))
        print(f"{name:<24}{middle:8.0f} ms ({low:.0f} to {high:.0f}) after the image")
    for name, count in counts.items():
        print(f"{name:<24}{count:8d}  {count / counts['asked']:.1%}")
    return 0


def right(answer: Selection, truth: np.ndarray) -> bool:
    """Whether an answer has the mask that is meant, or rightly none."""
    if not truth.any():
        return answer.status is Status.NOT_FOUND
    return overlap(answer.mask, truth) >= RIGHT


if __name__ == "__main__":
    sys.exit(main())
