# SPDX-License-Identifier: Apache-2.0
"""What each stage of observing computes and moves, and how fast this device could do it at best.

The device is measured first: a product of large float32 matrices (or of bfloat16 ones, with
``--dtype bfloat16``), and a sum of large arrays, which memory limits. Operations of the networks
are counted by torch while the bundled pictures are observed (multiplications and additions of
matrix products and convolutions; the rest is small beside them). Bytes are the weights once and
the results of the counted operations written and read once. The limit is the longer of the two
times; what is measured beyond it goes to element-wise work, small matrices, and Python.

Run: ``python benchmarks/roofline.py [--threads 2] [--preset tabletop]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Printed
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from refseg_lab.bench.stages import Table, timed
from refseg_lab.evaluation.runner import threads
from refseg_lab.evaluation.timing import THREADS, cores, machine
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig

_SIDE = 2048  # of the matrices
_NUMBERS = 1 << 26  # float32: 256 MB an array, more than caches hold
_TRIES = 5


class Moved(TorchDispatchMode):
    """Counts the bytes of the inputs and results of matrix products and convolutions."""

    def __init__(self) -> None:
        """Start at none."""
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, given: tuple[Any, ...] = (), named: Any = None
    ) -> Any:
        """Run an operation and count."""
        named = named or {}
        if function._overloadpacket not in flop_registry:
            with self:  # a linear layer is a product of matrices
                parts = function.decompose(*given, **named)
            if parts is not NotImplemented:
                return parts
        made = function(*given, **named)
        if function._overloadpacket in flop_registry:
            for value in (*given, made):
                if isinstance(value, torch.Tensor):
                    self.bytes += value.numel() * value.element_size()
        return made


def best(work: Callable[[], object]) -> float:
    """Least seconds of a few tries: a limit is not a median."""
    seconds = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def device_limits(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Operations and bytes a second, of a product of matrices and of a sum of arrays."""
    left, right = (torch.randn(_SIDE, _SIDE, device=device, dtype=dtype) for _ in range(2))
    one, other = (torch.randn(_NUMBERS, device=device) for _ in range(2))
    into = torch.empty_like(one)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def multiply() -> None:
        torch.mm(left, right)
        wait()

    def add() -> None:
        torch.add(one, other, out=into)
        wait()

    return 2 * _SIDE**3 / best(multiply), 3 * 4 * _NUMBERS / best(add)


def stages_of(table: Table, number: int) -> dict[str, Callable[[], object]]:
    """The stages of observing a picture, each by itself."""
    segmenter, image = table.segmenter, table.picture(number)
    proposals = segmenter.proposer.propose(image)
    captions = segmenter.region_captions(image, proposals)
    return {
        "proposals": lambda: segmenter.proposer.propose(image),
        "clip": lambda: segmenter.region_features(image, proposals),
        "captions": lambda: segmenter.region_captions(image, proposals),
        "texts": lambda: segmenter.clip.encode_texts(captions),
    }


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/roofline.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--preset", default="tabletop")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, default=min(THREADS, cores()))
    made.add_argument("--pictures", type=int, default=10)
    made.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    options = made.parse_args(arguments)
    device = Device.from_name(options.device)
    load = os.getloadavg()[0]
    found: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with threads(options.threads), torch.inference_mode(), device.precision():
        speed, bandwidth = device_limits(device.torch_device, getattr(torch, options.dtype))
        table = Table.load(SegmenterConfig.from_preset(options.preset), device)
        for number in range(options.pictures):
            for name, work in stages_of(table, number).items():
                table.segmenter.clip.forget()
                work()
                table.segmenter.clip.forget()
                counter, moved = FlopCounterMode(display=False), Moved()
                with counter, moved:
                    work()
                table.segmenter.clip.forget()
                seconds, _ = timed(work, device)
                found[name].append((counter.get_total_flops(), moved.bytes, seconds))
    printed = Printed(box=None, header_style="bold")
    for head in ("stage", "GFLOP", "MB", "FLOP/byte", "limit ms", "measured ms", "of the limit"):
        printed.add_column(head, justify="left" if head == "stage" else "right")
    for name, rows in found.items():
        flops, moved_bytes, seconds = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        limit = max(flops / speed, moved_bytes / bandwidth)
        printed.add_row(
            name,
            f"{flops / 1e9:.2f}",
            f"{moved_bytes / 2**20:.0f}",
            f"{flops / max(moved_bytes, 1):.0f}",
            f"{1e3 * limit:.1f}",
            f"{1e3 * seconds:.1f}",
            f"{limit / seconds:.0%}",
        )
    console = Console(highlight=False, width=110)
    console.print(printed)
    console.print(
        f"{options.dtype} matrices of {_SIDE}: {speed / 1e9:.0f} GFLOP/s; memory: "
        f"{bandwidth / 1e9:.1f} GB/s; {options.preset} on {device}; {machine()}; "
        f"{options.threads} threads; load {load:.1f} before; medians of {options.pictures}"
    )


if __name__ == "__main__":
    main()
