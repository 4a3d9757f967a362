# SPDX-License-Identifier: Apache-2.0
"""The question that tells apart the candidates which fit about as well.

It names only what tells *all* of them apart: their names and colours as captions have them, left
and right, nearness, size; or their numbers where nothing does. Every option is tried first: the
parser and the rules of space must take it back to exactly the candidate that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.decision.choice import rivals
from refseg_ros.language import Direction, Measure, ReferringExpression, parse
from refseg_ros.language.combining import answering
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.replies import as_quality
from refseg_ros.language.spoken_names import called, counted, fits_name
from refseg_ros.results import Selection
from refseg_ros.spatial import Layout, Placing, place
from refseg_ros.spatial.context import Context
from refseg_ros.spatial.likeness import Likeness

if TYPE_CHECKING:
    from refseg_ros.config import DecisionConfig
    from refseg_ros.scene import Scene

SIDE_GAP: Final = 0.06
"""Share of the picture's width by which things must lie apart to be the left and the right one."""
NEAR_GAP: Final = 0.08
"""Share of its height by which the nearer must stand lower; metres with depth."""
SIZE_RATIO: Final = 1.25
"""How many times as long the big one must be as the small one, really and in the picture."""
LOOK_GAP: Final = 1.0
"""Logits by which each must look more like its own name than the others do."""
LEAD: Final = 0.1
"""Lead beyond ``min_margin`` with which an option must choose its candidate."""
MOST: Final = 4
"""Candidates that are told apart in words; more are told by number."""
_RANKS: Final = ("first", "second", "third", "fourth")
_WIDER: Final = 2.0
"""How much further apart in nearness things must be for that to be asked before sides."""

Logits = NDArray[np.float64]
Matches = Callable[[Sequence[str]], Logits]


