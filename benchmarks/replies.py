# SPDX-License-Identifier: Apache-2.0
"""Replies that come when they should not: after the view changed, and from another person.

``changed``: of each bundled picture every kind of thing is asked for ("the mug"). Where that is
answered by a question, each of its options and some other replies are said about every other
picture. A reply must never select a thing of another kind than the question was about.

``clients``: after each such question, on the same picture, a second person commands each kind that
is there, with and without its colour. It must be answered as if nothing had been asked.

Run: ``python benchmarks/replies.py [--pictures 20]``; no model but the bundled ones is needed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from refseg_lab.simulation.benchmark import TabletopScene, bundled_slice
from refseg_ros import Conversation, Segmenter, Selection, Status
from refseg_ros.scene import Scene

REPLIES = ("the left one", "the second", "the other one", "not the left one", "both", "red")
"""Said after every question, beside its own options."""


@dataclass(frozen=True)
class Picture:
    """A picture with its truth.

    Attributes:
        truth: What was rendered.
        scene: What was observed of it.
    """

    truth: TabletopScene
    scene: Scene

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its things, each once."""
        return tuple(dict.fromkeys(thing.category for thing in self.truth.spec.objects))

    def shown_by(self, answer: Selection) -> set[str]:
        """The kinds of the things that an answer's masks show."""
        kinds = set()
        for mask in (answer.proposals.masks[index] for index in answer.indices):
            numbers = self.truth.frame.instances[mask]
            number = int(np.bincount(numbers[numbers > 0]).argmax()) if numbers.any() else 0
            kinds.add(self.truth.spec.objects[number - 1].category if number else "table")
        return kinds


def questions(picture: Picture) -> Iterator[tuple[str, Selection]]:
    """The kinds of a picture that are asked back about, and how."""
    for kind in picture.kinds:
        answer = picture.scene.select(f"the {kind}")
        if answer.status is Status.AMBIGUOUS and answer.question:
            yield kind, answer


def changed(pictures: list[Picture]) -> tuple[Counter[str], list[str]]:
    """What replies get on pictures that the question was not about, and which are wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    for asked in pictures:
        for kind, question in questions(asked):
            for later in pictures:
                if later is asked:
                    continue
                for reply in dict.fromkeys((*question.options, *REPLIES)):
                    conversation = Conversation()
                    conversation.ask(asked.scene, f"the {kind}")
                    answer = conversation.ask(later.scene, reply)
                    counts[answer.status.name] += 1
                    if not answer.status.has_target or later.shown_by(answer) == {kind}:
                        continue
                    counts["another kind"] += 1
                    said = f"{question.question} {reply!r}: {answer.status.name}"
                    wrong.append(f"{said}, {', '.join(later.shown_by(answer))}")
    return counts, wrong


def clients(pictures: list[Picture]) -> tuple[Counter[str], list[str]]:
    """What a second person's commands get while a question is open, and which are wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    for picture in pictures:
        things = picture.truth.spec.objects
        commands = dict.fromkeys(
            f"the {name}" for thing in things for name in (thing.category, thing.name)
        )
        firsts = [f"the {kind}" for kind in picture.kinds]
        firsts += [f"the {colour} thing" for colour in dict.fromkeys(t.colour for t in things)]
        for first in firsts:
            asked = picture.scene.select(first)
            if asked.status is not Status.AMBIGUOUS or not asked.question:
                continue
            for command in commands:
                noun = first.split()[-1]
                if command in {option.replace(" one", f" {noun}") for option in asked.options}:
                    continue  # an option word for word: nobody can tell
                conversation = Conversation()
                conversation.ask(picture.scene, first)
                answer = conversation.ask(picture.scene, command)
                alone = picture.scene.select(command)
                counts[answer.status.name] += 1
                if (answer.status, answer.indices) == (alone.status, alone.indices):
                    continue
                counts["read as an answer"] += 1
                wrong.append(
                    f"{asked.question} {command!r}: {answer.status.name} {answer.indices}, "
                    f"alone {alone.status.name} {alone.indices}"
                )
    return counts, wrong


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/replies.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--pictures", type=int, default=20)
    made.add_argument("--wrong", type=int, default=10, help="how many wrong ones to print")
    options = made.parse_args(arguments)
    segmenter, console = Segmenter.from_preset("tabletop", "cpu"), Console(soft_wrap=True)
    scenes = bundled_slice()[: options.pictures]
    pictures = [Picture(scene, segmenter.observe(scene.frame.rgb)) for scene in scenes]
    for sweep in (changed, clients):
        counts, wrong = sweep(pictures)
        total = sum(counts[status.name] for status in Status)
        console.print(f"{sweep.__name__}: {total} replies, {dict(counts)}", markup=False)
        for line in wrong[: options.wrong]:
            console.print(f"  {line}", markup=False)


if __name__ == "__main__":
    main()
