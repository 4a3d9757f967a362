# SPDX-License-Identifier: Apache-2.0
"""Groups of nouns that name the same kind of thing in a household, and of colours; data only."""

from __future__ import annotations

from typing import Final

_GROUPS: Final = (
    "cube, block",
    "ball, sphere",
    "can, tin, soda can, tin can",
    "sofa, couch, settee",
    "tv, television, telly, tv set",
    "remote, remote control, controller",
    "phone, telephone, cellphone, smartphone, mobile phone, cell phone, mobile",
    "laptop, notebook computer, laptop computer",
    "bicycle, bike, cycle",
    "motorcycle, motorbike",
    "car, automobile, toy car",
    "plane, airplane, aeroplane, aircraft, jet",
    "man, guy, dude, gentleman, fellow, bloke",
    "woman, lady, gal",
    "child, kid, toddler",
    "boy, lad",
    "girl, lass",
    "dog, puppy, doggy, pup",
    "cat, kitten, kitty",
    "duck, duckling, rubber duck",
    "teddy, teddy bear, stuffed bear",
    "doughnut, donut",
    "ring, torus, hoop",
    "fridge, refrigerator, icebox",
    "trash can, bin, garbage can, dustbin, wastebasket, trashcan",
    "glasses, spectacles, eyeglasses",
    "book, paperback, hardcover",
    "tray, platter",
    "plate, dish, saucer plate",
    "jar, jam jar",
    "box, carton",
    "bag, sack",
    "mushroom, toadstool",
    "hammer, mallet",
    "teapot, tea pot",
    "pan, frying pan, skillet",
    "tap, faucet",
    "mobile robot, robot",
    "cushion, pillow",
    "rug, carpet, mat",
    "picture, painting",
    "person, human",
    "brick, toy brick, building brick",
    "flower, blossom",
    "ship, boat",
    "truck, lorry",
    "sweater, jumper, pullover",
)

GROUP_OF: Final = {
    name: members[0] for members in (group.split(", ") for group in _GROUPS) for name in members
}
"""Lemma, or two lemmas with a space, to the name of its group."""

_COLOURS: Final = (
    "red, crimson, scarlet",
    "orange",
    "yellow, golden, gold",
    "green, lime",
    "blue, navy, azure",
    "purple, violet",
    "pink, rose",
    "brown",
    "white",
    "black",
    "grey, gray, silver",
)

COLOUR_OF: Final = {
    name: members[0] for members in (group.split(", ") for group in _COLOURS) for name in members
}
"""Colour word to the basic colour that it is a shade of; only where people seldom differ."""
