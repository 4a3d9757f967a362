# SPDX-License-Identifier: Apache-2.0
"""The parser on the wordings of the tabletop benchmark, whose logical forms say what they mean."""

from __future__ import annotations

import itertools
import json

import pytest

from refseg_lab.simulation import forms
from refseg_lab.simulation.benchmark import SLICE_FOLDER
from refseg_lab.simulation.catalogue import COLOURS, NAMED
from refseg_lab.simulation.chance import Chance
from refseg_lab.simulation.expressions import Referral
from refseg_lab.simulation.phrasing import Speaker
from refseg_lab.simulation.thing_names import COLOUR_NAMES, GENERIC, NAMES
from refseg_ros.language import Measure, NounPhrase, parse

ORDERS = {
    "near": (Measure.NEARNESS, True),
    "far": (Measure.NEARNESS, False),
    "big": (Measure.SIZE, True),
    "small": (Measure.SIZE, False),
    "tall": (Measure.HEIGHT, True),
}


def misread(form: forms.NounPhrase, phrase: NounPhrase) -> list[str]:
    """What a parsed phrase has otherwise than the form that it was worded from."""
    heads = {name.split()[-1] for name in NAMES[form.category]} if form.category else {""}
    colours = {(name,) for name in COLOUR_NAMES.get(form.colour, (form.colour,)) if name}
    sizes = {"big": ("big", "large"), "small": ("small", "little")}.get(form.size, ())
    wrong = [] if phrase.head in heads else ["head"]
    if phrase.colours not in (colours or {()}):
        wrong.append("colours")
    if phrase.sizes not in ({(size,) for size in sizes} or {()}):
        wrong.append("sizes")
    if phrase.is_plural != (form.count != 1) or (phrase.count or 0) not in (0, form.count):
        wrong.append("count")
    if form.count > 1 and phrase.count != form.count:
        wrong.append("number")
    said = [phrase.relations, phrase.excluded, phrase.directions, phrase.superlatives]
    expected = [0, 0, 0, 0]
    for part in form.modifiers:
        slots, right = _holds(part, phrase)
        expected = [count + slot for count, slot in zip(expected, slots, strict=True)]
        if not right:
            wrong.append(type(part).__name__)
    if [len(item) for item in said] != expected:
        wrong.append("modifiers")
    return wrong


def _holds(part: forms.Modifier, phrase: NounPhrase) -> tuple[tuple[int, int, int, int], bool]:
    """How many relations, exclusions, directions, superlatives a modifier makes; is it there."""
    if isinstance(part, forms.Place):
        where = tuple(part.where.split())
        plain = tuple(item.value for item in phrase.directions) == where and not phrase.extremes
        return (0, 0, len(where), 0), plain
    if isinstance(part, forms.Rank) and part.order in ORDERS:
        found = {(item.measure, item.most, item.rank) for item in phrase.superlatives}
        return (0, 0, 0, 1), (*ORDERS[part.order], part.rank) in found
    if isinstance(part, forms.Rank):
        return (0, 0, 1, 0), _ranks(part, phrase)
    if isinstance(part, forms.Not):
        return (0, 1, 0, 0), bool(phrase.excluded) and _denies(part.of, phrase.excluded[0])
    return (1, 0, 0, 0), _relates(part, phrase)


def _ranks(part: forms.Rank, phrase: NounPhrase) -> bool:
    if [item.value for item in phrase.directions] != [part.order]:
        return False
    if part.rank == 1 and phrase.ordinal is None:
        return phrase.extremes == phrase.directions
    return phrase.ordinal == part.rank and phrase.ordinal_from == phrase.directions


def _denies(part: forms.Colour | forms.Relation, phrase: NounPhrase) -> bool:
    if isinstance(part, forms.Colour):
        return phrase.colours[:1] in {
            (name,) for name in COLOUR_NAMES.get(part.colour, (part.colour,))
        }
    return _relates(part, phrase)


def _relates(
    part: forms.Relation | forms.Between | forms.OnTable | object, phrase: NounPhrase
) -> bool:
    if not phrase.relations:
        return False
    relation = phrase.relations[0]
    if isinstance(part, forms.OnTable):
        return relation.on_support
    if isinstance(part, forms.Between):
        anchors = [part.first, part.second]
        kind = "between"
    else:
        assert isinstance(part, forms.Relation)
        anchors, kind = [part.anchor], part.kind
    same = relation.kind.value == kind and not relation.extreme
    pairs = zip(anchors, relation.landmarks, strict=False)
    return (
        same
        and len(anchors) == len(relation.landmarks)
        and not any(misread(anchor, landmark) for anchor, landmark in pairs)
    )


ANCHORS = (
    forms.NounPhrase("bowl"),
    forms.NounPhrase("", "blue"),
    forms.NounPhrase("tray", "red", "big"),
    forms.NounPhrase("book", modifiers=(forms.Rank("left"),)),
    forms.NounPhrase("brick", modifiers=(forms.Rank("right"),)),
)


def _modifiers() -> list[tuple[forms.Modifier, ...]]:
    places = [forms.Place(where) for where in forms.PLACES]
    ranks = [forms.Rank(order, rank) for order in forms.ORDERS for rank in (1, 2, 3)]
    relations = [forms.Relation(kind, anchor) for kind in forms.RELATIONS for anchor in ANCHORS]
    betweens = [forms.Between(*pair) for pair in itertools.permutations(ANCHORS, 2)]
    denials = [forms.Not(forms.Colour("purple")), *(forms.Not(item) for item in relations)]
    parts = [*places, *ranks, *relations, *betweens, forms.OnTable(), *denials]
    return [(), *((part,) for part in parts)]


@pytest.mark.parametrize("style", ["phrase", "plain", "sentence"])
def test_every_wording_of_the_benchmark_is_read_as_its_form(style: str) -> None:
    wrong, heads = [], itertools.cycle((*itertools.product(NAMED, COLOURS), ("", "red"), ("", "")))
    for seed, modifiers in enumerate(_modifiers() * 8):
        category, colour = next(heads)
        count = (1, 1, 1, 1, 0, 2, 3)[seed % 7]
        size = ("", "", "big", "small")[seed % 4] if not modifiers else ""
        form = forms.NounPhrase(category, colour, size, modifiers, count)
        speaker = Speaker((), None if style == "plain" else Chance(seed))
        text = speaker.sentence(form) if style == "sentence" else speaker.phrase(form)
        expression = parse(text)
        found = misread(form, expression.target)
        if found or expression.unread:
            wrong.append((text, found, expression.unread))
    assert wrong == []


def test_generic_nouns_of_the_benchmark_name_no_kind() -> None:
    assert [parse(f"the {name}").head for name in GENERIC] == ["", "", ""]


def test_the_bundled_expressions_are_read_as_their_forms() -> None:
    lines = (SLICE_FOLDER / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    referrals = [
        Referral.from_dict(item) for line in lines for item in json.loads(line)["referrals"]
    ]
    assert len(referrals) > 300
    for referral in referrals:
        expression = parse(referral.expression)
        assert misread(referral.form, expression.target) == [], referral.expression
        assert expression.unread == (), referral.expression
