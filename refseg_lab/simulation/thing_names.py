# SPDX-License-Identifier: Apache-2.0
"""What things are called: the one table of names, for expressions and for training texts.

A cup has no handle and is not a mug; a brick has studs and is not a cube. Names that a listener
could give to the wrong thing are listed in `NEAR`: they are avoided where both are in the scene.
"""

from __future__ import annotations

from collections.abc import Collection

#: Category to its names; the first is the plain one.
NAMES: dict[str, tuple[str, ...]] = {
    "mug": ("mug",),
    "cup": ("cup", "paper cup"),
    "bowl": ("bowl",),
    "plate": ("plate", "dish"),
    "bottle": ("bottle",),
    "can": ("can", "soda can", "tin"),
    "ball": ("ball",),
    "cube": ("cube", "block"),
    "cone": ("cone", "traffic cone"),
    "pyramid": ("pyramid",),
    "banana": ("banana",),
    "pear": ("pear",),
    "star": ("star",),
    "heart": ("heart",),
    "spoon": ("spoon",),
    "book": ("book",),
    "duck": ("duck", "rubber duck", "toy duck"),
    "ring": ("ring", "hoop"),
    "tray": ("tray",),
    "brick": ("brick", "lego brick", "toy brick"),
    "car": ("car", "toy car"),
    "mushroom": ("mushroom", "toadstool"),
    "hammer": ("hammer",),
    "teapot": ("teapot", "tea pot"),
}
#: Name to the categories that a listener might also understand by it.
NEAR: dict[str, tuple[str, ...]] = {
    "mug": ("cup",),
    "cup": ("mug",),
    "bowl": ("plate",),
    "plate": ("bowl", "tray"),
    "dish": ("bowl", "tray"),
    "block": ("brick", "pyramid"),
    "cube": ("brick",),
    "brick": ("cube",),
    "toy brick": ("cube",),
    "tray": ("plate",),
    "bottle": ("hourglass",),
    "cone": ("pyramid", "bell"),
    "pyramid": ("cone", "house"),
    "ring": ("crown",),
    "hoop": ("crown",),
}
#: Other words for colours.
COLOUR_NAMES: dict[str, tuple[str, ...]] = {"purple": ("purple", "violet")}
#: Colours that one may be taken for in poor light, in either order.
NEAR_COLOURS = frozenset(
    frozenset(pair)
    for pair in (
        ("red", "orange"),
        ("red", "brown"),
        ("red", "pink"),
        ("orange", "brown"),
        ("orange", "yellow"),
        ("pink", "purple"),
        ("blue", "purple"),
        ("brown", "black"),
    )
)
#: Nouns for a thing of no named kind; the first is the plain one.
GENERIC = ("thing", "object", "item")
#: Words for a named size; the first is the plain one.
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "big": ("big", "large"),
    "small": ("small", "little"),
}


def plural(name: str) -> str:
    """The plural of a name: "dishes", "toy cars"."""
    return f"{name}es" if name.endswith(("sh", "ch", "s", "x")) else f"{name}s"


def safe_names(category: str, present: Collection[str]) -> tuple[str, ...]:
    """The names of a category that no other category in the scene could be given, never none.

    Args:
        category: a key of `NAMES`.
        present: categories in the scene.
    """
    first, *others = NAMES[category]
    return (
        first,
        *(name for name in others if not set(NEAR.get(name, ())) & set(present)),
    )


def mistakable(category: str) -> frozenset[str]:
    """Categories that a listener might also understand by the plain name of one."""
    return frozenset(NEAR.get(NAMES[category][0], ()))