@dataclass(frozen=True)
class Question:
    """A question and its answers.

    Attributes:
        text: In plain words; "" if nothing is asked.
        options: Follow-ups that answer it, in its own order; () if any answer will do.
    """

    text: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Options:
    """One way of telling all apart.

    Attributes:
        options: Phrases.
        indices: The candidate that each means.
        words: How the question ends: "the left or the right one?".
        said: Whether the sentence told them apart by this already.
        looks: What each must look most like, if they are told by that.
    """

    options: tuple[str, ...]
    indices: tuple[int, ...]
    words: str
    said: bool = False
    looks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asker:
    """Asks about the candidates that an unsure answer leaves.

    Attributes:
        expression: What was said.
        tied: The candidates, best first.
        names: What all candidates are called; None where that is not known.
        layout: The layout of all candidates.
        matches: (texts, N) logits of all candidates beside texts.
        min_margin: :attr:`DecisionConfig.min_margin`.
    """

    expression: ReferringExpression
    tied: tuple[int, ...]
    names: Sequence[NounPhrase | None]
    layout: Layout
    matches: Matches
    min_margin: float

    def ask(self) -> Question:
        """The question that fits the sentence; none if none would be right."""
        target = self.expression.target
        if target.is_plural or (target.count or 1) > 1:
            missing = target.count is not None and 1 < target.count < len(self.tied)
            return self.which_of(target.count or 0) if missing else Question()
        return self.which() if len(self.tied) > 1 else self.confirm()

    def which(self) -> Question:
        """Which one of two or more."""
        names = [self.names[index] for index in self.tied]
        lead = counted(len(self.tied), self._kind(names))
        if len(self.tied) <= MOST:
            kinds = self._kinds(names)
            if kinds and self._seen_apart(kinds):
                return Question(f"Do you mean {kinds.words}", kinds.options)
            for way in sorted(self._ways(names), key=lambda way: way.said):
                if self._holds(way):
                    return Question(f"{lead}: {way.words}", way.options)
        numbers = [str(index + 1) for index in sorted(self.tied)]
        options = tuple(f"number {number}" for number in numbers)
        return Question(f"{lead}: candidate {_listed(numbers)}?", options)

    def confirm(self) -> Question:
        """Whether it is this one; nothing if its name is not its own."""
        name = self.names[self.tied[0]]
        copies = self.layout.copies[self.tied[0]]
        others = [item for item, copy in zip(self.names, copies, strict=True) if not copy]
        if name is None or name in others:
            return Question()
        return Question(f"Do you mean {called(name)}?", ("yes", "no"))

    def which_of(self, count: int) -> Question:
        """Which so many of more."""
        names = [self.names[index] for index in self.tied]
        number = counted(count, None).split()[0].lower()
        return Question(f"{counted(len(self.tied), self._kind(names))}: which {number}?")

    def _kind(self, names: Sequence[NounPhrase | None]) -> NounPhrase | None:
        """What all of them are, as seen, or as said where nothing is seen; None if they differ."""
        known = [name for name in names if name is not None]
        if not known:
            target = self.expression.target
            if not target.head:
                return None
            return NounPhrase(head=target.head, colours=target.colours, materials=target.materials)
        if len(known) < len(names) or len({name.head for name in known}) > 1:
            return None
        colours = {name.colours for name in known}
        return NounPhrase(head=known[0].head, colours=colours.pop() if len(colours) == 1 else ())

    def _ways(self, names: Sequence[NounPhrase | None]) -> Iterator[_Options]:
        colours = self._colours(names)
        yield from (colours,) if colours else ()
        places = [way for way in (self._sides(), self._nearness()) if way]
        if len(places) == 2 and self._deeper():
            places.reverse()
        yield from places
        sizes = self._sizes()
        yield from (sizes,) if sizes else ()

    def _holds(self, way: _Options) -> bool:
        """Whether each option leads back to its candidate."""
        pairs = zip(way.options, way.indices, strict=True)
        led = all(self._leads_to(option) == index for option, index in pairs)
        return led and self._seen_apart(way)

    def _leads_to(self, option: str) -> int | None:
        """The candidate that a follow-up chooses, clearly, of those tied."""
        said = parse(option)
        quality = as_quality(said.target)
        if quality.colours:
            found = [k for k in self.tied if fits_name(quality, self.names[k])]
            return found[0] if len(found) == 1 else None
        count = len(self.layout)
        look = Context(self.tied, level=True).confine(Likeness(np.ones(count), np.ones(count)))
        placed = place(look, answering(self.expression, said), {}, self.layout, "extreme")
        first, second = np.sort(placed.weights[list(self.tied)])[::-1][:2]
        clear = first - second >= self.min_margin + LEAD and not placed.open
        return placed.index if clear else None

    def _kinds(self, names: Sequence[NounPhrase | None]) -> _Options | None:
        """Things of different kinds: "the red mug or the orange cup"."""
        known = [name for name in names if name is not None]
        looks = [called(name) for name in known]
        heads = {name.head for name in known}
        if len(known) < len(names) or len(set(looks)) < len(looks) or len(heads) == 1:
            return None
        alone = all(
            sum(fits_name(parse(look).target, other) for other in known) == 1 for look in looks
        )
        if not alone:
            return None
        bare = tuple(look.removeprefix("the ") for look in looks)
        return _Options(tuple(looks), self.tied, f"{_listed(looks)}?", looks=bare)

    def _colours(self, names: Sequence[NounPhrase | None]) -> _Options | None:
        known = [name for name in names if name is not None and len(name.colours) == 1]
        colours = [name.colours[0] for name in known]
        one_kind = len({name.head for name in known}) == 1
        if len(known) < len(names) or len(set(colours)) < len(colours) or not one_kind:
            return None
        looks = tuple(f"{name.colours[0]} {name.head}" for name in known)
        options = tuple(f"the {colour} one" for colour in colours)
        words = f"{_listed([f'the {colour}' for colour in colours])} one?"
        said = bool(self.expression.target.colours)
        return _Options(options, self.tied, words, said, looks)

    def _seen_apart(self, way: _Options) -> bool:
        """Whether each of the tied looks most like its own name: a caption may err."""
        if not way.looks:
            return True
        table = self.matches(way.looks)[:, list(way.indices)]
        others = np.where(np.eye(len(table), dtype=bool), -np.inf, table)
        return bool((np.diag(table) - others.max(1) >= LOOK_GAP).all())

    def _sides(self) -> _Options | None:
        columns = self.layout.places[list(self.tied), 0] / self.layout.size[1]
        order = np.argsort(columns, kind="stable")
        if np.diff(columns[order]).min() < SIDE_GAP:
            return None
        indices = tuple(self.tied[k] for k in order)
        said = bool({Direction.LEFT, Direction.RIGHT} & set(self.expression.directions))
        if len(indices) > 3:
            ranks = [f"the {rank}" for rank in _RANKS[: len(indices)]]
            options = tuple(f"{rank} from the left" for rank in ranks)
            return _Options(options, indices, f"{_listed(ranks)} from the left?", said)
        sides = ("left", "right") if len(indices) == 2 else ("left", "middle", "right")
        options = tuple(f"the {side} one" for side in sides)
        return _Options(options, indices, f"{_listed([f'the {s}' for s in sides])} one?", said)

    def _deeper(self) -> bool:
        """Whether two things are much further apart in depth than across."""
        first, second = self.tied[:2]
        across = abs(np.diff(self.layout.places[[first, second], 0])[0]) / self.layout.size[1]
        return bool(abs(self._apart(first, second)) > _WIDER * across)

    def _apart(self, first: int, second: int) -> float:
        return float(self.layout.nearness[first] - self.layout.nearness[second])

    def _nearness(self) -> _Options | None:
        if len(self.tied) != 2 or abs(gap := self._apart(*self.tied)) < NEAR_GAP:
            return None
        indices = self.tied if gap > 0 else self.tied[::-1]
        said = any(s.measure is Measure.NEARNESS for s in self.expression.target.superlatives)
        upright = {Direction.FRONT, Direction.BACK, Direction.TOP, Direction.BOTTOM}
        return _Options(
            ("the nearer one", "the farther one"),
            indices,
            "the nearer or the farther one?",
            said or bool(upright & set(self.expression.directions)),
        )

    def _sizes(self) -> _Options | None:
        if len(self.tied) != 2:
            return None
        pair = list(self.tied)
        real = self.layout.sizes[pair]
        shown = np.sqrt(self.layout.proposals.areas[pair].astype(np.float64))
        big = int(np.argmax(real))
        if min(real[big] / real[1 - big], shown[big] / shown[1 - big]) < SIZE_RATIO:
            return None
        target = self.expression.target
        said = bool(target.sizes) or any(
            item.measure is not Measure.NEARNESS for item in target.superlatives
        )
        options = ("the big one", "the small one")
        return _Options(options, (pair[big], pair[1 - big]), "the big or the small one?", said)


def with_question(
    selection: Selection,
    scene: Scene,
    expression: ReferringExpression,
    placed: Placing,
    config: DecisionConfig,
) -> Selection:
    """An unsure answer with what is tied and the question that would settle it.

    Args:
        selection: AMBIGUOUS, of ``scene``.
        scene: What was asked.
        expression: What was said.
        placed: The candidates after it.
        config: Thresholds that it was decided by.
    """

    def matches(texts: Sequence[str]) -> Logits:
        with torch.inference_mode(), scene.models.device.precision():
            encoded = scene.models.clip.encode_texts(list(texts))
            features = scene.features
            table: Logits = features.looks_like(encoded)
            if features.names:
                phrases = (parse(text).target for text in texts)
                table = table + [features.by_name(item, scene.models.clip) for item in phrases]
        return table

    tied = rivals(expression, selection, placed, scene.layout.copies, config)
    asker = Asker(expression, tied, scene.names, scene.layout, matches, config.min_margin)
    question = asker.ask()
    return replace(selection, tied=tied, question=question.text, options=question.options)


def _listed(words: Sequence[str]) -> str:
    """Words as a choice: "a or b", "a, b or c"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
