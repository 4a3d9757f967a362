# SPDX-License-Identifier: Apache-2.0
"""The spatial rectifier of TAS: best candidate of the half or quadrant that the sentence names.

Suo et al., Findings of EMNLP 2023. :func:`rectify_released` follows the released code to the
letter. :func:`rectify` is the same geometry driven by our parse of whole tokens, and only by
positions of the thing meant, never by "left of" another thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refseg_ros.language import Direction
from refseg_ros.language.tas.entities import ABOVE, BELOW, LEFT, RIGHT, Entity, EntityRelation
from refseg_ros.results import BoolMasks, FloatArray, sums_from_masks


@dataclass(frozen=True)
class Rectification:
    """A choice among the candidates.

    Attributes:
        index: The chosen candidate; None if and only if there are no candidates.
        eligible: (N,) bool, the candidates among which it was chosen.
        reason: Why, in words.
    """

    index: int | None
    eligible: NDArray[np.bool_]
    reason: str


def check_candidates(
    weights: ArrayLike, centroids: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (N,) and centroids (N, 2) as float64.

    Raises:
        ValueError: The shapes do not agree, or a number is not finite.
    """
    checked = np.asarray(weights, np.float64)
    places = np.asarray(centroids, np.float64)
    if checked.ndim != 1:
        raise ValueError(f"weights: expected (N,), got {checked.shape}")
    if places.shape != (len(checked), 2):
        raise ValueError(f"centroids: expected ({len(checked)}, 2), got {places.shape}")
    if not (np.isfinite(checked).all() and np.isfinite(places).all()):
        raise ValueError("weights and centroids: every number must be finite")
    return checked, places


def best(weights: NDArray[np.float64], eligible: NDArray[np.bool_]) -> int:
    """The eligible candidate of greatest weight, the first of equals; at least one is eligible."""
    return int(np.argmax(np.where(eligible, weights, -np.inf)))


def rectify(
    weights: ArrayLike, centroids: ArrayLike, directions: Sequence[Direction]
) -> Rectification:
    """Choose the best candidate of a half or quadrant of the image.

    The borders are the medians of the candidates' centroids: top is row < median, left is
    column < median; what lies on a median is bottom or right. Top wins over bottom and left over
    right where both are named. Positions that the paper does not know (middle, front, back) change
    nothing; an empty half or quadrant leaves the candidate of greatest weight. "leftmost" is read
    as "left", as in the paper; see :func:`refseg_ros.spatial.rank_extreme`.

    Args:
        weights: (N,) finite scores; only their order counts.
        centroids: (N, 2) row, column in pixels.
        directions: Positions that were said.

    Returns:
        The choice.

    Raises:
        ValueError: The shapes do not agree, or a number is not finite.
    """
    scores, places = check_candidates(weights, centroids)
    everything = np.ones(len(scores), np.bool_)
    if not len(scores):
        return Rectification(None, everything, "there are no candidates")
    rows, columns = places[:, 0], places[:, 1]
    inside, names = everything.copy(), []
    if Direction.TOP in directions:
        inside &= rows < np.median(rows)
        names.append("top")
    elif Direction.BOTTOM in directions:
        inside &= rows >= np.median(rows)
        names.append("bottom")
    if Direction.LEFT in directions:
        inside &= columns < np.median(columns)
        names.append("left")
    elif Direction.RIGHT in directions:
        inside &= columns >= np.median(columns)
        names.append("right")
    if not names:
        return Rectification(best(scores, everything), everything, "no position was named")
    return _chosen(best(scores, inside if inside.any() else everything), inside, " ".join(names))


def _chosen(index: int, inside: NDArray[np.bool_], part: str) -> Rectification:
    """The choice of a candidate for a half or quadrant, which may be without candidates."""
    if not inside[index]:
        reason = f"no candidate lies {part}, so the position was ignored"
        return Rectification(index, np.ones(len(inside), np.bool_), reason)
    reason = f"best of the {inside.sum()} of {len(inside)} candidates that lie {part}"
    return Rectification(index, inside, reason)


def integer_centroids(masks: BoolMasks, boxes: FloatArray | None = None) -> NDArray[np.int64]:
    """Mean row and column of masks, rounded down as in the released code.

    Args:
        masks: (N, H, W) bool, none empty.
        boxes: See :func:`refseg_ros.results.sums_from_masks`.

    Returns:
        (N, 2) row, column in pixels.
    """
    sums = sums_from_masks(masks, boxes)
    centroids: NDArray[np.int64] = sums[:, 1:] // np.maximum(sums[:, :1], 1)
    return centroids


