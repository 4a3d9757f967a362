#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests in many wordings about one thing: do they mean what its name alone means?

Of every bundled scene things are taken that the preset `tabletop` finds by kind and colour ("the
blue mug"). Each is then asked for in every wording. Counted are answers that are SELECTED and
another thing (`wrong`) and those that are the thing (`found`, whatever the status), with intervals
of 95 % by a bootstrap over scenes. Wordings that are read otherwise than the name are listed.

    python benchmarks/request_wordings.py
    python benchmarks/request_wordings.py --things 1 --scenes 5
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from refseg_lab.evaluation.bootstrap import Resampler
from refseg_lab.simulation.bundle import BundledScenes
from refseg_lab.simulation.scene import ObjectSpec
from refseg_ros import Segmenter
from refseg_ros.language import parse
from refseg_ros.results import Status
from refseg_ros.scene import Scene

SMALLEST = 200
"""Pixels from which a thing counts as seen."""
_GOING = ("go", "drive", "walk", "move", "head", "roll", "navigate", "come", "travel", "get")
_WHERE = (
    "near {}",
    "close to {}",
    "over to {}",
    "towards {}",
    "next to {}",
    "up to {}",
    "behind {}",
)
_STAYING = ("stop", "park", "wait", "stay", "slow down", "pull up", "land", "hover")
_BESIDE = ("at {}", "by {}", "near {}", "in front of {}", "beside {}", "close to {}")
_SAYING = (
    "do you have {}", "have you got {}", "did you see {}", "do you see {}", "can you see {}",
    "i will have {}", "i'll have {}", "i'll take {}", "ill have {}", "i need to have {}",
    "i would like to have {}", "id like {}", "i want to get {}", "i am looking at {}",
    "im looking at {}", "i'm looking for {}", "i was thinking of {}", "i was looking at {}",
    "i am pointing at {}", "i meant {}", "i'd go for {}", "i would go with {}",
    "i'd rather have {}",
    "i am after {}", "i could use {}", "i have to have {}", "i think i want {}", "i see {}",
    "i have lost {}", "we need {}", "we should take {}", "you should take {}", "you could grab {}",
    "you need to pick up {}", "let me have {}", "let us take {}", "let's go for {}",
    "could i borrow {}", "can i use {}", "may i have {}", "could i get {}", "could we have {}",
    "would you hand me {}", "would you mind passing me {}", "would it be possible to get {}",
    "could you look at {}", "can you come to {}", "can you stop at {}", "could you wait by {}",
    "there should be {}", "there is {}", "that is {}", "whats {}", "thats {}", "where's {}",
)  # fmt: skip
_HANDLING = (
    "wash {}", "fill {}", "empty {}", "rotate {}", "turn {}", "turn {} around", "shake {}",
    "tilt {}", "open {}", "close {}", "deliver {} to me", "deliver {} to the kitchen",
    "hand {} over", "hand {} to me", "switch {} off", "wipe {}", "polish {}", "inspect {}",
    "examine {}", "scan {}", "approach {}", "follow {}", "avoid {}", "circle {}", "reach {}",
    "drop me off near {}", "take me to {}", "bring me to {}", "guide me to {}", "lead me to {}",
    "lift {} up", "set {} aside", "tidy {} away", "unscrew {}", "flip {} over", "nudge {}",
)  # fmt: skip
_SPEAKING = (
    "umm {}", "oh like {}", "yeah {}", "erm i want {}", "uh get {} thx", "go ahead and get {}",
    "hey robot, go to {}", "please come to {}", "ok now go to {}", "so get close to {}",
    "slow down. stop at {}", "turn around and go to {}", "turn left and stop by {}",
    "when you get to {}, stop", "wait until you see {}", "keep going until you reach {}",
    "if you see {}, stop", "find a place to stop near {}", "find me a spot near {}",
)  # fmt: skip
WORDINGS = tuple(
    dict.fromkeys((
        *(f"{verb} {where}" for verb, where in itertools.product(_GOING, _WHERE)),
        *(f"{verb} {where}" for verb, where in itertools.product(_STAYING, _BESIDE)),
        *_SAYING,
        *_HANDLING,
        *_SPEAKING,
    ))
)  # fmt: skip
"""Requests, with a place for the thing."""


def misread(name: str = "the blue mug") -> list[str]:
    """Wordings whose thing is not read as its name alone is."""
    plain = parse(name).target
    return [text for text in WORDINGS if parse(text.format(name)).target != plain]


def meant(scene: Scene, instances: np.ndarray, index: int) -> int:
    """The object, from 0, that most pixels of a candidate belong to; -1 for none."""
    inside = instances[scene.proposals.masks[index]]
    return int(np.bincount(inside).argmax()) - 1 if inside.size else -1


def things(scene: Scene, objects: Sequence[ObjectSpec], instances: np.ndarray) -> Iterator[int]:
    """Objects that their kind and colour tell from others, and that are found by them."""
    areas = np.bincount(instances.ravel(), minlength=len(objects) + 1)[1:]
    kinds = [(item.colour, item.category) for item in objects]
    for index, kind in enumerate(kinds):
        if kinds.count(kind) == 1 and areas[index] >= SMALLEST:
            found = scene.select(named(objects[index]))
            selected = found.status is Status.SELECTED
            if selected and [meant(scene, instances, row) for row in found.indices] == [index]:
                yield index


def named(thing: ObjectSpec) -> str:
    """A thing by colour and kind."""
    return f"the {thing.colour} {thing.category}"


def sweep(
    scene: Scene, instances: np.ndarray, index: int, name: str, lost: list[str]
) -> Counter[str]:
    """Counts of the answers to all wordings about an object; ``lost`` gains the misses."""
    seen: Counter[str] = Counter()
    for wording in WORDINGS:
        text = wording.format(name)
        answer = scene.select(text)
        right = [meant(scene, instances, row) for row in answer.indices] == [index]
        wrong = answer.status is Status.SELECTED and not right
        seen += Counter(asked=1, wrong=wrong, found=answer.status.has_target and right)
        if not right:
            lost.append(f"{text!r}: {answer.status.name}, {answer.reason}")
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the wordings that are misread, the shares, and the sentences answered otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scenes", type=int, default=12, help="so many, the first ones")
    parser.add_argument("--things", type=int, default=2, help="so many of each scene")
    parser.add_argument("--lost", type=int, default=10, help="so many misses are printed")
    options = parser.parse_args(arguments)
    if min(options.scenes, options.things) < 1:
        parser.error("--scenes and --things: expected at least 1")
    bad = misread()
    print(f"{len(WORDINGS)} wordings, {len(bad)} read otherwise than the name: {bad}")
    segmenter = Segmenter.from_preset("tabletop")
    counts: list[Counter[str]] = []
    lost: list[str] = []
    for bundled in BundledScenes()[: options.scenes]:
        scene = segmenter.observe(bundled.frame.rgb)
        instances, objects = bundled.frame.instances, bundled.spec.objects
        counts.append(Counter())
        for index in itertools.islice(things(scene, objects, instances), options.things):
            counts[-1] += sweep(scene, instances, index, named(objects[index]), lost)
    draws = Resampler(len(counts))
    asked = [seen["asked"] for seen in counts]
    for key, title in (("wrong", "SELECTED and another thing"), ("found", "found")):
        figure = draws.ratio([seen[key] for seen in counts], asked)
        total = sum(seen[key] for seen in counts)
        spread = "" if figure.low is None else f" ({figure.low:.2%} to {figure.high:.2%})"
        print(f"{title}: {total} of {sum(asked)}{spread}")
    for line in lost[: options.lost]:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
