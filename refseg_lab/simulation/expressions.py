# SPDX-License-Identifier: Apache-2.0
"""Referring expressions for rendered scenes, with what they surely mean.

An expression is a logical form (`forms`) in words (`phrasing`). It is given only if three-valued
logic (`logic`, with the margins of `predicates`) leaves no doubt: one object satisfies it and no
other might; or several do where several are asked for; or none does, not even by another name.

Left, right and "in the picture" are the viewer's. In front of and behind are nearer and farther
along the camera's direction over the table. Sizes are real sizes. `docs/data_card.md` tells all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from refseg_lab.simulation.catalogue import HELD_OUT_PAIRS
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.forms import (
    Between,
    Not,
    NounPhrase,
    OnTable,
    Place,
    Rank,
    Relation,
)
from refseg_lab.simulation.logic import World
from refseg_lab.simulation.measurements import NO, measure_objects
from refseg_lab.simulation.phrasing import Speaker
from refseg_lab.simulation.proposing import Proposer
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.scene import SceneSpec

#: What an expression needs to be understood, in the order in which `refer` gives them.
PHENOMENA: Final = (
    "category",
    "colour",
    "size",
    "position",
    "relation",
    "relation_3d",
    "between",
    "containment",
    "ordinal",
    "superlative",
    "negation",
    "plural",
    "absent",
)
#: Split whose expressions are of pairs of colour and category that training never shows.
COMPOSE: Final = "test_compose"

# Fewest (where a scene allows) and most expressions of a benchmark scene.
_FEWEST, _MOST = 9, 12
# Of each phenomenon, `refer` gives so many for one target.
_EACH = 3
# Of these a scene gets a second expression if it has too few, the rarest first.
_SPARE = (
    "between",
    "containment",
    "ordinal",
    "size",
    "negation",
    "relation_3d",
    "relation",
    "position",
    "superlative",
    "plural",
    "colour",
)
# Keeps this stream of chance apart from the one that the scene was drawn from.
_SALT = 0x5EED_0F_5A1D


@dataclass(frozen=True)
class Referral:
    """A referring expression and what it means.

    Attributes:
        expression: the sentence, e.g. "the mug on the left".
        targets: sorted indices into `spec.objects` of what is meant: one, several for a plural,
            none for what is not there.
        phenomenon: one of `PHENOMENA`.
        form: its logical form.
    """

    expression: str
    targets: tuple[int, ...]
    phenomenon: str
    form: NounPhrase

    @property
    def object_index(self) -> int:
        """The one object meant.

        Raises:
            ValueError: if none or several are meant.
        """
        if len(self.targets) != 1:
            raise ValueError(f"{self.expression!r} means {len(self.targets)} objects, not one")
        return self.targets[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {
            "expression": self.expression,
            "targets": list(self.targets),
            "phenomenon": self.phenomenon,
            "form": self.form.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Referral:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a field is missing or a value not allowed.
        """
        try:
            phenomenon = str(data["phenomenon"])
            targets = tuple(int(index) for index in data["targets"])
            form = NounPhrase.from_dict(data["form"])
            expression = str(data["expression"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"data is not the dictionary of a Referral: {error}") from error
        if phenomenon not in PHENOMENA:
            raise ValueError(
                f"phenomenon must be one of {', '.join(PHENOMENA)}, got {phenomenon!r}"
            )
        if bool(targets) == (phenomenon == "absent"):
            raise ValueError(f"targets {targets} do not go with the phenomenon {phenomenon!r}")
        return cls(expression, targets, phenomenon, form)


def phenomenon_of(form: NounPhrase, targets: tuple[int, ...]) -> str:
    """The hardest thing that must be understood of a form, one of `PHENOMENA`."""
    if not targets:
        return "absent"
    if form.count != 1:
        return "plural"
    if not form.modifiers:
        return "size" if form.size else "colour" if form.colour else "category"
    part = form.modifiers[-1]
    if isinstance(part, Rank):
        if part.rank > 1:
            return "ordinal"
        return "relation_3d" if part.order in ("near", "far") else "superlative"
    if isinstance(part, Relation):
        if part.kind in ("in", "on"):
            return "containment"
        return "relation_3d" if part.kind in ("in_front_of", "behind") else "relation"
    names = {Place: "position", Between: "between", OnTable: "containment", Not: "negation"}
    return names[type(part)]


def refer(spec: SceneSpec, frame: Frame) -> list[Referral]:
    """Gives unambiguous expressions for a rendered scene in plain words, in a fixed order.

    At most three of a phenomenon for each target, sorted by phenomenon.

    Args:
        spec: the scene.
        frame: its rendering.

    Raises:
        ValueError: if the frame does not tell the full area of each object.
    """
    things = measure_objects(spec, frame)
    world, lenient = World(things), World(things, lenient=True)
    proposer = Proposer(world)
    speaker = Speaker({thing.category for thing in things if thing.shown != NO})
    given: dict[str, Referral] = {}
    counts: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for form in (*proposer.forms(), *proposer.absent(lenient)):
        targets = world.resolve(form) or ()
        phenomenon = phenomenon_of(form, targets)
        text = speaker.phrase(form)
        if text not in given and counts[phenomenon, targets] < _EACH:
            counts[phenomenon, targets] += 1
            given[text] = Referral(text, targets, phenomenon, form)
    return sorted(given.values(), key=lambda referral: PHENOMENA.index(referral.phenomenon))


def benchmark_referrals(spec: SceneSpec, frame: Frame, split: str) -> list[Referral]:
    """Chooses and paraphrases the expressions of a benchmark scene; its seed decides them.

    One of each phenomenon that the scene offers, then second ones of the rarer phenomena up to
    nine, and twelve at most. In the split `COMPOSE` every target is of a pair of
    `catalogue.HELD_OUT_PAIRS`, and its colour and category are said.

    Args:
        spec: the scene.
        frame: its rendering.
        split: name of the split.

    Raises:
        ValueError: if the frame does not tell the full area of each object.
    """
    things = measure_objects(spec, frame)
    world, lenient = World(things), World(things, lenient=True)
    proposer = Proposer(world, 3, HELD_OUT_PAIRS if split == COMPOSE else None)
    chance = Chance(spec.seed ^ _SALT)
    groups: dict[str, list[tuple[NounPhrase, tuple[int, ...]]]] = {name: [] for name in PHENOMENA}
    for form in (*proposer.forms(), *proposer.absent(lenient)):
        if split == COMPOSE or not _held_out(form):
            targets = world.resolve(form) or ()
            groups[phenomenon_of(form, targets)].append((form, targets))
    speaker = Speaker({thing.category for thing in things if thing.shown != NO}, chance)
    return _choose(groups, speaker, chance)


def _held_out(form: NounPhrase) -> bool:
    return (form.colour, form.category) in HELD_OUT_PAIRS


def _choose(
    groups: Mapping[str, list[tuple[NounPhrase, tuple[int, ...]]]],
    speaker: Speaker,
    chance: Chance,
) -> list[Referral]:
    """One of each phenomenon, then the spare ones, each for the target least spoken of so far."""
    chosen: dict[str, Referral] = {}
    used: Counter[tuple[Any, ...]] = Counter()
    taken: set[NounPhrase] = set()
    first = [name for name in reversed(PHENOMENA) if groups[name]]
    for turn, name in enumerate((*first, *_SPARE, *_SPARE)):
        if len(chosen) >= (_MOST if turn < len(first) else _FEWEST):
            continue
        left = [(form, targets) for form, targets in groups[name] if form not in taken]
        if not left:
            continue
        form, targets = _pick(left, used, chance)
        taken.add(form)
        text = speaker.sentence(form)
        if text not in chosen:
            used.update((targets, _shape(form)))
            chosen[text] = Referral(text, targets, name, form)
    return sorted(chosen.values(), key=lambda referral: PHENOMENA.index(referral.phenomenon))


def _pick(
    options: list[tuple[NounPhrase, tuple[int, ...]]],
    used: Counter[tuple[Any, ...]],
    chance: Chance,
) -> tuple[NounPhrase, tuple[int, ...]]:
    """Pick the least used shape of form, so that left and right crowd out none; then a form."""
    shapes = list(dict.fromkeys(_shape(form) for form, _ in options))
    shape = min(chance.shuffled(shapes), key=lambda item: used[item])
    fitting = chance.shuffled([option for option in options if _shape(option[0]) == shape])
    return min(fitting, key=lambda option: used[option[1]])


def _shape(form: NounPhrase) -> tuple[str, ...]:
    parts = [type(part).__name__ for part in form.modifiers]
    parts += [getattr(part, "kind", getattr(part, "order", "")) for part in form.modifiers]
    return (*parts, "plain" if form.category else "generic", "counted" if form.count > 1 else "")