Part = tuple[Direction, ...]
"""A half of the picture, or a quadrant: vertical before horizontal."""
_TOP, _BOTTOM, _LEFT, _RIGHT = (
    Direction.TOP,
    Direction.BOTTOM,
    Direction.LEFT,
    Direction.RIGHT,
)


def said_part(entity: Entity | None) -> Part:
    """Where the released rules look for an entity.

    They act where the entity's head is the target phrase, and there are either superlatives or
    relations but not both. Superlatives: by parts of words anywhere in the sentence ("laptop" says
    top). Relations: by the first connecting word that is a direction, if the other entity is
    called as the head or its text contains that word ("the left"), with parts of words for the
    other axis. Of several relations the last that says anything counts.

    Args:
        entity: The sentence's entity; None if there is none.

    Returns:
        A half or quadrant; () leaves the choice as it is.
    """
    if entity is None or entity.head != entity.target:
        return ()
    if entity.superlatives and not entity.relations:
        return _part_of_words(entity.sentence)
    part: Part = ()
    if entity.relations and not entity.superlatives:
        for relation in entity.relations:
            if relation.other in entity.chunks:
                part = _part_of_relation(relation, entity) or part
    return part


def _contains(sentence: str, words: frozenset[str]) -> bool:
    """Whether any of the words is in the sentence, be it inside another word."""
    return any(word in sentence for word in words)


def _across(sentence: str) -> Part:
    if _contains(sentence, LEFT):
        return (_LEFT,)
    return (_RIGHT,) if _contains(sentence, RIGHT) else ()


def _part_of_words(sentence: str) -> Part:
    down = frozenset(("below", "south", "underneath"))
    vertical: Part = (_TOP,) if _contains(sentence, ABOVE) else ()
    if not vertical and _contains(sentence, down):
        vertical = (_BOTTOM,)
    return vertical + _across(sentence)


def _part_of_relation(relation: EntityRelation, entity: Entity) -> Part:
    word = next((word for word in relation.words if word in LEFT | RIGHT | ABOVE | BELOW), "")
    if not word or (relation.other != entity.head and word not in relation.other):
        return ()
    if word in ABOVE | BELOW:
        return ((_TOP,) if word in ABOVE else (_BOTTOM,)) + _across(entity.sentence)
    horizontal = (_LEFT,) if word in LEFT else (_RIGHT,)
    if _contains(entity.sentence, ABOVE):
        return (_TOP, *horizontal)
    return (_BOTTOM, *horizontal) if _contains(entity.sentence, BELOW) else horizontal


_QUADRANTS: Final = ((_TOP, _LEFT), (_BOTTOM, _LEFT), (_TOP, _RIGHT), (_BOTTOM, _RIGHT))


def rectify_released(
    weights: ArrayLike, centroids: ArrayLike, entity: Entity | None
) -> Rectification:
    """Choose as the released code does: the best of the half or quadrant of :func:`said_part`.

    The borders are the medians of the candidates' centroids; what lies on one is bottom or right.
    A quadrant without candidates stands with weight 0 and the best candidate of all. A half takes
    the better of its quadrants: of equals the right one, or the bottom one.

    Args:
        weights: (N,) finite scores; only their order counts, and that they are positive.
        centroids: (N, 2) row, column, see :func:`integer_centroids`.
        entity: The sentence's entity; None if there is none.

    Returns:
        The choice.

    Raises:
        ValueError: The shapes do not agree, or a number is not finite.
    """
    scores, places = check_candidates(weights, centroids)
    everything = np.ones(len(scores), np.bool_)
    if not len(scores):
        return Rectification(None, everything, "there are no candidates")
    overall = best(scores, everything)
    part = said_part(entity)
    if not part:
        return Rectification(overall, everything, "")
    low, right = places[:, 0] >= np.median(places[:, 0]), places[:, 1] >= np.median(places[:, 1])
    inside = np.zeros(len(scores), np.bool_)
    index, leading = overall, -np.inf
    for vertical, horizontal in _QUADRANTS:
        if not {vertical, horizontal}.issuperset(part):
            continue
        quadrant = (low == (vertical is _BOTTOM)) & (right == (horizontal is _RIGHT))
        inside |= quadrant
        own = best(scores, quadrant) if quadrant.any() else overall
        weight = scores[own] if quadrant.any() else 0.0
        if weight >= leading:
            index, leading = own, weight
    return _chosen(index, inside, " ".join(direction.value for direction in part))
