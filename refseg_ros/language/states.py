# SPDX-License-Identifier: Apache-2.0
"""What a thing does and what was done to it: verbs after a noun, told by their forms.

"the plate covered with foil", "the dog chasing a ball", "the lady who waves": such words name no
thing and no place. Each stretch becomes one item, a ``STATE``, which is matched by looks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from refseg_ros.language import lexicon
from refseg_ros.language.expression import RelationKind
from refseg_ros.language.finite_verbs import is_posture, is_predicate, relation_said
from refseg_ros.language.grammar import Item, Kind
from refseg_ros.language.nouns import parse_phrase
from refseg_ros.language.regrouping import regrouped
from refseg_ros.language.verb_forms import is_past, is_present
from refseg_ros.language.wearing import is_colour, is_worn

_HANDLED: Final = lexicon.word_set(
    "held carried worn ridden driven used pulled pushed led walked flown gripped grasped "
    "occupied clutched lifted hugged"
)
"""Participles before "by" that say in whose hands, or on whose body, a thing is."""
_ORIENTED: Final = lexicon.word_set(
    "facing looking turned turning pointing pointed leaning heading going moving walking running "
    "travelling traveling driving tilted angled swinging"
)
"""Verbs after which a bare position says which way, not where: "the duck facing left"."""
_AIMED: Final = lexicon.word_set(
    "looking staring smiling pointing gazing glancing waving aiming barking laughing peeking"
)
"""Verbs whose "at" names what they are directed at."""
_NAMING: Final = lexicon.word_set("called named labelled labeled titled marked")
"""Participles that a name follows."""
_ADVERBS: Final = lexicon.word_set(
    "outside outdoors indoors alone together upright straight sideways apart upside-down "
    "asleep awake ajar afloat alive ready able"
)
"""How something is, said after its noun."""
_CONJUNCTIONS: Final = lexicon.word_set("while as when because since so if although whereas")
_DEGREES: Final = lexicon.word_set("very so too quite")
_MODALS: Final = lexicon.word_set("might may shall")
_REREAD: Final = _MODALS | lexicon.word_set("along alongside ahead aside couple")
_POSTURES: Final = lexicon.word_set(
    "sitting standing lying laying hanging leaning seated sits stands lies"
)
_PIECES: Final = lexicon.word_set("half halves pieces slices two")
_UPRIGHT: Final = lexicon.word_set("up down out over forward back")
_SUBJECTS: Final = (Kind.ARTICLE, Kind.PRONOUN)
_SPEAKERS: Final = ("i", "you", "we")
_ENDS: Final = (None, Kind.COMMA, Kind.AND, Kind.LINK, Kind.NEGATION)


def with_states(
    items: Sequence[Item], tokens: Sequence[str], owners: Collection[str] = ()
) -> list[Item]:
    """The items of a clause with what verbs say as ``STATE``.

    Args:
        items: The items that :func:`refseg_ros.language.grammar.scan` found in the clause.
        tokens: The clause's tokens.
        owners: Words that were said in the possessive: in "the girl's red hat" the hat is meant.
    """
    return _Marker(items, tokens, owners).marked()


class _Marker:
    """Walks along the items; ``done`` are those before the current one."""

    def __init__(
        self, items: Sequence[Item], tokens: Sequence[str], owners: Collection[str]
    ) -> None:
        self.items = regrouped(items, tokens)
        self.tokens, self.owners = tokens, owners
        self.done: list[Item] = []

    def marked(self) -> list[Item]:
        index = 0
        while index < len(self.items):
            self._put_in_order(index)
            self._place_among(index)
            stop = self._state_at(index)
            if stop > index:
                first, last = self.items[index], self.items[stop - 1]
                self.done.append(Item(Kind.STATE, first.start, last.stop, first.word))
                index = stop
            else:
                index = self._other(index)
        return self.done

    def _other(self, index: int) -> int:
        """Take in an item that begins no state; how far that went."""
        item = self.items[index]
        if stop := self._held_by(index):
            return stop
        following = self.items[index + 1] if index + 1 < len(self.items) else None
        if item.kind is Kind.WORD and is_predicate(self.done, item.word, following):
            said = relation_said(item.word)  # "a jug holds milk"
            kind = Kind.LINK if said is None else Kind.RELATION
            item = replace(item, kind=kind, relation=said)
        if item.kind in (Kind.WORD, Kind.NUMBER) and item.word in _REREAD:
            item = self._reread(index)
        before = self._before()
        if self._is_perfect(index):
            item = replace(item, kind=Kind.LINK)
        bare = item.kind is Kind.LINK and (is_present(item.word) or is_past(item.word))
        opens = before in (Kind.ARTICLE, Kind.ORDINAL, Kind.NUMBER)
        if bare and opens and self._kind(index + 1) is Kind.WORD:
            item = replace(item, kind=Kind.WORD)  # "the standing lamp"
        elif self._is_body_back(index):
            item = replace(item, kind=Kind.WORD)
        elif self._juxtaposed(index):
            link = Item(Kind.RELATION, item.start, item.start, "with", relation=RelationKind.WITH)
            self.done.append(link)
        self.done.append(item)
        return index + 1

    def _reread(self, index: int) -> Item:
        """A word that is another part of speech here: "along the wall", "the couple in front"."""
        item, following = self.items[index], self._kind(index + 1)
        named = following in (Kind.ARTICLE, Kind.WORD)
        if item.word in ("along", "alongside") and named:
            return replace(item, kind=Kind.RELATION, relation=RelationKind.NEXT_TO)
        if item.word in ("ahead", "aside") and self._after_noun():
            return replace(item, kind=Kind.LINK)
        if item.word in _MODALS and self._after_noun() and following is Kind.WORD:
            return replace(item, kind=Kind.LINK)
        if item.word == "couple" and following not in (Kind.WORD, Kind.OF):
            return replace(item, kind=Kind.WORD)
        return item

    def _put_in_order(self, index: int) -> None:
        """In "shirtless left man" the position before the noun is told from one after it."""
        first, place = self.items[index : index + 1], self.items[index + 1 : index + 2]
        if not place or first[0].kind is not Kind.WORD or not place[0].prenominal:
            return
        if lexicon.sounds_adjectival(first[0].word) and self._kind(index + 2) is Kind.WORD:
            self.items[index : index + 2] = [*place, *first]

    def _place_among(self, index: int) -> None:
        """Make "in the back of the group" a place, for it is one of those that are there."""
        item = self.items[index]
        inside = item.kind is Kind.RELATION and self.tokens[item.start] in ("in", "at")
        said = [word for word in self.tokens[item.start : item.stop] if word != "the"]
        side = lexicon.DIRECTION_WORDS.get(said[1]) if len(said) == 3 else None
        if not inside or side is None or said[2] != "of":
            return
        stop = parse_phrase(self.items, index + 1)[1]
        if stop > index + 1 and self._word(stop - 1) in lexicon.CROWDS:
            last = self.items[stop - 1].stop
            place = Item(Kind.DIRECTION, item.start, last, item.word, (side,))
            self.items[index:stop] = [place]

    def _is_perfect(self, index: int) -> bool:
        """Whether "has" helps a verb ("the car has passed") and says nothing of having."""
        has = self.items[index].kind is Kind.RELATION and self._word(index) in ("has", "have")
        return has and is_past(self._word(index + 1)) and self._kind(index + 2) is not Kind.WORD

    def _is_body_back(self, index: int) -> bool:
        """Whether "back" is a part of the body: "with their back turned"."""
        item = self.items[index]
        lone = item.kind is Kind.DIRECTION and item.stop == item.start + 1
        if not lone or item.word != "back":
            return False
        owner = self.done[-1].word if self._before() is Kind.WORD else ""
        owned = owner in self.owners or owner.endswith("s")
        if owned and lexicon.is_animate(owner):
            # "the sticker on the boys back", which lacks an apostrophe
            return any(before.kind is Kind.RELATION for before in self.done[-3:])
        return any(before.relation is RelationKind.WITH for before in self.done[-2:])

    def _kind(self, index: int) -> Kind | None:
        return self.items[index].kind if index < len(self.items) else None

    def _word(self, index: int) -> str:
        return self.items[index].word if index < len(self.items) else ""

    def _before(self) -> Kind | None:
        return self.done[-1].kind if self.done else None

    def _after_noun(self) -> bool:
        """Whether a noun, or what stands for one, is right before."""
        if not self.done:
            return False
        last = self.done[-1]
        if last.kind in (Kind.DIRECTION, Kind.STATE, Kind.PRONOUN):
            return True
        return last.kind is Kind.WORD and last.word not in lexicon.ADJECTIVES

    def _state_at(self, index: int) -> int:
        """Where the state ends that begins at an item; the item itself if none does."""
        item = self.items[index]
        word, following = item.word, self._kind(index + 1)
        denied = self._before() is Kind.NEGATION and self.done[-1].word != "no"
        linked = denied or self._before() is Kind.LINK
        if word.startswith('"'):
            return index + 1 if self.done else index
        if item.kind is Kind.RELATION and is_present(word) and item.stop == item.start + 1:
            # "holding out a hand"
            return self._end(index + 1) if following is Kind.PREPOSITION else index
        if word in _POSTURES and item.kind is Kind.LINK:
            alone = following in (None, Kind.COMMA, Kind.AND)
            upright = self._word(index + 1) in _UPRIGHT
            if upright and self._kind(index + 2) in (*_ENDS, Kind.RELATION):
                return index + 2  # "leaning over beside the stove"
            return index + 1 if alone and (self._after_noun() or linked) else index
        if item.kind not in (Kind.WORD, Kind.PREPOSITION, Kind.DIRECTION):
            return index
        after = self._after_noun()
        if word == "left" and item.kind is Kind.DIRECTION and item.stop == item.start + 1:
            state = self._word(index + 1) in _LEFT_SO and after  # "the drawer left open"
            return self._end(index + 1) if state else index
        if is_present(word) and item.kind is not Kind.DIRECTION:
            comma = self._before() in (Kind.COMMA, Kind.AND) and len(self.done) > 1
            heads = comma and following in (*_SUBJECTS, Kind.RELATION)
            named = following is Kind.WORD and self._word(index + 1) not in lexicon.GARMENTS
            heads = heads or (named and self._goes_on())
            dressed = self._before() is Kind.WORD and self.done[-1].word in lexicon.COLOURS
            heads = heads or (dressed and following is not Kind.WORD)  # "in red running"
            return self._end(index + 1) if after or linked or heads else index
        if word == "about" and after and self._word(index + 1) == "to":
            return self._end(index)
        if item.kind is not Kind.WORD:
            return index
        if word.endswith("ly") and (after or linked) and following is Kind.WORD:
            verb = self._word(index + 1)
            return self._end(index + 2) if is_past(verb) or is_present(verb) else index
        if self._word(index + 1).startswith('"') and word in lexicon.SAYING:
            return index + 2
        if word in _ADVERBS and (after or linked) and following is not Kind.WORD:
            return self._end(index + 1) if following is Kind.PREPOSITION else index + 1
        ends = following is not Kind.WORD or self._word(index + 1) in _CONJUNCTIONS | _DEGREES
        passive = (
            self.done[-1:] and self.done[-1].word == "being" and self._word(index + 1) == "by"
        )
        if passive or (is_past(word) and (linked or (after and ends))):  # "being pet by a girl"
            return self._end(index + 1)
        if word in _NAMING and after:
            return self._end(index + 1)
        return self._end(index + 1) if self._is_finite(index) else index

    def _goes_on(self) -> bool:
        """Whether "and" stands after a landmark of somebody: "at the door and eating cake"."""
        joined = len(self.done) > 1 and self._before() is Kind.AND
        noun = joined and self.done[-2].kind is Kind.WORD
        first = next((item.word for item in self.done if item.kind is Kind.WORD), "")
        related = any(item.kind in (Kind.RELATION, Kind.LINK) for item in self.done)
        return noun and related and lexicon.is_animate(first)

    def _is_finite(self, index: int) -> bool:
        """Whether a word is a verb with its object after its subject: "the lady feeds the dog"."""
        before = self.done[-1] if self.done else None
        if before is None or self._word(index) in lexicon.ADJECTIVES:
            return False
        word, after = self._word(index), self.items[index + 1 : index + 2]
        if after and is_predicate(self.done, word, after[0]):
            return not is_posture(word) and relation_said(word) is None
        if before.kind is Kind.LINK and before.word == "who":
            return True
        if not self._after_noun() or before.kind is not Kind.WORD:
            return False
        word, following = self._word(index), self._kind(index + 1)
        if following in _SUBJECTS and self._word(index + 1) not in lexicon.VIEWER:
            # "the dining table the cup is on" has a clause of its own after the second noun.
            clause = parse_phrase(self.items, index + 1)[1]
            return self._kind(clause) is not Kind.LINK
        acts = lexicon.is_animate(before.word) and word.endswith("s") and not word.endswith("ss")
        return acts and following is Kind.WORD and word not in lexicon.GARMENTS

    def _end(self, index: int) -> int:
        """Where a state ends whose verb is before ``index``."""
        verb = self.items[index - 1].word
        if self._kind(index) is Kind.DIRECTION and verb in _ORIENTED:
            at = self.tokens[self.items[index].start]
            if self.items[index].prenominal or at in lexicon.GOALS:
                index += 1
        elif self._kind(index) is Kind.RELATION and self._is_aimed(index, verb):
            return self._after_phrase(index + 1)
        takes = is_present(verb) or not is_past(verb) or verb in _NAMING
        if takes and self._kind(index) in (Kind.ARTICLE, Kind.WORD, Kind.NUMBER, Kind.PRONOUN):
            index = self._dressed(self._after_phrase(index))
        while index < len(self.items):
            kind, word = self._kind(index), self._word(index)
            if word in _CONJUNCTIONS and kind in (Kind.WORD, Kind.PREPOSITION):
                return self._comma(index)
            if kind is Kind.STATE or (kind is Kind.WORD and word.startswith('"')):
                index += 1
            elif kind in (Kind.PREPOSITION, Kind.OF) or self._takes_landmark(index):
                index = self._after_phrase(index + 1)
            elif kind is Kind.RELATION and self._is_loose(index, takes):
                index += 1
            elif kind is Kind.WORD and is_present(word):
                return self._end(index + 1)  # "looking down reading a book"
            elif kind is Kind.WORD and (is_past(word) or word in _LEFT_SO):
                index += 1
            elif kind is Kind.WORD and word in _DEGREES and self._kind(index + 1) is Kind.WORD:
                index += 2  # "held very high"
            else:
                break
        return index

    def _dressed(self, index: int) -> int:
        """Where an object ends with what it has on: "the horse pulling the man in red"."""
        here = self._kind(index) is Kind.RELATION and self._word(index) == "in"
        if not here or not lexicon.is_animate(self._word(index - 1)):
            return index
        phrase, stop = parse_phrase(self.items, index + 1)
        return stop if is_worn(phrase) or is_colour(phrase) else index

    def _takes_landmark(self, index: int) -> bool:
        """Whether a relation and what follows belong to the verb: "cut in half"."""
        item = self.items[index]
        if item.kind is not Kind.RELATION:
            return False
        in_pieces = item.stop == item.start + 1 and self._word(index + 1) in _PIECES
        # "not playing with a ball": that is denied too.
        return in_pieces or (self._before() is Kind.NEGATION and item.word == "with")

    def _is_loose(self, index: int, takes: bool) -> bool:
        """Whether a relation has no landmark but belongs to its verb: "bent over"."""
        ends = self._kind(index + 1)
        bends = self._word(index) == "over" and ends is Kind.PREPOSITION  # "bends over to drink"
        return (ends in _ENDS and not takes) or bends

    def _is_aimed(self, index: int, verb: str) -> bool:
        return self.tokens[self.items[index].start] == "at" and verb in _AIMED

    def _after_phrase(self, index: int) -> int:
        """Where a noun phrase or an infinitive with its object ends that begins here."""
        if self._kind(index) is Kind.PRONOUN:
            return index + 1
        if self._word(index) in _CONJUNCTIONS:
            return index
        stop = parse_phrase(self.items, index)[1]
        before = self._word(index - 1)
        if before == "to" and self._kind(stop) in (Kind.ARTICLE, Kind.PRONOUN):
            return self._after_phrase(stop)  # "to cut the bread"
        return max(stop, index)

    def _comma(self, index: int) -> int:
        while index < len(self.items) and self.items[index].kind is not Kind.COMMA:
            index += 1
        return index

    def _held_by(self, index: int) -> int:
        """Take in "by the man" after "held" as a relation, or "the man holds" as the same."""
        item, last = self.items[index], self.done[-1] if self.done else None
        if last is None:
            return 0
        if number := self._number_on(index):
            return number
        by = self.tokens[item.start] == "by" and item.kind is Kind.RELATION
        if by and last.kind is Kind.STATE:
            handled = self.tokens[last.stop - 1] in _HANDLED
            if handled:
                if last.stop == last.start + 1:
                    self.done.pop()
                self.done.append(replace(item, relation=RelationKind.HELD_BY))
                return index + 1
            stop = self._dressed(self._after_phrase(index + 1))  # "surrounded by trees"
            self.done[-1] = replace(last, stop=self.items[stop - 1].stop)
            return stop
        relative = last.kind is Kind.LINK and last.word in ("that", "which", "who")
        noun = last.kind is Kind.WORD and self._after_noun()
        if item.kind not in _SUBJECTS or not (noun or relative):
            return 0
        stop = parse_phrase(self.items, index)[1] if item.kind is Kind.ARTICLE else index + 1
        verb, denied = stop, False
        while self._kind(verb) in (Kind.LINK, Kind.NEGATION):
            denied, verb = denied or self._kind(verb) is Kind.NEGATION, verb + 1
        word = self._word(verb)
        if verb == stop:
            return 0
        said = RelationKind.HELD_BY if word in _HOLDING else None
        stranded = self.items[verb].relation if verb < len(self.items) else None
        if denied and said is None and stranded is not None:
            said = lexicon.CONVERSE.get(stranded)  # "the cat is not sitting on"
        if said is not None and self._kind(verb + 1) in _ENDS:
            at = item.start
            self.done += [Item(Kind.NEGATION, at, at, "not")] * denied
            self.done.append(Item(Kind.RELATION, at, at, "by", relation=said))
            self.done += self.items[index:stop]
            return verb + 1
        if denied or not is_present(word) or self._kind(verb) in (Kind.LINK, Kind.RELATION):
            return 0
        end = self._end(verb + 1)
        # What "i am waiting for" shows in no picture.
        kind = Kind.LINK if item.word in _SPEAKERS else Kind.STATE
        self.done.append(Item(kind, item.start, self.items[end - 1].stop, item.word))
        return end

    def _number_on(self, index: int) -> int:
        """Take in a number that is on a thing, and no rank: "player number 5", "with number 5"."""
        item, last = self.items[index], self.done[-1]
        if item.word.isdigit() and last.kind is Kind.WORD and self._after_noun():
            if self._kind(index + 1) in (Kind.WORD, Kind.ORDINAL):
                return 0
            self.done.append(replace(item, kind=Kind.STATE))  # "the bus 5"
            return index + 1
        if item.kind is not Kind.ORDINAL or item.word != "number":
            return 0
        # "in jersey number 43", "bus number 105"; "cup number 3" is the third.
        called = item.rank > _MOST_RANKED or last.word in lexicon.GARMENTS
        called = called or lexicon.is_animate(last.word)
        if called and last.kind is Kind.WORD and self._after_noun():
            self.done.append(Item(Kind.STATE, item.start, item.stop, item.word))
        elif item.rank > _MOST_RANKED or any(
            before.relation is RelationKind.WITH for before in self.done[-2:]
        ):
            words = range(item.start, item.stop)
            self.done += [Item(Kind.WORD, at, at + 1, self.tokens[at]) for at in words]
        else:
            return 0
        return index + 1

    def _juxtaposed(self, index: int) -> bool:
        """Whether what a thing has begins here, without a word between.

        "Man red shirt", "jar red lid"; in "sky blue jar" a noun tells the shade.
        """
        last = self.done[-1] if self.done else None
        if last is None or last.kind is not Kind.WORD or not self._after_noun():
            return False
        stop = index
        while self._word(stop) in lexicon.PURE_ADJECTIVES and self._kind(stop) is Kind.WORD:
            stop += 1
        coloured = any(self._word(i) in lexicon.COLOURS for i in range(index, stop))
        named = self._kind(stop) is Kind.WORD and self._word(stop) not in lexicon.ADJECTIVES
        single = not last.word.endswith("s")  # "girls hat" lacks an apostrophe
        worn = coloured or (single and self._word(stop) in lexicon.GARMENTS)
        if last.word in self.owners or not named:
            return False
        words = [self._word(i) for i in range(index, stop)]
        shade = (last.word, words[0] if words else "") in lexicon.SHADES
        part = not (shade or lexicon.PURE_COLOURS.isdisjoint(words))
        part = part and self._word(stop) not in lexicon.HAVING_PARTS
        has_part = last.word in lexicon.HAVING_PARTS and part
        return (worn and lexicon.is_animate(last.word)) or has_part


_LEFT_SO: Final = lexicon.word_set("open out on alone unattended ajar closed empty over up")
"""What things are left, and how they stand after other verbs."""
_MOST_RANKED: Final = max(lexicon.NUMBERS.values())
"""The greatest number that is taken for a rank."""
_HOLDING: Final = lexicon.word_set(
    "holding carrying wearing riding using pulling pushing driving holds carries wears rides"
)
