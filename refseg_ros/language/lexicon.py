# SPDX-License-Identifier: Apache-2.0
"""The words that the parser knows: data only, to be extended without reading code.

Every table is matched against whole tokens. Phrases are written as they are spoken, with single
spaces, in lower case, without articles.
"""

from __future__ import annotations

from typing import Final

from refseg_ros.language.expression import Direction as D
from refseg_ros.language.expression import RelationKind as R


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Phrases of a comma-separated text, longest first, so that the longest match wins."""
    return tuple(sorted((tuple(part.split()) for part in text.split(",")), key=len, reverse=True))


# --- what is asked of the robot, around the thing meant ------------------------------------------

LEAD_IN: Final = _phrases(
    "hey, hi, hello, ok, okay, so, well, now, then, and, but, also, no, yes, alright, robot, "
    "please, kindly, hey robot, could you, can you, would you, will you, would you mind, may "
    "you, you should, you must, i want, i want you to, i need, i need you to, i would like, i "
    "would like to have, i would like you to, i am looking for, i mean, i meant, may i have, can "
    "i have, could i have, can i get, could i get, may i get, let us, let me, let me have, let "
    "me see, have, go, go and, go to, go ahead and, try to, try and, it is, there is, there are, "
    "is there, are there, do you see, see, where is, where are, what is, what are, which is, "
    "which are, who is, this is, that is, tell me, tell me where, show, show me, show us, show "
    "me where, look at, look for, search for, pick, pick up, pick out, pick me up, pick up me, "
    "picking up, grab, grab me, grab hold of, grasp, get, get me, get us, getting me, giving me, "
    "handing me, passing me, bringing me, picking, grabbing, getting, get hold of, give, give "
    "me, give us, bring, bring me, bring us, bring over, hand me, hand us, hand over, pass, pass "
    "me, pass us, pass over, take, take hold of, take me to, fetch, fetch me, find, find me, "
    "locate, point, point at, point to, point out, point me to, select, choose, segment, "
    "highlight, mark, identify, detect, track, follow, touch, hold, lift, lift up, reach for, "
    "reach, click, click on, hover over, mask, use, retrieve, collect, get rid of, remove, throw "
    "away, tap, tap on, clean up, inspect, watch out for, put down, put away, put, place, drop, "
    "stack, insert, set, move, push, pull, slide, carry, drag"
)
PUT_VERBS: Final = _words("put place drop stack insert set")
"""Verbs whose last place phrase says where to, not which one."""
MOVE_VERBS: Final = _words("move push pull slide carry drag bring take")
"""Verbs whose last phrase with to, into or onto says where to, not which one."""
AMBIGUOUS_VERBS: Final = _words(
    "set place stack mark track mask slide drop tap use hold lift point push insert"
)
"""Nouns as well: a command only before an article or a pronoun ("stack of plates" is none)."""
FOLLOW_UP_VERBS: Final = (
    PUT_VERBS | MOVE_VERBS | _words("give hand pass pick grab get fetch hold lift throw show")
)
"""Verbs that begin a second command after "and" or "then"."""
TRAILING: Final = _phrases(
    "please, thanks, thank you, for me, for us, to me, to us, would you, could you, can you, "
    "will you, right now, now, if you can, if you could, if you please, if possible, over there, "
    "over here, there, here, up, robot, ok, okay, as well, too, from there, from here, is, are"
)
FILLERS: Final = _words(
    "please kindly quickly slowly carefully gently actually maybe perhaps really exactly um uh "
    "er hmm"
)

# --- small words ---------------------------------------------------------------------------------

ARTICLES: Final = _words(
    "the a an this that these those my your his her our their its any some which what every each "
    "all"
)
NUMBERS: Final = _words("two three four five six seven eight nine ten both 2 3 4 5 6 7 8 9 10")
ORDINALS: Final = {
    word: rank
    for rank, words in enumerate(
        (
            "first 1st last", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th",
            "seventh 7th", "eighth 8th", "ninth 9th", "tenth 10th",
        ),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
PRONOUNS: Final = _words(
    "it them they he him she i you me us we itself there here everything nothing"
)
VIEWER: Final = _words("me us you camera viewer robot yourself myself")
"""Landmarks that stand for the place of the camera."""
LINKS: Final = _words(
    "that which who whom whose is are was were be being been am does do did has have had can "
    "could would will should must sits stands lies sitting standing lying laying located placed "
    "positioned resting situated seated parked put looks appears seems also just only shown seen "
    "visible found kept"
)
"""Relative pronouns, copulas and position verbs: they end a noun phrase and mean nothing else."""
NEGATIONS: Final = _phrases(
    "not, no, never, but not, and not, except, except for, without, other than, apart from, "
    "rather than, instead of, excluding, non, neither, nor"
)
OTHER_PREPOSITIONS: Final = _words(
    "to from for about as like than off out into through via per after before during at up down"
)
GENERIC_NOUNS: Final = _words(
    "one ones thing things object objects item items stuff something anything somebody someone "
    "whatever other others"
)
"""Nouns that name no kind of thing: the head stays empty."""
MEASURES: Final = _words(
    "pair piece slice bunch kind type sort lot couple set bit pieces slices pairs some any all "
    "none each either"
)
"""Nouns that hand the headship to what follows "of"."""

# --- attributes ----------------------------------------------------------------------------------

PURE_COLOURS: Final = _words(
    "red green blue yellow purple pink brown black white grey gray cyan magenta beige turquoise "
    "teal maroon navy violet golden tan crimson scarlet indigo burgundy khaki multicoloured "
    "multicolored colourful colorful reddish greenish bluish yellowish brownish greyish"
)
COLOUR_NOUNS: Final = _words(
    "orange gold silver lime olive peach cream salmon plum rose chocolate lemon lavender mustard "
    "coral bronze"
)
"""Colour before a noun ("the orange mug") or after a copula; a thing of its own at the end."""
COLOURS: Final = PURE_COLOURS | COLOUR_NOUNS
SIZES: Final = {
    **dict.fromkeys(
        _words(
            "big bigger biggest large larger largest huge giant great tall taller tallest long "
            "longer longest wide wider widest thick thicker thickest"
        ),
        1,
    ),
    **dict.fromkeys(
        _words(
            "small smaller smallest little littlest tiny tinier tiniest mini short shorter "
            "shortest narrow narrower narrowest thin thinner thinnest slim"
        ),
        -1,
    ),
}
"""Size words and their sign: +1 bigger, -1 smaller."""
MATERIAL_ADJECTIVES: Final = _words(
    "wooden ceramic metallic woollen woolen golden silken transparent translucent"
)
MATERIAL_NOUNS: Final = _words(
    "wood metal plastic glass paper cardboard steel rubber leather stone porcelain clay cotton "
    "iron brass copper aluminium aluminum tin foam fabric wool marble"
)
MATERIALS: Final = MATERIAL_ADJECTIVES | MATERIAL_NOUNS
OTHER_ADJECTIVES: Final = _words(
    "heavy heavier lighter round flat empty full shiny matte striped spotted dotted "
    "checkered plain "
    "dirty clean old "
    "new young open closed broken dark bright pale deep vivid rectangular circular triangular "
    "cylindrical curved pointy sharp soft hard hot cold wet dry nice pretty beautiful cute "
    "smooth rough fluffy hollow nearby same different single whole half main lone own very most "
    "more"
)
PURE_ADJECTIVES: Final = PURE_COLOURS | frozenset(SIZES) | MATERIAL_ADJECTIVES | OTHER_ADJECTIVES
ADJECTIVES: Final = PURE_ADJECTIVES | COLOUR_NOUNS | MATERIAL_NOUNS | _words("light square")
ING_NOUNS: Final = _words(
    "ring string king wing painting building ceiling earring pudding thing something anything "
    "everything nothing clothing spring swing sling sting dressing icing frosting wedding "
    "bedding railing awning drawing sibling dumpling keyring duckling evening morning lighting"
)
COMPOUNDS: Final = {
    ("top", "hat"), ("tank", "top"), ("bottom", "bun"), ("back", "pack"), ("front", "door"),
    ("center", "piece"), ("centre", "piece"), ("laptop", "bag"),
}  # fmt: skip
"""Two-word nouns one word of which would read as a position."""

# --- where things are ----------------------------------------------------------------------------

DIRECTION_WORDS: Final = {
    **dict.fromkeys(_words("left west western leftward"), D.LEFT),
    **dict.fromkeys(_words("right east eastern rightward"), D.RIGHT),
    **dict.fromkeys(_words("top upper north northern"), D.TOP),
    **dict.fromkeys(_words("bottom lower south southern"), D.BOTTOM),
    **dict.fromkeys(_words("middle center centre central mid"), D.MIDDLE),
    **dict.fromkeys(_words("front foreground"), D.FRONT),
    **dict.fromkeys(_words("back rear background"), D.BACK),
}
EXTREME_WORDS: Final = {
    **dict.fromkeys(_words("leftmost westernmost"), D.LEFT),
    **dict.fromkeys(_words("rightmost easternmost"), D.RIGHT),
    **dict.fromkeys(_words("topmost uppermost highest northernmost"), D.TOP),
    **dict.fromkeys(_words("bottommost lowermost lowest southernmost"), D.BOTTOM),
    **dict.fromkeys(_words("middlemost centermost centremost"), D.MIDDLE),
    **dict.fromkeys(_words("frontmost foremost closest nearest closer nearer"), D.FRONT),
    **dict.fromkeys(_words("backmost rearmost furthest farthest further farther far"), D.BACK),
}
NEAREST_WORDS: Final = _words("closest nearest closer nearer")
FARTHEST_WORDS: Final = _words("furthest farthest farther further far")
RELATION_INTENSIFIERS: Final = _words("right just directly immediately straight slightly")
INTENSIFIERS: Final = _words(
    "far very extreme furthest farthest closest nearest further farther closer nearer most all way"
)
DIRECTION_PREPOSITIONS: Final = _words("on at in to toward towards from by near along")
SIDE_WORDS: Final = _words(
    "side sides corner half part section region area edge end quadrant portion position row "
    "column hand"
)
FRAME_WORDS: Final = _words(
    "image picture photo photograph frame screen scene view shot corner edge side camera pic "
    "table desk tabletop counter room"
)
"""What positions are positions of: "the left side of the table" is a direction, no relation."""
NOT_LANDMARKS: Final = _words(
    "image picture photo photograph frame screen scene view shot pic corner edge side end"
)
"""Heads that a relation may not have, for they are no things."""
NOT_SAID: Final = GENERIC_NOUNS | NOT_LANDMARKS | VIEWER
"""Words that say nothing of what a thing looks like."""
SUPPORTS: Final = _words("table desk floor ground counter tabletop surface worktop")
"""Surfaces on which everything stands: "on the table" tells nothing apart."""
ABSTRACT: Final = NOT_LANDMARKS | _words(
    "background foreground front back top bottom middle center centre left right group lot bunch "
    "way kind sort type part half row line number variety couple pair set day night time other "
    "one ones thing something someone everything color colour shape size piece"
)
"""Caption nouns that say nothing of a thing and make no negative."""

RELATION_PHRASES: Final[dict[tuple[str, ...], R]] = {
    tuple(phrase.split()): kind
    for kind, phrases in {
        R.ABOVE: "above, over, up above, over top of, higher than",
        R.BELOW: "below, under, underneath, beneath, lower than, down below",
        R.IN_FRONT_OF: "in front of, ahead of, before",
        R.BEHIND: "behind, in back of, beyond, past",
        R.NEXT_TO: (
            "next to, close to, near, near to, by, beside, besides, adjacent to, alongside, "
            "closest to, nearest to, nearest, closer to, nearer to, around, against, touching, "
            "at, side by side with, along with, together with"
        ),
        R.FAR_FROM: "far from, far away from, away from, furthest from, farthest from, "
        "furthest away from, farthest away from, further from, farther from",
        R.ON: "on, on top of, top of, onto, upon, atop, leaning on",
        R.IN: "in, inside, inside of, within, into, among, amongst, contained in",
        R.CONTAINING: "containing, full of, filled with, holding, that holds, that contains",
        R.WITH: "with, wearing, having, that has, carrying",
        R.BETWEEN: "between, in between",
    }.items()
    for phrase in phrases.split(", ")
}
RELATION_PHRASES_BY_FIRST: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    first: tuple(
        sorted(
            (phrase for phrase in RELATION_PHRASES if phrase[0] == first), key=len, reverse=True
        )
    )
    for first in {phrase[0] for phrase in RELATION_PHRASES}
}
RELATION_OF_DIRECTION: Final = {
    D.LEFT: R.LEFT_OF, D.RIGHT: R.RIGHT_OF, D.TOP: R.ON, D.BOTTOM: R.IN, D.MIDDLE: R.IN,
    D.FRONT: R.IN_FRONT_OF, D.BACK: R.BEHIND,
}  # fmt: skip
"""What "the … of the book" means when it has no landmark but a thing."""
DIRECTION_OF_RELATION: Final = {
    R.ABOVE: D.TOP, R.BELOW: D.BOTTOM, R.BEHIND: D.BACK, R.IN_FRONT_OF: D.FRONT,
}  # fmt: skip
"""What a relation says without a landmark ("the one behind")."""
