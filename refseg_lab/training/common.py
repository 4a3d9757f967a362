# SPDX-License-Identifier: Apache-2.0
"""What the trainings share: scenes through memory maps, and a loop that can be continued."""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from refseg_lab.training.light import WIDE
from refseg_lab.training.optimiser import MuonAndAdamW
from refseg_ros.errors import ConfigError, RefsegError, WeightsError

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

DATA = Path("build/data")
RUNS = Path("build/training")
CHECKPOINT = "ck.pt"
LOG = "log.jsonl"
"""Beside the checkpoint: the loss and the held-out figures over time, for curves."""
SMALLEST = 150
"""Objects below this many pixels are neither trained on nor asked for."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_ constants of glibc's malloc.h


@dataclass(frozen=True)
class VisibleThing:
    """A visible object.

    Attributes:
        scene: Row of its scene.
        instance: Its number in the instance map.
        category: What it is.
        colour: Name of its colour.
        area: Visible pixels.
    """

    scene: int
    instance: int
    category: str
    colour: str
    area: int


@dataclass(frozen=True)
class Scenes:
    """What ``refseg_lab.simulation.dataset`` wrote, read as it is needed.

    Attributes:
        images: (N, H, W, 3) uint8 RGB.
        instances: (N, H, W) uint8; 0 is background.
        things: For each scene its objects of at least :data:`SMALLEST` pixels.
    """

    images: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    things: tuple[tuple[VisibleThing, ...], ...]

    @classmethod
    def open(cls, folder: Path) -> Scenes:
        """Open a data set.

        Raises:
            ConfigError: The folder does not hold one; the message says how to make it.
        """
        try:
            images = np.load(folder / "images.npy", mmap_mode="r")
            instances = np.load(folder / "instances.npy", mmap_mode="r")
            with (folder / "scenes.jsonl").open(encoding="utf-8") as listing:
                things = tuple(_things(row, line) for row, line in enumerate(listing))
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"data: {folder} holds no scenes ({error}); render them with "
                f"`python -m refseg_lab.simulation.dataset --out {folder}`, see "
                "docs/training.md"
            ) from error
        if not len(images) == len(instances) == len(things):
            raise ConfigError(f"data: {folder} is not whole; render it again")
        return cls(images, instances, things)

    def __len__(self) -> int:
        return len(self.things)

    def all_things(self) -> tuple[VisibleThing, ...]:
        """The visible objects of all scenes, scene by scene."""
        return tuple(thing for things in self.things for thing in things)

    def mask(self, thing: VisibleThing) -> Mask:
        """(H, W) bool: the visible pixels of an object."""
        return np.asarray(self.instances[thing.scene] == thing.instance)


def _things(row: int, line: str) -> tuple[VisibleThing, ...]:
    record = json.loads(line)
    pairs = zip(record["spec"]["objects"], record["areas"], strict=True)
    return tuple(
        VisibleThing(row, number, item["category"], item["colour"], area)
        for number, (item, area) in enumerate(pairs, start=1)
        if area >= SMALLEST
    )


class Due:
    """Reports when some seconds have passed since its last report."""

    def __init__(self, seconds: float) -> None:
        """Start counting."""
        self._seconds = seconds
        self._last = time.monotonic()

    def __call__(self) -> float:
        """Seconds since the last time that it was due, or 0 when it is not."""
        elapsed = time.monotonic() - self._last
        if elapsed < self._seconds:
            return 0.0
        self._last = time.monotonic()
        return elapsed


class Training:
    """Descends for a number of steps; continues where an earlier run stopped.

    Iterate over it: each turn gives the source of chance for one step, which ends with
    :meth:`descend`. The checkpoint is replaced as a whole, every two minutes and at the end; the
    held-out scenes are measured every eight minutes and at the end. :data:`LOG` gets a line
    with `step`, `minutes` and either `loss` and `rate` or the held-out figures each time.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        options: argparse.Namespace,
        figures: Callable[[], Mapping[str, float]],
        *,
        weight_decay: float,
        warm_up: int,
        muon: bool = False,
    ) -> None:
        """Make the optimiser and read the checkpoint in ``options.out``, if there is one.

        Args:
            modules: What is trained, under the names that the checkpoint has for it.
            options: Options from :func:`parser`.
            figures: Measures the networks on held-out scenes.
            weight_decay: Weight decay of the optimiser.
            warm_up: Number of warm-up steps.
            muon: Use Muon for matrices; else AdamW for all.

        Raises:
            WeightsError: The checkpoint is damaged or of another network.
        """
        self._modules = dict(modules)
        self._figures = figures
        self._options = options
        self._warm_up = warm_up
        self._parameters = [item for module in modules.values() for item in module.parameters()]
        self._optimiser: torch.optim.AdamW | MuonAndAdamW
        if muon:
            self._optimiser = MuonAndAdamW(
                self._modules.values(), lr=options.lr, weight_decay=weight_decay
            )
        else:
            self._optimiser = torch.optim.AdamW(
                self._parameters, lr=options.lr, weight_decay=weight_decay
            )
        self._path = Path(options.out) / CHECKPOINT
        self._losses: list[float] = []
        self._note = ""
        self.step = 0
        self.used = 0.0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._continue()
        self._shorten_log()

    @property
    def spent(self) -> float:
        """The share of the steps that is done, in [0, 1]."""
        return min(1.0, self.step / int(self._options.steps))

    def __iter__(self) -> Iterator[np.random.Generator]:
        rng = np.random.default_rng(self._options.seed + self.step)
        log, measure, save = Due(30), Due(480), Due(120)
        while self.step < self._options.steps:
            started = time.monotonic()
            rate = learning_rate(self._options.lr, self.step, self._warm_up, self.spent)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            yield rng
            self.step += 1
            self.used += time.monotonic() - started
            if elapsed := log():
                self._log(elapsed, rate)
            if measure():
                self._measure()
            if save() or self.step >= self._options.steps:
                self.save()
        self._measure()

    def descend(self, loss: torch.Tensor, shown: float | None = None, note: str = "") -> None:
        """One step of the optimiser.

        Args:
            loss: Scalar to minimise.
            shown: The value to log instead.
            note: What else to log.
        """
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._losses.append(loss.item() if shown is None else shown)
        self._note = note

    def save(self) -> None:
        """Write the checkpoint; a run that is stopped meanwhile leaves the old one."""
        state = {name: module.state_dict() for name, module in self._modules.items()}
        state["opt"] = self._optimiser.state_dict()
        part = self._path.with_suffix(".part")
        torch.save({**state, "step": self.step, "used": self.used}, part)
        os.replace(part, self._path)

    def _continue(self) -> None:
        state = read_checkpoint(self._path.parent)
        try:
            for name, module in self._modules.items():
                module.load_state_dict(state[name])
            self._optimiser.load_state_dict(state["opt"])
            self.step, self.used = int(state["step"]), float(state["used"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise WeightsError(f"{self._path} is of another network: {error}") from error
        logger.info("continuing at step %d, %.1f min used", self.step, self.used / 60)

    def _shorten_log(self) -> None:
        """Take out what a run wrote after the checkpoint from which this one continues."""
        path = self._path.with_name(LOG)
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            kept = [line for line in whole if json.loads(line)["step"] <= self.step > 0]
            path.write_text("".join(kept), encoding="utf-8")

    def _record(self, values: Mapping[str, float]) -> None:
        line = {"step": self.step, "minutes": round(self.used / 60, 2)}
        rounded = {name: float(f"{value:.5g}") for name, value in values.items()}
        with self._path.with_name(LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({**line, **rounded}) + "\n")

    def _log(self, elapsed: float, rate: float) -> None:
        self._record({"loss": float(np.mean(self._losses)), "rate": rate})
        logger.info(
            "step %d, %.1f min, loss %.3f, rate %.1e, %.0f images/s%s",
            self.step,
            self.used / 60,
            np.mean(self._losses),
            rate,
            len(self._losses) * self._options.batch / elapsed,
            f", {self._note}" if self._note else "",
        )
        self._losses.clear()

    def _measure(self) -> None:
        modules = [(module, module.training) for module in self._modules.values()]
        for module, _ in modules:
            module.eval()
        figures = self._figures()
        self._record(figures)
        logger.info("step %d, held out: %s", self.step, figures_line(figures))
        for module, training in modules:
            module.train(training)


def learning_rate(highest: float, step: int, warm_up: int, spent: float) -> float:
    """The rate of a step: linear over the first ``warm_up`` steps, then a cosine to a fiftieth.

    Args:
        highest: Learning rate.
        step: From 0.
        warm_up: Steps, at least 1.
        spent: Share of the steps that is done, in [0, 1].
    """
    rising = min(1.0, (step + 1) / warm_up)
    return highest * rising * (0.98 * 0.5 * (1 + math.cos(math.pi * spent)) + 0.02)


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read what a training wrote, running no code of the file.

    Raises:
        WeightsError: It is missing or damaged.
    """
    path = folder / CHECKPOINT
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist; train first") from error
    except Exception as error:  # torch and pickle raise many classes for a damaged file
        raise WeightsError(f"{path} is damaged, remove it: {error}") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path} is not a checkpoint of a training")
    return state


def parser(
    description: str, name: str, *, steps: int, batch: int, lr: float
) -> argparse.ArgumentParser:
    """The options that all trainings have, with the defaults of the published recipe."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--data", type=Path, default=DATA, help="folder that contains train/ and val/"
    )
    made.add_argument("--out", type=Path, default=RUNS / name, help="folder for the checkpoint")
    made.add_argument("--steps", type=int, default=steps, help="total number of training steps")
    made.add_argument("--batch", type=int, default=batch, help="images per step")
    made.add_argument("--lr", type=float, default=lr, help="highest learning rate")
    made.add_argument("--seed", type=int, default=0, help="seed for weights and batches")
    made.add_argument("--threads", type=int, default=1, help="torch threads")
    return made


def add_light(made: argparse.ArgumentParser) -> None:
    """The options of trainings on crops: in which light, and with what to begin."""
    made.add_argument(
        "--wide", type=float, default=WIDE, help="share of crops in other light, see light.py"
    )
    made.add_argument("--begin", type=Path, help="folder of an exported network to train further")


def begin_with(model: nn.Module, folder: Path | None, name: str) -> None:
    """Load what :mod:`.export` wrote, where a folder is given.

    Args:
        model: The untrained network.
        folder: Folder of the exported one.
        name: Name of its file of tensors.

    Raises:
        WeightsError: The file is missing, damaged or of another network.
    """
    if folder is None:
        return
    path = folder / name
    try:
        tensors = {key: value.float() for key, value in load_file(path).items()}
        found = model.load_state_dict(tensors, strict=False)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"begin: {path} cannot be loaded: {error}") from error
    state = model.state_dict()
    # A tensor under two names is stored under one.
    stored = {state[key].data_ptr() for key in tensors if key in state}
    missing = [key for key in found.missing_keys if state[key].data_ptr() not in stored]
    if missing or found.unexpected_keys:
        differing = (missing + found.unexpected_keys)[0]
        raise WeightsError(f"begin: {path} is of another network: {differing!r}")


