# SPDX-License-Identifier: Apache-2.0
"""From logical forms to English: one plain wording of each, and many paraphrases.

"Above" alone is never said: it could mean higher in the picture or held higher up in space. What
is meant in the picture says so, and what rests on another thing is "on" or "on top of" it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.forms import (
    Between,
    Colour,
    Modifier,
    Not,
    NounPhrase,
    OnTable,
    Place,
    Rank,
    Relation,
)
from refseg_lab.simulation.thing_names import (
    COLOUR_NAMES,
    GENERIC,
    SIZE_WORDS,
    plural,
    safe_names,
)

#: Words before and after the noun; of several the first is the plain wording.
Slots = tuple[str, str]

_NUMBERS: Final = ("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS: Final = ("", "first", "second", "third", "fourth", "fifth", "sixth")
_RELATIONS: Final[dict[str, tuple[str, ...]]] = {
    "left_of": ("to the left of {}", "left of {}"),
    "right_of": ("to the right of {}", "right of {}"),
    "above": ("above {} in the picture", "higher up in the picture than {}"),
    "below": ("below {} in the picture", "further down in the picture than {}"),
    "next_to": ("next to {}", "beside {}", "right next to {}"),
    "in_front_of": ("in front of {}",),
    "behind": ("behind {}",),
    "in": ("in {}", "inside {}"),
    "on": ("on {}", "on top of {}"),
}
_PLACES: Final[dict[str, tuple[Slots, ...]]] = {
    **{
        # "The right mug" would also be the one that is wanted.
        side: (("", f"on the {side}"), (f"{side}-hand", ""), ("", f"on the {side} side"))
        for side in ("left", "right")
    },
    "top": (("", "in the upper half of the picture"), ("", "in the upper part of the image")),
    "bottom": (("", "in the lower half of the picture"), ("", "in the lower part of the image")),
    "middle": (("", "in the middle"), ("middle", ""), ("", "in the centre")),
    **{
        f"{row} {side}": (
            (f"{row} {side}", ""),
            (f"{other} {side}", ""),
            ("", f"in the {row} left of the picture".replace("left", side)),
        )
        for row, other in (("top", "upper"), ("bottom", "lower"))
        for side in ("left", "right")
    },
}
_BARE_PLACES: Final[dict[str, tuple[Slots, ...]]] = {
    **{side: (("", f"on {side}"), ("", side), (side, "")) for side in ("left", "right")},
    "top": (("", "in upper half"),),
    "bottom": (("", "in lower half"),),
    "middle": (("", "in middle"), ("middle", "")),
    **{
        f"{row} {side}": (("", f"{row} {side}"), (f"{row} {side}", ""))
        for row in ("top", "bottom")
        for side in ("left", "right")
    },
}
_FIRST: Final[dict[str, tuple[Slots, ...]]] = {
    "left": (("leftmost", ""), ("", "furthest to the left"), ("first", "from the left")),
    "right": (("rightmost", ""), ("", "furthest to the right"), ("first", "from the right")),
    "top": (("", "highest up in the picture"), ("", "closest to the top of the picture")),
    "bottom": (("", "lowest in the picture"), ("", "closest to the bottom of the picture")),
    "near": (("", "closest to the camera"), ("closest", ""), ("", "nearest to the camera")),
    "far": (("", "farthest from the camera"), ("farthest", ""), ("", "furthest away")),
    "big": (("biggest", ""), ("largest", "")),
    "small": (("smallest", ""),),
    "tall": (("tallest", ""),),
}
_LATER: Final[dict[str, tuple[Slots, ...]]] = {
    "left": (("{}", "from the left"),),
    "right": (("{}", "from the right"),),
    "top": (("{}", "from the top of the picture"),),
    "bottom": (("{}", "from the bottom of the picture"),),
    "near": (("{} closest", ""), ("{} nearest", "")),
    "far": (("{} farthest", ""),),
    "big": (("{} biggest", ""), ("{} largest", "")),
    "small": (("{} smallest", ""),),
    "tall": (("{} tallest", ""),),
}
_COMMANDS: Final = (
    "pick up {}",
    "grab {}",
    "take {}",
    "give me {}",
    "pass me {}, please",
    "bring me {}",
    "please hand me {}",
    "could you give me {}, please?",
    "could you pick up {}?",
    "can you get {} for me?",
    "I need {}",
    "I would like {}, please",
    "show me {}",
    "point to {}",
    "find {}",
)
_QUESTIONS: Final = ("where is {}?", "where are {}?")


class Speaker:
    """Puts the forms of one scene into words.

    Args:
        present: categories in the scene, for names that could be mistaken.
        chance: what chooses among wordings; None for the plain one of each.
    """

    def __init__(self, present: Collection[str], chance: Chance | None = None) -> None:
        self._present = frozenset(present)
        self._chance = chance

    def phrase(self, form: NounPhrase) -> str:
        """The noun phrase: "the red mug to the left of the bowl"."""
        return self._phrase(form, bare=False)

    def sentence(self, form: NounPhrase) -> str:
        """What a person might say or type: a noun phrase, a bare one, a command or a question."""
        kind = self._among(("phrase", "bare", "bare", "command", "command", "command"))
        if kind == "bare":
            return self._phrase(form, bare=True)
        said = self._phrase(form, bare=False)
        if kind == "phrase":
            return said
        question = _QUESTIONS[form.count != 1]
        return self._among((*_COMMANDS, question, question)).format(said)

    def _among(self, options: Sequence[str]) -> str:
        return self._chance.pick(options) if self._chance else options[0]

    def _slots(self, options: Sequence[Slots], nested: bool) -> Slots:
        # "The cup on the book on the left": which of the two is on the left?
        options = (nested and [(pre, post) for pre, post in options if not post]) or options
        return self._chance.pick(options) if self._chance else options[0]

    def _phrase(self, form: NounPhrase, bare: bool, nested: bool = False) -> str:
        before, after = [], []
        for modifier in form.modifiers:
            pre, post = self._modifier(modifier, form, bare, nested)
            before.append(pre)
            after.append(post)
        words = (
            self._determiner(form, bare),
            *before,
            self._among(SIZE_WORDS[form.size]) if form.size else "",
            self._colour(form.colour),
            self._noun(form),
            *after,
        )
        return " ".join(word for word in words if word)

    def _determiner(self, form: NounPhrase, bare: bool) -> str:
        if form.count == 1:
            return "" if bare else "the"
        if form.count == 0:
            return self._among(("all", "") if bare else ("all the", "the", "all"))
        number = _NUMBERS[form.count]
        if bare:
            return number
        # "Both mugs on the left" could mean that there are but two.
        both = form.count == 2 and not form.modifiers
        return self._among((f"the {number}", "both", "both the") if both else (f"the {number}",))

    def _colour(self, colour: str) -> str:
        others = COLOUR_NAMES.get(colour, (colour,))
        return others[0] if self._chance and self._chance.happens(0.7) else self._among(others)

    def _noun(self, form: NounPhrase) -> str:
        names = safe_names(form.category, self._present) if form.category else GENERIC
        usual = self._chance is not None and bool(form.category) and self._chance.happens(0.6)
        name = names[0] if usual else self._among(names)
        return name if form.count == 1 else plural(name)

    def _modifier(self, part: Modifier, form: NounPhrase, bare: bool, nested: bool) -> Slots:
        if isinstance(part, Place):
            return self._slots((_BARE_PLACES if bare else _PLACES)[part.where], nested)
        if isinstance(part, Rank):
            pre, post = self._slots((_FIRST if part.rank == 1 else _LATER)[part.order], nested)
            return pre.format(_ORDINALS[part.rank]), post
        link = self._link(form, bare)
        if isinstance(part, OnTable):
            return "", f"{link}directly on the table"
        if isinstance(part, Between):
            first = self._phrase(part.first, bare, nested=True)
            second = self._phrase(part.second, bare, nested=True)
            return "", f"{link}{self._among(('between', 'in between'))} {first} and {second}"
        if isinstance(part, Not):
            return "", self._denied(part.of, form, bare)
        return "", link + self._related(part, bare)

    def _related(self, part: Relation, bare: bool) -> str:
        return self._among(_RELATIONS[part.kind]).format(
            self._phrase(part.anchor, bare, nested=True)
        )

    def _link(self, form: NounPhrase, bare: bool) -> str:
        """Sometimes "that is" before a place."""
        clause = self._chance is not None and not bare and self._chance.happens(0.2)
        return ("that is " if form.count == 1 else "that are ") if clause else ""

    def _denied(self, part: Colour | Relation, form: NounPhrase, bare: bool) -> str:
        single = form.count == 1
        verb = self._among(
            ("that is not", "that isn't", "which is not")
            if single
            else ("that are not", "that aren't", "which are not")
        )
        if isinstance(part, Colour):
            return f"{verb} {self._colour(part.colour)}"
        return f"{verb} {self._related(part, bare)}"
