# SPDX-License-Identifier: Apache-2.0
"""Requests that say which thing is meant by what is to be done about it.

In "park behind the van", "stay close to the wall", "i am looking at the cup" and "wait until the
dog has passed" the thing comes after a verb, its particles and the words that join it: the first
noun phrase that names a thing is meant, and not the free space ("the lane", "a place to park")
that a robot moves in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from refseg_ros.language import lexicon
from refseg_ros.language.commands import lead_in
from refseg_ros.language.finite_verbs import is_predicate
from refseg_ros.language.grammar import Kind, scan
from refseg_ros.language.nouns import parse_phrase
from refseg_ros.language.tokens import COMMA, lemma
from refseg_ros.language.verb_forms import is_past, is_present

MOTIONS: Final = lexicon.word_set(
    "drive navigate go come walk head move proceed travel roll ride approach get stay keep park "
    "stop halt pause wait pull turn merge steer swerve slow speed accelerate brake yield "
    "reverse continue switch change catch overtake follow avoid enter exit leave cross honk creep "
    "cruise hurry hover land dock reach drop make give let find look watch check be do pass run "
    "see want need try help seem squeeze tail pursue circle cut decrease reduce increase "
    "maintain ignore beware guide escort say talk speak meet"
)
"""Verbs of going somewhere, keeping off, waiting and minding."""
_HANDLES: Final = lexicon.word_set(
    "move pull drop give find pass get look check leave let do be see want need try help seem"
)
"""Those that are read so only where no thing follows at once: "pull over", but "pull the lid"."""
_NOUNS_TOO: Final = lexicon.word_set(
    "park stop turn drive walk head land pass back speed brake switch change watch dock tail roll "
    "ride cut run check circle cruise exit cross pause halt"
)
"""Nouns as well: "stop sign", "drive shaft"."""
_PARTICLES: Final = lexicon.word_set(
    "up down over out off away around back ahead along across through into onto in on to toward "
    "towards at by near behind beside between for from past after before until till when where "
    "while and so then left right forward forwards backward backwards straight closer close next "
    "here there slowly aside alongside with under with via as if once well far further faster "
    "slow slower just besides careful aware sure ready me us going it that this the a an your my "
    "parallel"
)
_SEEMING: Final = lexicon.word_set("looks seems guess")
_OPENERS: Final = lexicon.word_set("just then so now and ok okay better parallel")
_ANEW: Final = lexicon.word_set("continue proceed")
"""Verbs that are never nouns, and begin anew without a comma."""
_SPEAKERS: Final = lexicon.word_set("i you we they he she")
_AUXILIARIES: Final = lexicon.word_set(
    "do did does have has had can could would will should am are"
)
_SUBORDINATES: Final = lexicon.word_set(
    "when where while once if after before until as since because"
)
_WAYS: Final = lexicon.word_set(
    "street road lane lot spot space place parking driveway direction left right corner turn side "
    "way intersection path highway route distance speed lead position area alley ramp time case "
    "destination course plan minute second moment look rest pace gap room line traffic attention "
    "somewhere anywhere anything something nothing everything park gear bit block mile foot metre "
    "meter yard there here drive one thing stop care slower faster caution clear "
    "next exit level u-turn uturn sidewalk pavement curb kerb shoulder crosswalk crossing "
    "junction roundabout median strip location track someplace"
)
"""What one moves in, and what names no thing at all."""
_FREE: Final = lexicon.word_set("somewhere someplace parking way place spot space lane")
"""Free space that is looked for: "find me a spot near the door"."""
_SKIPPED: Final = lexicon.word_set(
    "faster slower straight forward forwards backward backwards ahead away again together careful "
    "aware sure so if when while until till since because once where what whether who well far "
    "further closer slowly soon possible please just even still not cannot even lets let then "
    "other rather possible able ready going gonna toward towards along alongside better "
    "best late parallel next ready slow hi hello goodbye"
)


class Request(NamedTuple):
    """What a request is about.

    Attributes:
        tokens: The tokens from the thing on.
        is_thing: Whether it names a thing, and not only free space or "him".
        is_handled: Whether a verb that we do not know stands right before the thing.
        is_direct: Whether nothing but a motion and its way stands before the thing.
    """

    tokens: list[str]
    is_thing: bool
    is_handled: bool = False
    is_direct: bool = False


def split_requests(clause: list[str]) -> list[list[str]]:
    """A clause taken apart at commas after which a motion is asked for: "…, slow down"."""
    for index, token in enumerate(clause[:-1]):
        verb = clause[index + 1]
        asks = token == COMMA and base(verb) == verb and verb not in _PLACES
        if index and asks and _asks(clause[index + 1 :], False):
            return [clause[:index], *split_requests(clause[index + 1 :])]
    return [clause]


_PLACES: Final = lexicon.word_set("back head tail cross cut land")


def is_way(noun: str) -> bool:
    """Whether a noun names what one moves in, and no thing: "room", "lane"."""
    return noun in _WAYS


def base(word: str) -> str:
    """The verb that a form belongs to, if it is one of motion; "" if not."""
    stems = [word]
    for ending in ("ing", "ed", "es", "s"):
        stem = word.removesuffix(ending)
        if stem != word:
            doubled = stem[:-1] if stem[-2:-1] == stem[-1:] else ""
            stems += [stem, stem + "e", doubled]
    return next((stem for stem in stems if stem in MOTIONS), "")


def request_in(clause: Sequence[str]) -> Request | None:
    """What a request is about; None for a clause that is read as it stands."""
    start = 0
    if clause[:2] == ["do", "not"] and "until" in clause:
        # "do not start until the boy has crossed"
        return _Skimmer(list(clause[clause.index("until") :])).request()
    while start < len(clause):
        size = lead_in(clause, start)
        if clause[start] in _OPENERS:
            start += 1
            continue
        speaks = clause[start] in _SPEAKERS | _AUXILIARIES | {"where"}
        if not (speaks and size > 1) and _asks(clause[start:], start > 0):
            return _Skimmer(list(clause[start:])).request()
        if not size:
            break
        start += size
    return _handled(clause[start:])


def _handled(tokens: Sequence[str]) -> Request | None:
    """What follows a word before "the": "wash the cup", "hand the cup over"."""
    if len(tokens) < 3 or tokens[1] not in _DETERMINERS or tokens[0] in lexicon.COLOURS:
        return None
    if tokens[2] in lexicon.LINKS | {"not"}:
        return None  # "cup that is red"
    items = scan(tokens)
    handled, clause = parse_phrase(items, 1)
    if not (handled.text or handled.ordinal):
        return None  # nothing to handle is named
    if clause < len(items) and items[clause].kind is Kind.LINK:
        return None  # "shelf the books are on"
    if items[0].kind is not Kind.WORD or lexicon.is_animate(tokens[0]):
        return None
    stop = len(tokens) - (tokens[-1] in _PARTED)
    return Request(list(tokens[1:stop]), True, True)


_DETERMINERS: Final = lexicon.ARTICLES - lexicon.word_set(
    "which what some any each every all either"
)
_PARTED: Final = lexicon.word_set("over up down off out away on back")
"""Particles that stand apart from their verb: "switch the lamp *off*"."""


def _asks(tokens: Sequence[str], led: bool) -> bool:
    """Whether a clause begins with a verb of motion, a speaker or "when …".

    Args:
        tokens: The clause's tokens.
        led: Whether "i need" or the like stands before them.
    """
    first, after = tokens[0], tokens[1] if len(tokens) > 1 else ""
    if first in _SPEAKERS or (first in _AUXILIARIES and after in _SPEAKERS):
        return True
    if first in ("would", "could") and after == "it":
        return True
    if first in _SUBORDINATES or tokens[:3] == ["as", "soon", "as"]:
        return (
            tokens[:2] not in (["as", "the"], ["since"]) and first != "before" and len(tokens) > 2
        )
    if (led and first == "to") or first in _SEEMING:
        return True
    if after in ("me", "us") and tokens[2:3] and tokens[2] in lexicon.GOALS:
        return True  # "guide me to the door"
    if first in ("take", "make", "do") and after in lexicon.ARTICLES and _is_way(tokens[2:]):
        return True
    if base(first) != first:
        return base(first) != "" and after in _PARTICLES and first.endswith("ing")
    if first in _HANDLES:
        loose = after in _PARTICLES - lexicon.ARTICLES - {"it", "me", "us"}
        ways = _FREE.intersection(tokens[1:4])
        moved = (
            after in ("me", "us") and tokens[2:3] and tokens[2] in _PARTICLES - lexicon.ARTICLES
        )
        return bool(loose or ways or moved or (first == "let" and after not in ("me", "us")))
    goes_on = base(after) not in ("", after) or lemma(after) in _WAYS
    return first not in _NOUNS_TOO or after in _PARTICLES | {"", COMMA} or goes_on


def _is_way(tokens: Sequence[str]) -> bool:
    """Whether a way to turn begins here: "left", "second right past …", "same exit as …"."""
    index = 0
    while index < len(tokens) and tokens[index] in _TURNS | lexicon.ORDINALS.keys():
        index += 1
    after = tokens[index] if index < len(tokens) else COMMA
    turned = index and tokens[index - 1] in ("left", "right") and after in _PARTICLES | {COMMA}
    return bool(turned) or after in _WAYS


_TURNS: Final = lexicon.word_set("next same sharp hard quick wide left right parking u you")
"""What tells one turn from others."""


class _Skimmer:
    """Passes over a request up to the thing that it is about."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.items = scan(tokens)
        self.way: int | None = None  # the first free space or pronoun

    def request(self) -> Request:
        index, said = 0, ""
        while index < len(self.items):
            item = self.items[index]
            if item.kind is Kind.NEGATION and not self._is_purpose(index):
                index = self._denied(index)
            elif start := self._thing_at(index, said):
                stop, named = start
                if named:
                    direct = self._is_direct(item.start)
                    return Request(_ended(self.tokens[item.start :]), True, is_direct=direct)
                self.way = item.start if self.way is None else self.way
                index = stop
            else:
                index += 1
            said = item.word
        return Request(_ended(self.tokens[self.way :]) if self.way is not None else [], False)

    def _is_direct(self, start: int) -> bool:
        """Whether only a motion and its way stand before a token: "pull up next to"."""
        before, to = self.tokens[:start], False
        for index, token in enumerate(before):
            moves = token in MOTIONS and not to
            if not (moves or token in _PARTICLES - _TURNED or (index and token in _WAYS)):
                return False
            to = token == "to"
        return before[:1] != [] and before[0] in MOTIONS

    def _is_purpose(self, index: int) -> bool:
        """Whether what is denied is what for: "slow down so that you do not hit the cart"."""
        for item in reversed(self.items[:index]):
            if item.kind is Kind.COMMA:
                return False
            if item.word in _PURPOSES:
                return True
        return False

    def _denied(self, index: int) -> int:
        """The item after what is denied: "i do not want the red one, i want …"."""
        while index < len(self.items) and self.items[index].kind is not Kind.COMMA:
            index += 1
        return index

    def _thing_at(self, index: int, said: str) -> tuple[int, bool] | None:
        """Where a noun phrase that begins here ends, and whether it names a thing."""
        item = self.items[index]
        if item.kind is Kind.PRONOUN and item.word in lexicon.REFERRING_PRONOUNS:
            return (index + 1, False) if item.word in ("him", "her", "them", "it") else None
        opens = (Kind.ARTICLE, Kind.ORDINAL, Kind.NUMBER)
        if item.kind is Kind.WORD and self._is_verb(index, said):
            return None
        phrase, stop = parse_phrase(self.items[: self._joint(index)], index)
        starts = item.kind in (*opens, Kind.WORD) or (item.prenominal and phrase.head)
        if not starts or stop == index:
            return None
        if not phrase.head and not phrase.colours and phrase.anaphora is None:
            return None
        lone = item.kind is Kind.DIRECTION and not self._follows_article(index)
        if lone and phrase.head in _WAYS | MOTIONS:
            return stop, False
        words, head = phrase.text.split(), phrase.head
        last, after = self.items[stop - 1], self.items[stop] if stop < len(self.items) else None
        if len(words) > 1 and is_predicate(self.items[: stop - 1], last.word, after):
            head = lemma(words[-2])  # "this van wants to turn"
        elif (
            len(words) > 1
            and base(words[-1])
            and words[-1] != "turn"
            and words[-2] not in lexicon.ADJECTIVES
        ):
            head = lemma(words[-2])  # "the van passes"
        named = head not in _WAYS and "parking" not in words
        of = next((k for k in range(index, stop) if self.items[k].kind is Kind.OF), 0)
        if of and not named:
            return of + 1, False  # "the direction of that bus"
        return stop, named and (not head or base(head) != head)

    def _joint(self, index: int) -> int:
        """Where a clause about something else begins: "switch lanes *once* we are past it"."""
        for stop in range(index + 1, len(self.items)):
            before, word = self.items[stop - 1], self.items[stop].word
            noun = before.kind is Kind.WORD and before.word not in lexicon.ADJECTIVES | _SKIPPED
            beside = word in _SKIPPED | _MODALS or word.endswith("ly")
            if word in _SUBORDINATES or (noun and beside):
                return stop
        return len(self.items)

    def _follows_article(self, index: int) -> bool:
        return bool(index) and self.items[index - 1].kind is Kind.ARTICLE

    def _is_verb(self, index: int, said: str) -> bool:
        """Whether a bare word is a verb or an adverb of the request, and no name."""
        word = self.items[index].word
        after = self.items[index + 1] if index + 1 < len(self.items) else None
        qualifies = after is not None and after.kind is Kind.WORD  # "oncoming traffic"
        if word in _SKIPPED or word.endswith("ly") or base(word):
            return True
        if is_present(word) and not qualifies:
            return True
        if is_past(word) and said in lexicon.LINKS:
            return True  # "she is supposed to meet us"
        governed = said in _SPEAKERS | {"to", "not", "and"} | _AUXILIARIES
        taking = after is not None and after.kind in (
            Kind.ARTICLE,
            Kind.PRONOUN,
            Kind.PREPOSITION,
            Kind.LINK,
        )
        return said in _SPEAKERS or (governed and taking) or (index == 0 and taking)


