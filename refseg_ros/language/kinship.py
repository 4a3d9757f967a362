# SPDX-License-Identifier: Apache-2.0
"""How near what a thing is named comes to what was said: the same, a kind of it, or wider.

A detector has its own few words: it says "person" of every man, "potted plant" of every plant
and "car" of what is called a vehicle. People choose the word, so names and words meet at the
same noun, a synonym, a compound of it, or a more general noun.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from refseg_ros.language.caption_names import Naming
from refseg_ros.language.expression import NounPhrase, ReferringExpression
from refseg_ros.language.lexicon import ADJECTIVES
from refseg_ros.language.synonyms import GROUP_OF
from refseg_ros.language.usable import MAX_DEPTH

SAME: Final = 1.0
"""Named as was said: "cup", "cups", "couch" for "sofa"."""
KIND_OF: Final = 0.8
"""Named by a kind of what was said: "wine glass" is a glass, "car" a vehicle."""
WIDER: Final = 0.5
"""Named by something more general, of which it may be: "person" may be a man."""
STRANGE: Final = 1e-6
"""Named by something else: it is not meant, however well all else that is said fits."""

_GENERAL: Final = (
    "person: man, woman, child, baby, boy, girl, player, rider, driver, skier, skater, surfer, "
    "cyclist, pedestrian, worker, chef, waiter, teacher, student, adult, teenager",
    "adult: man, woman",
    "child: boy, girl, baby",
    "animal: bird, cat, dog, horse, pony, sheep, lamb, cow, bull, calf, elephant, bear, zebra, "
    "giraffe, goat, pig, rabbit, mouse, monkey, lion, tiger, deer, fox, fish, turtle, frog, snake",
    "pet: cat, dog, rabbit, hamster",
    "bird: duck, chicken, goose, swan, pigeon, seagull, parrot, owl, eagle, penguin",
    "bear: teddy",
    "vehicle: car, truck, bus, van, motorcycle, bicycle, train, plane, ship, taxi, tram, tractor, "
    "scooter, helicopter",
    "car: taxi, suv, sedan, van, pickup",
    "food: fruit, vegetable, bread, cake, sandwich, pizza, hot dog, doughnut, cookie, cheese, "
    "meat, egg, rice, pasta, soup, salad",
    "fruit: apple, banana, orange, pear, peach, lemon, lime, grape, strawberry, mango, melon, "
    "pineapple, cherry",
    "vegetable: carrot, broccoli, tomato, potato, onion, pepper, cucumber, cabbage, lettuce",
    "furniture: chair, sofa, bed, table, desk, bench, shelf, cabinet, cupboard, stool, wardrobe, "
    "drawer, bookcase",
    "seat: chair, bench, stool, sofa",
    "container: box, bag, basket, jar, bottle, can, bucket, crate, bin, bowl, cup, mug, teapot",
    "crockery: plate, bowl, cup, mug, saucer, teapot",
    "dish: plate, bowl",
    "tableware: plate, bowl, cup, mug, glass, fork, knife, spoon",
    "cutlery: fork, knife, spoon",
    "utensil: fork, knife, spoon, ladle, spatula, whisk",
    "bag: handbag, backpack, suitcase, purse, rucksack",
    "luggage: suitcase, backpack, bag",
    "appliance: microwave, oven, stove, toaster, fridge, dishwasher, kettle",
    "device: phone, laptop, tablet, remote, keyboard, mouse, tv, monitor, camera",
    "screen: tv, monitor, laptop",
    "computer: laptop",
    "toy: teddy, doll, kite, cube, puzzle, ball, brick",
    "tool: hammer, screwdriver, wrench, pliers, saw, drill, scissors",
    "clothing: shirt, coat, jacket, trousers, dress, skirt, hat, cap, shoe, sock, glove, scarf, "
    "tie, sweater",
    "plant: flower, tree, bush, cactus, fern",
)  # fmt: skip

_PARENTS: Final[dict[str, set[str]]] = {}
for _line in _GENERAL:
    _parent, _members = _line.split(": ")
    for _member in _members.split(", "):
        _PARENTS.setdefault(_member, set()).add(GROUP_OF.get(_parent, _parent))


def has_kinds(noun: str) -> bool:
    """Whether our own table has kinds of what a noun names."""
    return any(GROUP_OF.get(noun, noun) in parents for parents in _PARENTS.values())


def is_placed(noun: str) -> bool:
    """Whether our own table says what a noun names is a kind of."""
    return GROUP_OF.get(noun, noun) in _PARENTS


def kinship(name: Naming, said: Naming) -> float:
    """How near a name comes to what was said, by its kind and colours.

    Args:
        name: What a thing is named.
        said: What was said.

    Returns:
        :data:`SAME`, :data:`KIND_OF`, :data:`WIDER` or :data:`STRANGE`; the last also if both
        tell a colour and it is another. Where no kind is said, any name will do.
    """
    if name.colours and said.colours and not name.colours & said.colours:
        return STRANGE
    return _of_kinds(name, said) if said.kinds else SAME


def _of_kinds(name: Naming, said: Naming) -> float:
    mine, theirs = _compound(name.phrase), _compound(said.phrase)
    # "hot dog" is no dog.
    alike = mine == theirs if mine or theirs else name.phrase.head == said.phrase.head
    alike = alike or bool(name.kinds & said.kinds and not (mine or theirs))
    if alike:
        read = _qualities if name.kinds == said.kinds else _all_qualities
        extra, wanted = read(name.phrase), read(said.phrase)
        if extra == wanted:
            return SAME
        return KIND_OF if wanted <= extra else WIDER
    if said.kinds & _ancestors({mine, *name.kinds}):
        return KIND_OF
    return WIDER if name.kinds & _ancestors({theirs, *said.kinds}) else STRANGE


def _pair(phrase: NounPhrase) -> str:
    """Head and the word before it; the head alone where it comes first."""
    return " ".join([*phrase.text.split()[:-1][-1:], phrase.head])


def _compound(phrase: NounPhrase) -> str:
    """Two words that are a kind of their own, "hot dog"; else ""."""
    pair = _pair(phrase)
    return pair if " " in pair and pair in _PARENTS else ""


def _all_qualities(phrase: NounPhrase) -> set[str]:
    """What qualifies the head: "folding" of a chair, "teddy" of a bear."""
    return set(phrase.qualities)


def _qualities(phrase: NounPhrase) -> set[str]:
    """What qualifies the kind: "folding" of a chair, nothing of a remote control."""
    pair = _pair(phrase)
    whole = pair.split() if pair in GROUP_OF or pair in _PARENTS else ()
    return set(phrase.qualities).difference(whole)


def _ancestors(kinds: set[str]) -> set[str]:
    found: set[str] = set()
    rest = set(kinds)
    while rest:
        rest = set[str]().union(*(_PARENTS.get(kind, set()) for kind in rest)) - found
        found |= rest
    return found


def known_nouns(expression: ReferringExpression, names: Sequence[Naming]) -> frozenset[str]:
    """Those nouns of a sentence that some name may stand for.

    Args:
        expression: What was said.
        names: The names of all things that are seen.
    """
    phrases = [replace(item, colours=()) for item in phrases_in(expression.target) if item.head]
    phrases += [NounPhrase(word, word) for word in expression.content_words]
    return frozenset(
        phrase.head
        for phrase in phrases
        if any(kinship(name, Naming.of_phrase(phrase)) > STRANGE for name in names)
    )


def noun_of(phrase: NounPhrase) -> str:
    """The noun that a detector is asked for: "traffic light", "mug" of a shiny red mug.

    "" if it names no kind of thing.
    """
    pair = _pair(phrase)
    first = pair.split()[0] if phrase.head else ""
    whole = pair in GROUP_OF or pair in _PARENTS
    noun = first in phrase.qualities and first not in ADJECTIVES
    return pair if phrase.head and (whole or noun) else phrase.head


def doubtful_nouns(
    expression: ReferringExpression, asked: Mapping[str, float], least: float
) -> frozenset[str]:
    """Heads of a sentence that a detector was not asked for, or is not sure to be absent.

    Args:
        expression: What was said.
        asked: Nouns that it was asked for, and how surely the image shows each.
        least: How sure it is from which one may be there.
    """
    phrases = (alone for item in phrases_in(expression.target) for alone in item.alternatives)
    return frozenset(
        item.head for item in phrases if item.head and asked.get(noun_of(item), 1.0) >= least
    )


def with_seen_supports(phrase: NounPhrase, known: Collection[str]) -> NounPhrase:
    """A phrase whose table is a thing like others where some thing has that name.

    Args:
        phrase: "cup on the table".
        known: Nouns that some name may stand for.
    """
    relations = tuple(
        replace(
            relation,
            on_support=relation.on_support and relation.head not in known,
            landmarks=tuple(with_seen_supports(item, known) for item in relation.landmarks),
        )
        for relation in phrase.relations
    )
    excluded = tuple(with_seen_supports(item, known) for item in phrase.excluded)
    return replace(phrase, relations=relations, excluded=excluded)


def phrases_in(phrase: NounPhrase, depth: int = 0) -> Iterator[NounPhrase]:
    """A phrase and all phrases in it."""
    yield phrase
    if depth <= MAX_DEPTH:
        related = [item for relation in phrase.relations for item in relation.landmarks]
        for inner in (*related, *phrase.excluded):
            yield from phrases_in(inner, depth + 1)
