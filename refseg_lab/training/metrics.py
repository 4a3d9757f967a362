# SPDX-License-Identifier: Apache-2.0
"""Measures each small model by itself on held-out scenes, with the true masks where it can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from refseg_lab.evaluation import mask_iou
from refseg_lab.evaluation.components import names_rightly
from refseg_lab.evaluation.measure import least_area
from refseg_lab.simulation.thing_names import plural
from refseg_lab.training import vocabulary
from refseg_lab.training.common import Image, Mask, Scenes, VisibleThing
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.config import ScoreConfig
from refseg_ros.methods.crops import region_images
from refseg_ros.proposals import Proposer
from refseg_ros.results import Proposals

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

_SEED = 1
VISIBLE = 200 / (640 * 480)
"""The share of an image from which on an object counts as visible."""


def click_in(mask: Mask, rng: np.random.Generator, *, central: float) -> tuple[int, int]:
    """x, y of a random pixel of a mask.

    Args:
        mask: (H, W) bool, not empty.
        rng: Source of chance.
        central: How likely it is far from the edge, at six tenths of the greatest distance.
    """
    where = mask
    if central and rng.random() < central:
        distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
        where = distance[1:-1, 1:-1] >= 0.6 * distance.max()
    rows, columns = np.nonzero(where)
    chosen = int(rng.integers(len(rows)))
    return int(columns[chosen]), int(rows[chosen])


def click_figures(sam: Sam, scenes: Scenes, count: int) -> dict[str, float]:
    """One random click on each object, masks at the image's resolution.

    Args:
        sam: The network.
        scenes: Held-out scenes.
        count: How many of them, from the first on.

    Returns:
        ``mIoU`` of the mask that the network itself ranks first, the share of objects for which
        it exceeds 0.5 and 0.75, and the mIoU of the best of the three.
    """
    torchvision_compat.ensure()
    from segment_anything import SamPredictor

    predictor, rng = SamPredictor(sam), np.random.default_rng(_SEED)
    first, best = [], []
    for row in range(min(count, len(scenes))):
        truth = [scenes.mask(thing) for thing in scenes.things[row]]
        if not truth:
            continue
        image = np.asarray(scenes.images[row])
        predictor.set_image(image)
        clicks = np.array([click_in(mask, rng, central=0.3) for mask in truth], np.float32)
        points = predictor.transform.apply_coords(clicks, image.shape[:2])
        with torch.inference_mode():
            masks, quality, _ = predictor.predict_torch(
                torch.as_tensor(points, dtype=torch.float32)[:, None], torch.ones(len(points), 1)
            )
        for found, ranks, mask in zip(masks.numpy(), quality, truth, strict=True):
            ious = [mask_iou(item, mask) for item in found]
            first.append(ious[int(ranks.argmax())])
            best.append(max(ious))
    return {
        "mIoU": float(np.mean(first)),
        "IoU > 0.5": float(np.mean(np.array(first) > 0.5)),
        "IoU > 0.75": float(np.mean(np.array(first) > 0.75)),
        "mIoU, best of 3": float(np.mean(best)),
    }


def proposal_figures(proposer: Proposer, scenes: Scenes, count: int) -> dict[str, float]:
    """The best proposal for each object: what no matcher can exceed.

    Args:
        proposer: Finds masks.
        scenes: Held-out scenes.
        count: How many of them, from the first on.

    Returns:
        ``mIoU`` of the best proposals, the shares of objects for which it exceeds 0.5 and 0.75,
        both over objects of at least 200 pixels at 640x480; and proposals for each of them.
    """
    best, proposals = [], 0
    pixels = scenes.instances.shape[1] * scenes.instances.shape[2]
    for row in range(min(count, len(scenes))):
        masks = proposer.propose(np.asarray(scenes.images[row])).masks
        proposals += len(masks)
        for thing in scenes.things[row]:
            if thing.area >= VISIBLE * pixels:
                truth = scenes.mask(thing)
                best.append(max((mask_iou(mask, truth) for mask in masks), default=0.0))
    return {
        "mIoU": float(np.mean(best)),
        "IoU > 0.5": float(np.mean(np.array(best) > 0.5)),
        "IoU > 0.75": float(np.mean(np.array(best) > 0.75)),
        "proposals per object": proposals / max(1, len(best)),
    }


def true_crops(
    scenes: Scenes, row: int, things: Sequence[VisibleThing], kernel: int = 0
) -> list[Image]:
    """The segmenter's crops of objects, made with their true masks.

    Args:
        scenes: Where they are.
        row: Row of the scene.
        things: Things of that scene, at least one.
        kernel: See :func:`refseg_ros.methods.crops.region_images`.
    """
    masks = np.stack([scenes.mask(thing) for thing in things])
    proposals = Proposals(masks, np.ones(len(masks), np.float32))
    return list(region_images(np.asarray(scenes.images[row]), proposals, kernel))


def visible(scenes: Scenes, row: int) -> tuple[VisibleThing, ...]:
    """The objects of a scene that count: of at least 200 pixels at 640x480."""
    least = least_area(*scenes.instances.shape[1:3])
    return tuple(thing for thing in scenes.things[row] if thing.area >= least)


def retrieval_figures(encoder: ClipEncoder, scenes: Scenes, count: int) -> dict[str, float]:
    """Which crop of a scene a text means, and which text of all a crop means.

    Args:
        encoder: The network as the segmenter uses it.
        scenes: Held-out scenes.
        count: How many of them, from the first on.

    Returns:
        Shares that are right: in each scene the crop for "the red mug" and for "the mug" (one
        question for each colour and category that is there), and for each crop its category and
        its colour among all that there are.
    """
    names = encoder.encode_texts(
        [f"the {vocabulary.NAMES[item][0]}" for item in vocabulary.CATEGORIES]
    )
    colours = encoder.encode_texts([f"the {colour} thing" for colour in vocabulary.COLOURS])
    right: dict[str, list[bool]] = defaultdict(list)
    for row in range(min(count, len(scenes))):
        things = visible(scenes, row)
        if not things:
            continue
        regions = encoder.encode_images(true_crops(scenes, row, things))
        looks = [(thing.colour, thing.category) for thing in things]
        for asked in sorted(set(looks)) if len(looks) > 1 else ():
            text = encoder.encode_texts([f"a {asked[0]} {vocabulary.NAMES[asked[1]][0]}"])[0]
            found = looks[int((regions @ text).argmax())]
            right["in scene, colour + category"].append(found == asked)
        for category in sorted({thing.category for thing in things}):
            text = names[vocabulary.CATEGORIES.index(category)]
            answer = things[int((regions @ text).argmax())]
            right["in scene, category"].append(answer.category == category)
        for thing, region in zip(things, regions, strict=True):
            named = vocabulary.CATEGORIES[int((names @ region).argmax())]
            right["category of 24"].append(named == thing.category)
            painted = vocabulary.COLOURS[int((colours @ region).argmax())]
            right["colour of 10"].append(painted == thing.colour)
    return _means(right)


def caption_figures(captioner: Captioner, scenes: Scenes, count: int) -> dict[str, float]:
    """What is said of each object and of whole images.

    Args:
        captioner: The network as the segmenter uses it, greedy.
        scenes: Held-out scenes.
        count: How many of them, from the first on.

    Returns:
        Shares of crops whose caption has both colour and category right, the colour, the
        category; of the categories of a scene's four largest objects the share that its caption
        names; and of scenes whose caption names no category that is not there.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    for row in range(min(count, len(scenes))):
        things = visible(scenes, row)
        if not things:
            continue
        captions = captioner.caption(true_crops(scenes, row, things, ScoreConfig().blur_kernel))
        for thing, caption in zip(things, captions, strict=True):
            right["colour and category"].append(
                names_rightly(caption, (thing.colour, thing.category))
            )
            right["colour"].append(thing.colour in caption.split())
            right["category"].append(vocabulary.NAMES[thing.category][0] in caption.split())
        (whole,) = captioner.caption([np.asarray(scenes.images[row])])
        said = whole.replace(",", " ").split()
        for category in _largest_categories(things):
            name = vocabulary.NAMES[category][0]
            right["scene nouns"].append(name in said or plural(name) in said)
        wrong = {word for word in said if word in _NOUNS} - {
            form for thing in things for form in _forms(thing.category)
        }
        right["scenes with no wrong noun"].append(not wrong)
    return _means(right)


def _forms(category: str) -> tuple[str, str]:
    name = vocabulary.NAMES[category][0]
    return name, plural(name)


_NOUNS = frozenset(form for category in vocabulary.CATEGORIES for form in _forms(category))


def _largest_categories(things: tuple[VisibleThing, ...]) -> set[str]:
    largest = sorted(things, key=lambda thing: thing.area, reverse=True)[:4]
    return {thing.category for thing in largest}


def _means(right: Mapping[str, list[bool]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in right.items()}
