# SPDX-License-Identifier: Apache-2.0
"""Logical forms: what a referring expression says, apart from its words.

A noun phrase is a kind of thing and modifiers, which are applied in their order: "the second duck
from the left that is not red" ranks all ducks, and so is written differently from the second of
the ducks that are not red. `refseg_lab.simulation.logic` decides what each form is true of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

#: Halves and quarters of the picture and its middle, as the viewer sees them.
PLACES: Final = (
    "left",
    "right",
    "top",
    "bottom",
    "middle",
    "top left",
    "top right",
    "bottom left",
    "bottom right",
)
#: Relations to one other thing.
RELATIONS: Final = (
    "left_of",
    "right_of",
    "above",
    "below",
    "next_to",
    "in_front_of",
    "behind",
    "in",
    "on",
)
#: What things can be ranked by: from a side of the picture, by distance from the camera, by size.
ORDERS: Final = ("left", "right", "top", "bottom", "near", "far", "big", "small", "tall")


@dataclass(frozen=True)
class Place:
    """Where in the picture: one of `PLACES`."""

    where: str

    def __post_init__(self) -> None:
        _check("where", self.where, PLACES)


@dataclass(frozen=True)
class Relation:
    """How it stands to the one thing that the anchor means: one of `RELATIONS`."""

    kind: str
    anchor: NounPhrase

    def __post_init__(self) -> None:
        _check("kind", self.kind, RELATIONS)


@dataclass(frozen=True)
class Between:
    """Between two things."""

    first: NounPhrase
    second: NounPhrase


@dataclass(frozen=True)
class OnTable:
    """Directly on the table, neither on nor in another thing."""


@dataclass(frozen=True)
class Rank:
    """The rank-th (1 is the first) in one of `ORDERS` among what is said so far."""

    order: str
    rank: int = 1

    def __post_init__(self) -> None:
        _check("order", self.order, ORDERS)
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")


@dataclass(frozen=True)
class Colour:
    """True of things of that colour; there to be negated."""

    colour: str


@dataclass(frozen=True)
class Not:
    """That this does not hold."""

    of: Colour | Relation


Modifier = Place | Relation | Between | OnTable | Rank | Not


@dataclass(frozen=True)
class NounPhrase:
    """Things of a kind.

    Attributes:
        category: a category, or "" for a thing of any kind.
        colour: a colour, or "" for any.
        size: "big", "small", or "" for any.
        modifiers: further conditions, applied in this order.
        count: 1 for the only such thing, 2 or more for exactly that many, 0 for all (two or more).
    """

    category: str = ""
    colour: str = ""
    size: str = ""
    modifiers: tuple[Modifier, ...] = ()
    count: int = 1

    def __post_init__(self) -> None:
        _check("size", self.size, ("", "big", "small"))
        if self.count < 0:
            raise ValueError(f"count must be at least 0, got {self.count}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; each part tells its class as "form"."""
        return _plain(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NounPhrase:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a part is unknown or a value not allowed.
        """
        read = _read(data)
        if not isinstance(read, NounPhrase):
            raise ValueError(f"form must be a NounPhrase, got {read!r}")
        return read


_PARTS: Final[dict[str, type]] = {
    kind.__name__: kind
    for kind in (NounPhrase, Place, Relation, Between, OnTable, Rank, Not, Colour)
}


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _plain(part: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"form": type(part).__name__}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, tuple):
            value = [_plain(entry) for entry in value]
        elif type(value) in _PARTS.values():
            value = _plain(value)
        values[field.name] = value
    return values


def _read(data: Any) -> Any:
    if not isinstance(data, Mapping):
        return tuple(_read(entry) for entry in data) if isinstance(data, list) else data
    values = {key: _read(value) for key, value in data.items() if key != "form"}
    kind = _PARTS.get(str(data.get("form")))
    if kind is None:
        raise ValueError(f"form must be one of {', '.join(_PARTS)}, got {data.get('form')!r}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"not the fields of a {kind.__name__}: {error}") from error