def begin(options: argparse.Namespace) -> tuple[Scenes, Scenes]:
    """Set seeds and threads, and open the training and the held-out scenes.

    Raises:
        ConfigError: A number is out of range, or scenes are missing.
    """
    if not 0 <= getattr(options, "wide", 0) <= 1:
        raise ConfigError(f"wide: {options.wide} is not in [0, 1]")
    for name, least in (("batch", 1), ("steps", 1), ("threads", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise ConfigError(f"{name}: {getattr(options, name)} is less than {least}")
    if not 0 < options.lr < math.inf:
        raise ConfigError(f"lr: {options.lr} is not a positive number")
    keep_memory()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(0)
    torch.manual_seed(options.seed)
    return Scenes.open(options.data / "train"), Scenes.open(options.data / "val")


def keep_memory() -> None:
    """Have the C library keep freed memory for the next step, where it is glibc.

    Otherwise it returns each large tensor to the system, which clears the pages again for the
    next one: a tenth of the time of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            mallopt(option, 2**31 - 1)


def command(run: Callable[[], None]) -> None:
    """Run a script: log to standard output, and end with a line and code 1 on a known error."""
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logger.setLevel(logging.INFO)
    try:
        run()
    except RefsegError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def figures_line(figures: Mapping[str, float]) -> str:
    """Figures for the log: ``mIoU 0.713, best of 3 0.741``."""
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
