# SPDX-License-Identifier: Apache-2.0
"""Parts of scenes with the names of what they show: what the latent diffusion learns from.

A scene holds more things than a small network can bind to their words at once, and shows each in
few pixels; a part of it about half as wide holds one to four, twice as large.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_lab.training.common import Image, Scenes, VisibleThing
from refseg_lab.training.vocabulary import ALIASES, NAMES, one_of
from refseg_lab.training.wordings import COMMANDS, RELATIONS

HEIGHT, WIDTH = 96, 128
SCALE = 0.4
"""Pixels of a glimpse per pixel of a 640x480 picture, on average."""
PER_SCENE = 6

_INSIDE = 0.6  # share of a thing's pixels that a glimpse must show for it to be named
_SPREAD = 1.25  # by how much glimpses are larger or smaller than SCALE, at most
_VERSION = 1


@dataclass(frozen=True)
class Glimpses:
    """Parts of all scenes.

    Attributes:
        images: (N, 96, 128, 3) uint8 RGB.
        things: For each (category, colour) of what it shows, at least one, the largest first.
    """

    images: NDArray[np.uint8]
    things: tuple[tuple[tuple[str, str], ...], ...]

    def __len__(self) -> int:
        return len(self.things)


def open_glimpses(folder: Path, scenes: Scenes) -> Glimpses:
    """The parts of a data set; made at the first call and kept beside it.

    Args:
        folder: Folder of the data set.
        scenes: The scenes in it, opened.
    """
    stored = folder / f"glimpses-{_VERSION}-{len(scenes)}-{PER_SCENE}"
    if not (stored / "things.json").exists():
        stored.mkdir(exist_ok=True)
        _write(stored, scenes)
    things = json.loads((stored / "things.json").read_text(encoding="utf-8"))
    images = np.load(stored / "images.npy", mmap_mode="r")[: len(things)]
    return Glimpses(images, tuple(tuple((a, b) for a, b in row) for row in things))


def _write(folder: Path, scenes: Scenes) -> None:
    shape = (len(scenes) * PER_SCENE, HEIGHT, WIDTH, 3)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    named: list[list[tuple[str, str]]] = []
    for scene in range(len(scenes)):
        rng = np.random.default_rng(scene)
        image, instances = np.asarray(scenes.images[scene]), np.asarray(scenes.instances[scene])
        for _ in range(PER_SCENE):
            part, shown = glimpse(image, instances, scenes.things[scene], rng)
            if shown:
                images[len(named)] = part
                named.append([(thing.category, thing.colour) for thing in shown])
    images.flush()
    (folder / "things.json").write_text(json.dumps(named), encoding="utf-8")


def glimpse(
    image: Image,
    instances: NDArray[np.uint8],
    things: tuple[VisibleThing, ...],
    rng: np.random.Generator,
) -> tuple[Image, list[VisibleThing]]:
    """A random part of a scene, and the things that are mostly visible in it.

    Args:
        image: (H, W, 3) uint8 RGB.
        instances: (H, W) uint8.
        things: What the scene holds.
        rng: Source of chance.

    Returns:
        (96, 128, 3) uint8 RGB, and things by how much of them is seen, the largest first.
    """
    height, width = image.shape[:2]
    scale = SCALE * 640 / width * float(np.exp(rng.uniform(-1, 1) * np.log(_SPREAD)))
    tall, wide = min(height, round(HEIGHT / scale)), min(width, round(WIDTH / scale))
    top, left = (int(rng.integers(most + 1)) for most in (height - tall, width - wide))
    seen = np.bincount(instances[top : top + tall, left : left + wide].ravel(), minlength=256)
    shown = [thing for thing in things if seen[thing.instance] >= _INSIDE * thing.area]
    part = image[top : top + tall, left : left + wide]
    small = cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), sorted(shown, key=lambda thing: -seen[thing.instance])


def sentence(things: tuple[tuple[str, str], ...], rng: np.random.Generator) -> str:
    """What is said of a glimpse: some of its things, in the wordings of people.

    Args:
        things: (category, colour) of what it shows.
        rng: Source of chance.

    Returns:
        ``red mug, book``, ``pick up the red mug left of the book``. Relations are drawn by lot:
        the sentence names two things that are there, wherever they lie.
    """
    order = rng.permutation(len(things))[: 1 + int(rng.integers(4))]
    phrases = [_phrase(things[row], rng) for row in order]
    if rng.random() < 0.5:
        article = one_of(rng, ("", "a ", "the "))
        return ", ".join(article + phrase for phrase in phrases)
    command = f"{one_of(rng, COMMANDS)} " if rng.random() < 0.3 else ""
    if len(phrases) == 1:
        return f"{command}the {phrases[0]}"
    return f"{command}the {phrases[0]} {one_of(rng, RELATIONS)} the {phrases[1]}"


def _phrase(thing: tuple[str, str], rng: np.random.Generator) -> str:
    category, colour = thing
    names = NAMES[category]
    name = names[0] if rng.random() < 0.75 else one_of(rng, names)
    if rng.random() < 0.25:
        return name
    if colour in ALIASES and rng.random() < 0.1:
        colour = one_of(rng, ALIASES[colour])
    return f"{colour} {name}"