def _ended(tokens: list[str]) -> list[str]:
    """The tokens up to what is to be done next, or why: "the van *and wait*", "*so i can see*"."""
    for index in range(1, len(tokens)):
        word, after = tokens[index], tokens[index + 1] if index + 1 < len(tokens) else ""
        joins = word in ("and", COMMA, "then") and (
            base(after) == after != "" or after in _SPEAKERS | {"then", "to"}
        )
        purpose = word == "to" and base(after) == after != "" and after not in _WAYS
        tail = tokens[index - 1] not in lexicon.ARTICLES | lexicon.ADJECTIVES | {"to"}
        acts = tail and base(word) and (word not in _NOUNS_TOO or word in _ACTS)
        if acts and word not in _RESTS and not word.endswith(("ing", "ed")):
            return tokens[: index - (tokens[index - 1] in _MODALS)]
        ahead = word == "before" and after in lexicon.VIEWER  # "the car before us"
        reason = word in _REASONS | _ANEW and not ahead
        if joins or purpose or reason or (word, after) == ("in", "case"):
            return tokens[:index]
    return tokens


_TURNED: Final = lexicon.word_set("so when while as if it until till after before us me")
"""Particles after which something else than the motion is spoken of."""
_MODALS: Final = lexicon.word_set("might may must should could would can will")
_PURPOSES: Final = lexicon.word_set("so sure to careful")
_ACTS: Final = lexicon.word_set("pass cross")
_RESTS: Final = lexicon.word_set("back stays keeps waits")
_REASONS: Final = lexicon.word_set("so because when while until if as after before then")
