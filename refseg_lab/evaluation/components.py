# SPDX-License-Identifier: Apache-2.0
"""How good the matching and the captioning network are by themselves, on true masks.

Both figures go over the visible objects of a scene, those of at least 200 pixels at 640x480, and
through the segmenter's own crops and encoders. An object of a category that no expression names
can be mistaken for another, but is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from refseg_lab.evaluation.measure import least_area
from refseg_lab.simulation.thing_names import COLOUR_NAMES, NAMES
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from refseg_lab.simulation.benchmark import TabletopScene
    from refseg_ros.segmenter import Segmenter

Look = tuple[str, str]
"""Colour and category."""
Counts = tuple[list[int], list[int]]
"""For each scene how many are right, and of how many."""


def crop_retrieval(segmenter: Segmenter, scenes: Iterable[TabletopScene]) -> Counts:
    """How often "a COLOUR CATEGORY" finds such an object by its black-background crop.

    Args:
        segmenter: Its crops and its CLIP are measured.
        scenes: Scenes of the benchmark.

    Returns:
        For each scene the right answers and the questions: one for each colour and category
        that is there. With fewer than two objects in the picture there is nothing to choose.
    """
    right, asked = [], []
    for scene in scenes:
        masks, looks = visible_objects(scene.frame.instances, _looks(scene))
        hits, questions = retrieval_counts(segmenter, scene.frame.rgb, masks, looks)
        right.append(hits)
        asked.append(questions)
    return right, asked


def caption_accuracy(segmenter: Segmenter, scenes: Iterable[TabletopScene]) -> Counts:
    """How often the caption of an object's crop has both its colour and its category.

    Args:
        segmenter: Its crops and its captioner are measured.
        scenes: Scenes of the benchmark.

    Returns:
        For each scene the captions that are right, and the objects that have a name.

    Raises:
        ValueError: The segmenter has no captioner.
    """
    right, asked = [], []
    for scene in scenes:
        masks, looks = visible_objects(scene.frame.instances, _looks(scene))
        captions = region_captions(segmenter, scene.frame.rgb, masks)
        named = [
            names_rightly(caption, look)
            for caption, look in zip(captions, looks, strict=True)
            if look[1] in NAMES
        ]
        right.append(sum(named))
        asked.append(len(named))
    return right, asked


def _looks(scene: TabletopScene) -> list[Look]:
    return [(item.colour, item.category) for item in scene.spec.objects]


def visible_objects(
    instances: NDArray[np.uint8], looks: Sequence[Look]
) -> tuple[NDArray[np.bool_], list[Look]]:
    """The objects that count, in their order.

    Args:
        instances: (H, W) uint8, object number from 1 on, 0 elsewhere.
        looks: Looks of all objects, starting with number 1.

    Returns:
        (K, H, W) bool masks, and what each looks like.
    """
    least = least_area(*instances.shape)
    areas = np.bincount(instances.ravel(), minlength=len(looks) + 1)[1 : len(looks) + 1]
    numbers = np.flatnonzero(areas >= least)
    seen = [looks[row] for row in numbers.tolist()]
    return instances[None] == (numbers + 1)[:, None, None], seen


def retrieval_counts(
    segmenter: Segmenter,
    image: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    looks: Sequence[Look],
) -> tuple[int, int]:
    """Right answers and questions of one picture.

    Args:
        segmenter: Its crops and its CLIP.
        image: (H, W, 3) uint8 RGB.
        masks: (K, H, W) bool, none empty.
        looks: Colour and category of each.
    """
    questions = sorted({look for look in looks if look[1] in NAMES})
    if len(looks) < 2 or not questions:
        return 0, 0
    regions = segmenter.region_features(image, _proposals(masks))
    texts = segmenter.clip.encode_texts(
        [f"a {colour} {kind}" for colour, kind in _plain(questions)]
    )
    answers = (texts @ regions.T).argmax(1).tolist()
    hits = [looks[answer] == asked for answer, asked in zip(answers, questions, strict=True)]
    return sum(hits), len(hits)


def _plain(looks: Sequence[Look]) -> list[Look]:
    return [(colour, NAMES[category][0]) for colour, category in looks]


def region_captions(
    segmenter: Segmenter, image: NDArray[np.uint8], masks: NDArray[np.bool_]
) -> tuple[str, ...]:
    """The segmenter's caption for each region.

    Raises:
        ValueError: The segmenter has no captioner.
    """
    if not segmenter.has_captions:
        raise ValueError(f"segmenter: {segmenter.description} has no captioner to be measured")
    return segmenter.region_captions(image, _proposals(masks)) if len(masks) else ()


def names_rightly(caption: str, look: Look) -> bool:
    """Whether a caption has the colour and the category, by any of their names."""
    colour, category = look
    padded = f" {' '.join(caption.lower().replace(',', ' ').split())} "
    colours = COLOUR_NAMES.get(colour, (colour,))
    return any(f" {name} " in padded for name in colours) and any(
        f" {name} " in padded for name in NAMES[category]
    )


def _proposals(masks: NDArray[np.bool_]) -> Proposals:
    return Proposals(masks, np.ones(len(masks), np.float32))
