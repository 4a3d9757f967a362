#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is answered to words that the models never learnt, on the bundled scenes.

Each sweep asks the preset `tabletop` sentences of one form about every scene and counts what was
called SELECTED though it is of another colour or kind than was said (`wrong`), and in how many of
those that have an answer the answer is of the kind and colour that is known (`found`, whatever the
status). Intervals of 95 % by a bootstrap over scenes. Equal seeds ask equal sentences.

    python benchmarks/unknown_words.py
    python benchmarks/unknown_words.py --sweep modifiers --wrong 20
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.simulation.bundle import BundledScenes
from refseg_lab.simulation.catalogue import CATEGORIES, COLOURS
from refseg_lab.simulation.scene import ObjectSpec
from refseg_ros import Segmenter, Selection
from refseg_ros.results import Status
from refseg_ros.scene import Scene

SMALLEST = 200
"""Pixels from which a thing counts as seen."""
MODIFIERS = tuple(
    word
    for words in (
        "golden silver turquoise beige grey crimson neon pastel shiny striped dotted transparent",
        "wooden plastic metal glass ceramic leather",
        "soup tea coffee salad kitchen garden sports birthday baby travel",
        "broken dirty hot frozen vintage expensive favourite italian heavy",
        "ikea grandma blorft zzyx",
    )
    for word in words.split()
)
"""Colours and finishes, materials, uses, states and opinions, makers, and no words at all."""
PRONOUNS = (
    "anything {}", "something {}", "everything {}", "whatever is {}", "whatever's {}",
    "the {} stuff", "all the {} stuff", "anything that is {}", "something that's {}",
    "anything {} will do", "whichever is {}", "everything that is {}", "give me anything {}",
    "all things {}", "anything coloured {}", "some {} thing",
)  # fmt: skip
HYPERNYMS = {
    "fruit": "banana pear",
    "animal": "duck",
    "vehicle": "car",
    "tool": "hammer",
    "container": "mug cup bowl bottle can teapot tray",
    "toy": "ball duck car brick cube",
    "crockery": "mug cup bowl plate teapot",
    "something to drink from": "mug cup bottle can",
    "something to eat": "banana pear",
    "something to eat with": "spoon",
    "something to hammer with": "hammer",
}
"""What a person would accept for each; things that some would and some would not are in it."""
UNDECIDED = (
    "furniture", "appliance", "weapon", "instrument", "something to write with",
    "something to sit on", "something to cut with", "electronics", "medicine", "clothes",
)  # fmt: skip
"""Kinds and uses of which the models know nothing, or none for sure."""
NOWHERE = (
    "the background", "the table", "the wall", "the shadow", "the empty space", "nothing",
    "the floor", "the surface",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A sentence about a scene.

    Attributes:
        text: The sentence.
        fits: Whether a thing, of that index, is what is known of it.
        exists: Whether there is such a thing in view.
    """

    text: str
    fits: Callable[[int], bool]
    exists: bool


@dataclass(frozen=True)
class View:
    """A scene, observed, with its truth.

    Attributes:
        scene: Observed.
        objects: What is in it.
        instances: (H, W) the object of each pixel, from 1; 0 for none.
    """

    scene: Scene
    objects: Sequence[ObjectSpec]
    instances: np.ndarray

    def seen(self) -> list[int]:
        """Objects of enough pixels."""
        areas = np.bincount(self.instances.ravel(), minlength=len(self.objects) + 1)[1:]
        return [k for k, area in enumerate(areas) if area >= SMALLEST]

    def meant(self, index: int) -> int:
        """The object that most of a candidate's pixels belong to; -1 for none."""
        inside = self.instances[self.scene.proposals.masks[index]]
        return int(np.bincount(inside).argmax()) - 1 if inside.size else -1

    def asked(self, text: str, fits: Callable[[ObjectSpec], bool]) -> Asked:
        """A sentence about whatever objects fit."""
        right = {k for k, item in enumerate(self.objects) if fits(item)}
        return Asked(text, right.__contains__, not right.isdisjoint(self.seen()))


def modifiers(view: View, rng: random.Random) -> Iterator[Asked]:
    """Unknown words before kinds that are there and kinds that are not, some with a colour."""
    there = sorted({view.objects[k].category for k in view.seen()})
    others = [item for item in CATEGORIES if item not in {o.category for o in view.objects}]
    for kind in (*there, *rng.sample(others, min(len(others), len(there)))):
        for word in rng.sample(MODIFIERS, 12):
            yield view.asked(f"the {word} {kind}", lambda item, kind=kind: item.category == kind)
    for k in view.seen():
        thing = view.objects[k]
        wanted = (thing.category, thing.colour)
        for word in rng.sample(MODIFIERS, 4):
            text = f"the {word} {thing.colour} {thing.category}"
            yield view.asked(
                text, lambda item, wanted=wanted: (item.category, item.colour) == wanted
            )


def pronouns(view: View, rng: random.Random) -> Iterator[Asked]:
    """Indefinite pronouns with each colour, there or not."""
    for colour in COLOURS:
        for wording in rng.sample(PRONOUNS, 12):
            yield view.asked(
                wording.format(colour), lambda item, colour=colour: item.colour == colour
            )


def hypernyms(view: View, rng: random.Random) -> Iterator[Asked]:
    """Kinds of kinds and uses; those that cannot be decided are never right."""
    for word, kinds in HYPERNYMS.items():
        text = (
            word if word.startswith("something") else rng.choice(("the {}", "a {}")).format(word)
        )
        fitting = kinds.split()
        yield view.asked(text, lambda item, fitting=fitting: item.category in fitting)
    for word in UNDECIDED:
        text = word if word.startswith("something") else f"the {word}"
        yield view.asked(text, lambda _: False)


def nowhere(view: View, _: random.Random) -> Iterator[Asked]:
    """What is no thing, and things that carry nothing."""
    for text in NOWHERE:
        yield view.asked(text, lambda _: False)
    carrying = {item.support for item in view.objects}
    for kind in sorted({view.objects[k].category for k in view.seen()}):
        inside = "in" if kind in ("bowl", "mug", "cup", "tray") else "on"
        empty = {k for k, o in enumerate(view.objects) if o.category == kind and k not in carrying}
        for text in (
            f"the {kind} with nothing {inside} it",
            f"the {kind} that has nothing {inside} it",
        ):
            yield Asked(text, empty.__contains__, not empty.isdisjoint(view.seen()))


SWEEPS = {
    "modifiers": modifiers,
    "pronouns": pronouns,
    "hypernyms": hypernyms,
    "nowhere": nowhere,
}
COLUMNS = (
    ("`SELECTED` and wrong", "wrong", "asked"),
    ("`SELECTED`", "SELECTED", "asked"),
    ("`AMBIGUOUS`", "AMBIGUOUS", "asked"),
    ("of those with an answer: found", "found", "there"),
)
"""Title, and which counts are divided."""


def is_right(view: View, asked: Asked, answer: Selection) -> bool:
    """Whether everything answered is what was asked for, as far as it is known."""
    return all(asked.fits(view.meant(index)) for index in answer.indices)


def views(count: int) -> Iterator[View]:
    """The bundled scenes, observed."""
    segmenter = Segmenter.from_preset("tabletop")
    for scene in BundledScenes()[:count]:
        observed = segmenter.observe(scene.frame.rgb)
        yield View(observed, scene.spec.objects, scene.frame.instances)


def _percent(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row a sweep, and the sentences that were answered wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sweep", action="append", choices=SWEEPS, help="all without it")
    parser.add_argument("--scenes", type=int, default=40, help="so many, the first ones")
    parser.add_argument("--seed", type=int, default=0, help="of the sentences")
    parser.add_argument("--wrong", type=int, default=0, help="so many wrong answers are printed")
    options = parser.parse_args(arguments)
    if options.scenes < 1:
        parser.error(f"--scenes: {options.scenes} is less than 1")
    names = options.sweep or list(SWEEPS)
    counts: dict[str, list[Counter[str]]] = {name: [] for name in names}
    wrong: list[str] = []
    for number, view in enumerate(views(options.scenes)):
        for name in names:
            counts[name].append(seen := Counter())
            for asked in SWEEPS[name](view, random.Random(f"{options.seed} {number} {name}")):
                answer = view.scene.select(asked.text)
                right = answer.status.has_target and is_right(view, asked, answer)
                seen["asked"] += 1
                seen[answer.status.name] += 1
                seen["there"] += asked.exists
                seen["found"] += asked.exists and right
                if answer.status is Status.SELECTED and not right:
                    seen["wrong"] += 1
                    wrong.append(f"{number} {asked.text!r}: {answer.reason}")
    draws = Resampler(len(counts[names[0]]))
    print("| sweep | sentences | " + " | ".join(f"{title}, %" for title, _, _ in COLUMNS) + " |")
    print("|---|---:" + "|---:" * len(COLUMNS) + "|")
    for name in names:
        cells = [f"{sum(seen['asked'] for seen in counts[name]):,}"]
        for _, above, below in COLUMNS:
            parts = [[seen[key] for seen in counts[name]] for key in (above, below)]
            cells.append(_percent(draws.ratio(*parts)))
        print(f"| {name} | " + " | ".join(cells) + " |")
    for line in wrong[: options.wrong]:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
