# SPDX-License-Identifier: Apache-2.0
"""The words that the parser knows: data only, to be extended without reading code.

Every table is matched against whole tokens. Phrases are written as they are spoken, with single
spaces, in lower case, without articles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refseg_ros.language.expression import Direction as D
from refseg_ros.language.expression import Measure as M
from refseg_ros.language.expression import RelationKind as R

Phrases = tuple[tuple[str, ...], ...]


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _phrases(text: str) -> Phrases:
    """Phrases of a comma-separated text, longest first, so that the longest match wins."""
    return tuple(sorted((tuple(part.split()) for part in text.split(",")), key=len, reverse=True))


def _by_word(phrases: Iterable[tuple[str, ...]], position: int) -> dict[str, Phrases]:
    """Phrases by the word at a position, longest first."""
    found: dict[str, Phrases] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        found[phrase[position]] = (*found.get(phrase[position], ()), phrase)
    return found


# --- what is asked of the robot, around the thing meant ------------------------------------------

LEAD_IN: Final = _phrases(
    "hey, hi, hello, ok, okay, so, well, now, then, and, but, also, no, yes, alright, robot, "
    "please, kindly, hey robot, could you, can you, would you, will you, would you mind, "
    "would you be so kind as to, be so kind as to, may "
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
    "stack, insert, set, move, push, pull, slide, carry, drag, robot can you, what about, how "
    "about, focus on, i am after, where did i leave, where did i put, where have i put, i want "
    "to have, i would love, give me back, possibly, i said, i asked for, i think, i "
    "think it is, i guess, i believe, is it, is that, which one, which ones"
)
PUT_VERBS: Final = word_set("put place drop stack insert set")
"""Verbs whose last place phrase says where to, not which one."""
MOVE_VERBS: Final = word_set("move push pull slide carry drag")
"""Verbs whose last phrase with to, into or onto says where to, not which one."""
BRING_VERBS: Final = word_set("bring take go")
"""The same, but "to the left of the tray" after them says which one."""
GOALS: Final = word_set("to into onto toward towards")
MOVED_BESIDE: Final = frozenset((R.NEXT_TO, R.BEHIND, R.IN_FRONT_OF, R.BETWEEN))
"""Relations that say where to after a verb of moving even without "to"."""
AMBIGUOUS_VERBS: Final = word_set(
    "set place stack mark track mask slide drop tap use hold lift point push insert"
)
"""Nouns as well: a command only before an article or a pronoun ("stack of plates" is none)."""
FOLLOW_UP_VERBS: Final = (
    PUT_VERBS
    | MOVE_VERBS
    | BRING_VERBS
    | word_set("give hand pass pick grab get fetch hold lift throw show stop wait return")
)
"""Verbs that begin a second command after "and" or "then"."""
LONE_VERBS: Final = word_set("stop wait return")
"""Those that may stand alone."""
TRAILING: Final = _phrases(
    "please, thanks, thank you, for me, for us, to me, to us, would you, could you, can you, "
    "will you, right now, now, if you can, if you could, if you please, if possible, over there, "
    "over here, there, here, up, robot, ok, okay, as well, too, from there, from here, is, are, "
    "again, instead, anywhere, somewhere, if you do not mind, you know, i mean"
)
FILLERS: Final = word_set(
    "please kindly quickly slowly carefully gently actually maybe perhaps really exactly "
    "immediate directly slightly diagonally partially partly completely fully nearly almost "
    "roughly um uh er hmm"
)

LEAD_IN_BY_FIRST: Final = _by_word(LEAD_IN, 0)
TRAILING_BY_LAST: Final = _by_word(TRAILING, -1)

# --- small words ---------------------------------------------------------------------------------

ARTICLES: Final = word_set(
    "the a an this that these those my your his her our their its any some which what every each "
    "all either"
)
DEMONSTRATIVES: Final = word_set("this that these those")
POSSESSIVES: Final = word_set("its his her their")
"""Before a side: "to its left"."""
EVERY: Final = word_set("all every each")
ANY: Final = word_set("any some either")
WHICHEVER: Final = word_set("anything whatever whichever anybody anyone whoever")
"""Pronouns by which any one will do."""
OTHER: Final = word_set("other others another different")
SAME: Final = word_set("same")
NUMBERS: Final = {
    word: count
    for count, words in enumerate(
        (
            "two both couple 2", "three 3", "four 4", "five 5", "six 6", "seven 7", "eight 8",
            "nine 9", "ten 10",
        ),
        start=2,
    )
    for word in words.split()
}  # fmt: skip
ORDINALS: Final = {
    word: rank
    for rank, words in enumerate(
        (
            "first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th",
            "seventh 7th", "eighth 8th", "ninth 9th", "tenth 10th",
        ),
        start=1,
    )
    for word in words.split()
} | {"last": -1, "penultimate": -2}  # fmt: skip
SECOND_LAST: Final = frozenset((("next", "to", "last"), ("last", "but", "one")))
PRONOUNS: Final = word_set(
    "it them they he him she i you me us we itself there here everything nothing"
)
REFERRING_PRONOUNS: Final = word_set("it them they he him she")
VIEWER: Final = word_set("me us you camera viewer robot yourself myself photographer cameraman")
"""Landmarks that stand for the place of the camera."""
LINKS: Final = word_set(
    "that which who whom is are was were be being been am does do did has have had can "
    "could would will should must sits stands lies sitting standing lying laying located placed "
    "positioned resting situated seated parked put looks appears seems also just only shown seen "
    "visible found kept made did do hidden tucked stacked balanced hanging leaning"
)
STANDING: Final = word_set("lie sit stand belong")
"""Verbs that mean nothing else after "does not"."""
SAME_THING: Final = frozenset(("it is", "they are", "i mean", "i meant"))
"""Beginnings of a sentence that goes on about the thing meant."""
RELATIVE: Final = word_set("that which who whom where")
"""Those that begin a clause about the noun just said."""
LINK_PHRASES: Final = _by_word(
    _phrases(
        "made of, made from, made out of, that is, which is, looks like, looking like, look like"
    ),
    0,
)
"""Relative pronouns, copulas and position verbs: they end a noun phrase and mean nothing else."""
NEGATIONS: Final = _by_word(
    _phrases(
        "not, no, never, but not, and not, except, except for, without, other than, apart from, "
        "rather than, instead of, excluding, non, neither, neither of, none of, not one of, not "
        "any of, not either of, nor, with no, with none of, not with, not have, not having, has "
        "not got, has not, have not, have not got, has no, have no, having no, not contain, not "
        "hold, not carry, not touch, that has no, which has no, who has no, that have no, with "
        "neither, has neither, have neither, having neither, that has neither, which has neither, "
        "who has neither, that have neither"
    ),
    0,
)
WITHOUT: Final = {
    **dict.fromkeys(
        ("without", "with no", "with none of", "not with", "not have", "not having", "has no",
         "have no", "having no", "no", "has not got", "has not", "have not", "have not got",
         "that has no", "which has no", "who has no", "that have no", "with neither",
         "has neither", "have neither", "having neither", "that has neither", "which has neither",
         "who has neither", "that have neither"),
        R.WITH,
    ),
    "not contain": R.CONTAINING, "not hold": R.CONTAINING, "not carry": R.CARRYING,
    "not touch": R.NEXT_TO,
}  # fmt: skip
"""Negations that deny a relation to what follows."""
BUT_AFTER: Final = word_set("anything everything nothing all any every each")
"""Words after which "but" excludes: "anything but the mug", "all mugs but the red one"."""
OTHER_PREPOSITIONS: Final = word_set(
    "to from for about as like than off out into through via per after before during at up down "
    "opposite across facing"
)
INDEFINITE: Final = {
    **dict.fromkeys(word_set("something anything whatever whichever"), "thing"),
    **dict.fromkeys(word_set("everything stuff"), "things"),
    **dict.fromkeys(word_set("somebody someone anybody anyone whoever"), "person"),
    **dict.fromkeys(word_set("everybody everyone"), "people"),
}
"""Pronouns for any such thing, and the noun that each stands for: no text encoder knows them."""
GENERIC_NOUNS: Final = word_set(
    "one ones thing things object objects item items stuff something anything "
    "whatever whichever other others everything"
)
ONES: Final = word_set("one ones")
"""Nouns that stand for the noun said before."""
PLURAL_GENERIC: Final = word_set("ones things objects items others")
"""Nouns that name no kind of thing: the head stays empty."""
MEASURES: Final = word_set(
    "pair piece slice bunch kind type sort lot set bit pieces slices pairs some any all none each"
)
"""Nouns that hand the headship to what follows "of"."""
PARTS: Final = word_set("edge side corner end rim border")
"""Nouns that do so where a thing is near them: "near the edge of the tray"."""

CONTAINERS: Final = word_set(
    "cup mug glass bottle bowl box bag jar can tin pot pan plate dish basket bucket carton crate "
    "tray jug"
)
"""Nouns before "of" that tell what holds a thing: "the bowl of the soup"."""
DEPICTIONS: Final = word_set(
    "painting drawing statue figure sculpture portrait reflection shadow model sign map poster"
)
"""Nouns before "of" that show a thing, and are no part of it."""

# --- attributes ----------------------------------------------------------------------------------

PURE_COLOURS: Final = word_set(
    "red green blue yellow purple pink brown black white grey gray cyan magenta beige turquoise "
    "teal maroon navy violet golden tan crimson scarlet indigo burgundy khaki multicoloured "
    "multicolored colourful colorful reddish greenish bluish yellowish brownish greyish"
)
COLOUR_NOUNS: Final = word_set(
    "orange gold silver lime olive peach cream salmon plum rose chocolate lemon lavender mustard "
    "coral bronze"
)
"""Colour before a noun ("the orange mug") or after a copula; a thing of its own at the end."""
COLOURS: Final = PURE_COLOURS | COLOUR_NOUNS
SIZES: Final = {
    **dict.fromkeys(
        word_set(
            "big bigger biggest large larger largest huge giant great tall taller tallest long "
            "longer longest wide wider widest thick thicker thickest"
        ),
        1,
    ),
    **dict.fromkeys(
        word_set(
            "small smaller smallest little littlest tiny tinier tiniest mini short shorter "
            "shortest narrow narrower narrowest thin thinner thinnest slim"
        ),
        -1,
    ),
}
"""Size words and their sign: +1 bigger, -1 smaller."""
SUPERLATIVES: Final = {
    word: (measure, most)
    for measure, most, words in (
        (M.SIZE, True, "biggest bigger largest larger hugest greatest"),
        (M.SIZE, False, "smallest smaller littlest tiniest tinier"),
        (M.HEIGHT, True, "tallest taller"),
        (M.HEIGHT, False, "shortest shorter"),
        (M.LENGTH, True, "longest longer"),
        (M.WIDTH, True, "widest wider thickest thicker broadest fattest"),
        (M.WIDTH, False, "narrowest narrower thinnest thinner slimmest"),
    )
    for word in words.split()
}
"""Words of size that rank things: what by, and whether the greatest comes first."""
MATERIAL_ADJECTIVES: Final = word_set(
    "wooden ceramic metallic woollen woolen golden silken transparent translucent"
)
MATERIAL_NOUNS: Final = word_set(
    "wood metal plastic glass paper cardboard steel rubber leather stone porcelain clay cotton "
    "iron brass copper aluminium aluminum tin foam fabric wool marble"
)
MATERIALS: Final = MATERIAL_ADJECTIVES | MATERIAL_NOUNS
OTHER_ADJECTIVES: Final = word_set(
    "heavy heavier heaviest lighter lightest darkest brightest darker brighter emptiest fullest "
    "newest oldest newer older cleanest round flat empty full shiny matte striped spotted dotted "
    "checkered plain "
    "dirty clean old "
    "new young open closed broken dark bright pale deep vivid rectangular circular triangular "
    "cylindrical curved pointy sharp soft hard hot cold wet dry nice pretty beautiful cute "
    "smooth rough fluffy hollow nearby single whole half main lone own very most more other "
    "another same different upside-down"
)
PURE_ADJECTIVES: Final = (
    PURE_COLOURS | frozenset(SIZES) | frozenset(SUPERLATIVES) | MATERIAL_ADJECTIVES
) | OTHER_ADJECTIVES
ADJECTIVES: Final = PURE_ADJECTIVES | COLOUR_NOUNS | MATERIAL_NOUNS | word_set("light square")
COLOURED: Final = word_set("coloured colored")
"""Said beside a colour, and meaning nothing else."""
ING_NOUNS: Final = word_set(
    "ring string king wing painting building ceiling earring pudding thing something anything "
    "everything nothing clothing spring swing sling sting dressing icing frosting wedding "
    "bedding railing awning drawing sibling dumpling keyring duckling evening morning lighting"
)
SAYING: Final = word_set("called named says saying reads reading word words labelled labeled")
"""Words before a text that is written on a thing."""
PEOPLE: Final = word_set(
    "person people man men woman women boy girl guy lady gentleman dude fellow bloke kid child "
    "children baby toddler adult player batter catcher umpire pitcher referee rider driver skier "
    "surfer snowboarder skateboarder biker cyclist bicyclist pedestrian worker chef waiter "
    "waitress bride groom officer cop policeman policewoman fireman soldier doctor nurse teacher "
    "student athlete runner friend mom dad mother father husband wife son daughter brother sister "
    "somebody someone anybody he she him who couple crowd lad lass teen teenager passenger"
)
ANIMALS: Final = word_set(
    "animal dog puppy cat kitten horse pony foal cow bull calf sheep lamb goat pig bird parrot "
    "seagull pigeon elephant giraffe zebra bear panda monkey lion tiger deer rabbit"
)
GARMENTS: Final = word_set(
    "shirt t-shirt tshirt tee blouse sweater jumper hoodie sweatshirt jersey polo vest jacket "
    "coat blazer suit tuxedo tux dress skirt gown robe apron uniform costume outfit clothes "
    "clothing attire gear wetsuit pants trousers jeans shorts leggings tights sweatpants top "
    "hat cap helmet beanie hood headband hairband scarf tie bowtie belt glove gloves sock socks "
    "shoe shoes boot boots sneakers sandals heels glasses sunglasses goggles bikini swimsuit "
    "trunks plaid stripes denim khakis overalls hoody bandana veil cape pajamas pyjamas"
)
"""What people have on: how they look, and nothing that they could be inside of."""
_ANIMATE: Final = PEOPLE | ANIMALS


def sounds_adjectival(word: str) -> bool:
    """Whether an unknown word ends as adjectives do: "shirtless", "colourful"."""
    return len(word) > 5 and word.endswith(("less", "ful", "ish", "ous", "shaped", "coloured"))


def is_animate(noun: str) -> bool:
    """Whether a noun names a person or an animal, by list or by its end ("fisherman")."""
    single = noun.removesuffix("s")
    ends = len(noun) > 5 and noun.endswith(("man", "men", "woman", "women", "boy", "girl"))
    return noun in _ANIMATE or single in _ANIMATE or ends


COMPOUNDS: Final = {
    ("top", "hat"), ("tank", "top"), ("bottom", "bun"), ("back", "pack"), ("front", "door"),
    ("center", "piece"), ("centre", "piece"), ("laptop", "bag"),
}  # fmt: skip
"""Two-word nouns one word of which would read as a position."""

# --- where things are ----------------------------------------------------------------------------

DIRECTION_WORDS: Final = {
    **dict.fromkeys(word_set("left west western leftward"), D.LEFT),
    **dict.fromkeys(word_set("right east eastern rightward"), D.RIGHT),
    **dict.fromkeys(word_set("top upper higher north northern"), D.TOP),
    **dict.fromkeys(word_set("bottom lower south southern"), D.BOTTOM),
    **dict.fromkeys(word_set("middle center centre central mid"), D.MIDDLE),
    **dict.fromkeys(word_set("front foreground"), D.FRONT),
    **dict.fromkeys(word_set("back rear background"), D.BACK),
}
EXTREME_WORDS: Final = {
    **dict.fromkeys(word_set("leftmost westernmost"), D.LEFT),
    **dict.fromkeys(word_set("rightmost easternmost"), D.RIGHT),
    **dict.fromkeys(word_set("topmost uppermost highest northernmost"), D.TOP),
    **dict.fromkeys(word_set("bottommost lowermost lowest southernmost"), D.BOTTOM),
    **dict.fromkeys(word_set("middlemost centermost centremost"), D.MIDDLE),
    **dict.fromkeys(word_set("frontmost foremost"), D.FRONT),
    **dict.fromkeys(word_set("backmost rearmost"), D.BACK),
}
NEAREST_WORDS: Final = word_set("closest nearest closer nearer")
FARTHEST_WORDS: Final = word_set("furthest farthest farther further far")
RELATION_INTENSIFIERS: Final = word_set("right just directly immediately straight slightly")
INTENSIFIERS: Final = word_set(
    "far very extreme furthest farthest closest nearest further farther closer nearer most all way"
)
DIRECTION_PREPOSITIONS: Final = word_set("on at in to toward towards from by near along")
SIDE_WORDS: Final = word_set(
    "side sides corner half part section region area edge end quadrant portion position row "
    "column hand"
)
ROWS: Final = word_set("row column")
"""Sides of which a rank counts along: "the second cup in the back row" is no second row."""
FRAME_WORDS: Final = word_set(
    "image picture photo photograph frame screen scene view shot corner edge side camera pic "
    "table desk tabletop counter room"
)
"""What positions are positions of: "the left side of the table" is a direction, no relation."""
FURNITURE: Final = word_set("table desk counter")
"""What a thing may be in front of, beside being what everything is seen on."""
HAVING_PARTS: Final = (
    CONTAINERS
    | FURNITURE
    | word_set(
        "teapot kettle chair stool sofa couch bench bed shelf lamp car truck lorry bus van "
        "bicycle bike motorcycle scooter train boat plane house building"
    )
)
"""What colour and noun after it are a part of ("jar red lid"); no names of shades ("sky blue")."""
SHADES: Final = frozenset((("bottle", "green"),))
"""Those of them that name a shade all the same."""
CROWDS: Final = word_set("group crowd herd flock pack bunch line row queue")
"""Words for many: "in the back of the group" is a place among them."""
YONDER: Final = frozenset(
    (place, where) for place in ("over", "out", "up", "down") for where in ("there", "here")
)
"""Said with a pointing finger."""
PICTURE: Final = word_set("image picture photo photograph pic frame screen scene view shot")
"""What is seen: "in the picture" tells nothing."""
SHOWN: Final = PICTURE - word_set("frame scene view shot")
"""A place in one of these is a place in the picture: "above the book in the picture"."""
NOT_LANDMARKS: Final = word_set(
    "image picture photo photograph frame screen scene view shot pic corner edge side end"
)
"""Heads that a relation may not have, for they are no things."""
SCENERY: Final = word_set("background foreground")
"""Places of things; by themselves no things ("the background")."""
NOT_SAID: Final = GENERIC_NOUNS | NOT_LANDMARKS | VIEWER | OTHER | SAME
"""Words that say nothing of what a thing looks like."""
SUPPORTS: Final = word_set("table desk floor ground counter tabletop surface worktop")
"""Surfaces on which everything stands: "on the table" tells nothing apart."""
ABSTRACT: Final = NOT_LANDMARKS | word_set(
    "background foreground front back top bottom middle center centre left right group lot bunch "
    "way kind sort type part half row line number variety couple pair set day night time other "
    "one ones thing something someone everything color colour shape size piece"
)
"""Caption nouns that say nothing of a thing and make no negative."""

RELATION_PHRASES: Final[dict[tuple[str, ...], R]] = {
    tuple(phrase.split()): kind
    for kind, phrases in {
        R.ABOVE: "above, over, up above, over top of, higher than, higher up than, further up "
        "than, farther up than",
        R.BELOW: "below, lower than, down below, lower down than, further down than, farther down "
        "than",
        R.UNDER: "under, underneath, beneath, underneath of",
        R.IN_FRONT_OF: "in front of, ahead of, before",
        R.BEHIND: "behind, in back of, beyond, past",
        R.NEXT_TO: (
            "next to, close to, near, near to, by, beside, besides, adjacent to, alongside, "
            "closest to, nearest to, nearest, closer to, nearer to, around, against, touching, "
            "at, side by side with, along with, together with, that touches, parallel to, "
            "parallel with"
        ),
        R.FAR_FROM: "far from, far away from, away from, furthest from, farthest from, "
        "furthest away from, farthest away from, further from, farther from, further away from, "
        "farther away from, distant from",
        R.ON: "on, on top of, top of, onto, upon, atop, leaning on",
        R.IN: "in, inside, inside of, within, into, among, amongst, contained in, contained by",
        R.CONTAINING: "containing, full of, filled with, holding, that holds, that contains, "
        "which holds, which contains, that hold, that contain",
        R.CARRYING: "carrying, supporting, that carries, which carries, that supports",
        R.WITH: "with, wearing, having, that has, which has, who has, that have, has, have, has "
        "got, that has got, that wears, who wears, whose",
        R.BETWEEN: "between, in between, halfway between, midway between",
    }.items()
    for phrase in phrases.split(", ")
}
RELATION_PHRASES_BY_FIRST: Final = _by_word(RELATION_PHRASES, 0)
RELATION_OF_DIRECTION: Final = {
    D.LEFT: R.LEFT_OF, D.RIGHT: R.RIGHT_OF, D.TOP: R.ON, D.BOTTOM: R.IN, D.MIDDLE: R.IN,
    D.FRONT: R.IN_FRONT_OF, D.BACK: R.BEHIND,
}  # fmt: skip
"""What "the … of the book" means when it has no landmark but a thing."""
RELATION_BESIDE: Final = {**RELATION_OF_DIRECTION, D.TOP: R.ABOVE, D.BOTTOM: R.BELOW}
"""The same beside another direction: "the top left of the book"."""
DIRECTION_OF_RELATION: Final = {
    R.ABOVE: D.TOP, R.BELOW: D.BOTTOM, R.BEHIND: D.BACK, R.IN_FRONT_OF: D.FRONT,
}  # fmt: skip
"""What a relation says without a landmark ("the one behind")."""
CONVERSE: Final = {
    R.LEFT_OF: R.RIGHT_OF, R.RIGHT_OF: R.LEFT_OF, R.ABOVE: R.BELOW, R.BELOW: R.ABOVE,
    R.UNDER: R.CARRYING, R.IN_FRONT_OF: R.BEHIND, R.BEHIND: R.IN_FRONT_OF, R.IN: R.CONTAINING,
    R.ON: R.CARRYING, R.CONTAINING: R.IN, R.CARRYING: R.ON, R.NEXT_TO: R.NEXT_TO,
    R.FAR_FROM: R.FAR_FROM,
}  # fmt: skip
"""What A is to B if B is to A as said: "the bowl with the ball *in* it" contains the ball."""
