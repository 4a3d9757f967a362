# SPDX-License-Identifier: Apache-2.0
"""Masks and names from elsewhere, under our language: with no network at all, and with a CLIP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import hand_made
import numpy as np
import pytest
from checkout import ROOT
from tiny_wordnet import SYNSETS, written

from refseg_ros import Conversation, Proposals, Segmenter, Status
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError, ImageError
from refseg_ros.language.caption_names import Naming
from refseg_ros.language.kinship import STRANGE, kinship
from refseg_ros.scene import Scene

SIZE = (100, 200)
IMAGE = np.zeros((*SIZE, 3), np.uint8)
PHOTOS = ROOT.parent / "shared" / "data" / "photos"

TABLE = {
    # name: x0, y0, x1, y1
    "cup": (10, 40, 30, 60),
    "cup ": (60, 42, 80, 62),
    "wine glass": (90, 30, 105, 62),
    "remote": (120, 50, 150, 60),
    "dining table": (0, 50, 170, 100),
    "person": (170, 5, 198, 90),
}


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_preset("given", "cpu")


def on_table(**changed: object) -> Proposals:
    boxes = np.array(list(TABLE.values()), np.float32)
    return replace(Proposals.from_boxes(boxes, SIZE, [name.strip() for name in TABLE]), **changed)


@pytest.fixture
def scene(segmenter: Segmenter) -> Scene:
    return segmenter.observe(IMAGE, proposals=on_table())


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("the left cup", (0,)),
        ("the cup next to the glass", (1,)),
        ("the cups", (0, 1)),
        ("the remote control", (3,)),
        ("the glass on the table", (2,)),
        ("the woman", (5,)),
        ("the table", (4,)),
        ("the cup which is not the leftmost", (1,)),
        ("the leftmost thing", (0,)),
        ("the thing right of the remote", (5,)),
    ],
)
def test_language_and_space_need_nothing_but_names(
    scene: Scene, said: str, wanted: tuple[int, ...]
) -> None:
    found = scene.select(said)
    assert sorted(found.indices) == sorted(wanted), found.reason
    assert found.status.has_target


def test_nothing_is_loaded(segmenter: Segmenter) -> None:
    assert segmenter.clip.dimension == 0
    assert not segmenter.has_captions
    assert segmenter.observe(IMAGE, proposals=on_table()).features.regions.shape == (6, 0)


def test_what_is_there_twice_is_asked_about(scene: Scene) -> None:
    found = scene.select("the cup")
    assert found.status is Status.AMBIGUOUS
    assert found.question == "Two cups: the left or the right one?"
    said = Conversation()
    said.ask(scene, "the cup")
    assert said.ask(scene, "the right one").indices == (1,)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("neither of the two cups", (2,)),
        ("none of the cups", (2,)),
        ("both cups", (0, 1)),
        ("both of the cups", (0, 1)),
        ("each of the cups", (0, 1)),
        ("every one of the cups", (0, 1)),
    ],
)
def test_how_many_of_a_kind(segmenter: Segmenter, said: str, wanted: tuple[int, ...]) -> None:
    boxes = [[0, 0, 20, 20], [50, 0, 70, 20], [100, 0, 120, 20]]
    scene = segmenter.observe(
        IMAGE, proposals=Proposals.from_boxes(boxes, SIZE, ["cup", "cup", "bowl"])
    )
    found = scene.select(said)
    assert sorted(found.indices) == sorted(wanted), found.reason
    assert scene.select("either of the two cups").status is Status.SELECTED
    assert len(scene.select("either of the two cups").indices) == 1


@pytest.mark.parametrize("said", ["something to iron with", "the instrument"])
def test_uses_and_kinds_that_nothing_tells_are_refused(scene: Scene, said: str) -> None:
    found = scene.select(said)
    assert found.status is Status.NOT_FOUND
    assert said.split()[-1] in found.reason or "to iron with" in found.reason


def test_kinds_and_uses_are_told_by_wordnet(tmp_path: Path) -> None:
    folder = written(tmp_path, SYNSETS)
    config = SegmenterConfig.from_preset("given")
    language = replace(config.language, kinds=f"wordnet:{folder}")
    informed = Segmenter.from_config(replace(config, language=language), Device.from_name("cpu"))
    boxes = [[0, 0, 20, 20], [50, 0, 70, 20], [100, 0, 120, 20]]
    scene = informed.observe(
        IMAGE, proposals=Proposals.from_boxes(boxes, SIZE, ["novel", "chisel", "bowl"])
    )
    assert scene.select("the instrument").indices == (1,)
    assert scene.select("something to cut wood with").indices == (1,)
    assert scene.select("the bowl right of the instrument").indices == (2,)
    assert scene.select("something to fly with").status is Status.NOT_FOUND


@pytest.mark.parametrize("said", ["the elephant", "the cup left of the elephant"])
def test_what_has_no_such_name_is_refused(scene: Scene, said: str) -> None:
    found = scene.select(said)
    assert found.status is Status.NOT_FOUND
    assert found.reason == "nothing in view is named 'elephant'"


def test_what_names_do_not_tell_lowers_the_status(scene: Scene) -> None:
    found = scene.select("the red remote")
    assert found.status is Status.AMBIGUOUS
    assert found.indices == (3,)
    assert "names alone do not show what is 'red'" in found.reason


def test_names_with_colours_tell_them(segmenter: Segmenter) -> None:
    boxes = [[0, 0, 20, 20], [50, 0, 70, 20], [100, 0, 120, 20]]
    given = Proposals.from_boxes(boxes, SIZE, ["red mug", "blue mug", "book"])
    scene = segmenter.observe(IMAGE, proposals=given)
    assert scene.select("the blue mug").indices == (1,)
    assert scene.select("the mug that is not blue").indices == (0,)
    assert scene.select("the green mug").status is Status.NOT_FOUND
    assert scene.select("the mug").question == "Two mugs: the red or the blue one?"


def test_a_low_score_counts_for_less(segmenter: Segmenter) -> None:
    scores = np.array([0.9, 0.1, 1, 1, 1, 1], np.float32)
    scene = segmenter.observe(IMAGE, proposals=on_table(scores=scores))
    assert scene.select("the cup").index == 0
    faint = segmenter.observe(IMAGE, proposals=on_table(scores=np.full(6, 0.02, np.float32)))
    assert faint.select("the remote").status is Status.NOT_FOUND


def test_without_names_only_places_can_be_said(segmenter: Segmenter) -> None:
    scene = segmenter.observe(IMAGE, proposals=on_table(names=()))
    assert scene.select("the rightmost thing").indices == (5,)
    assert scene.select("the cup").status is Status.NOT_FOUND


def test_what_has_no_name_is_taken_for_nothing_that_has(segmenter: Segmenter) -> None:
    names = ("", *on_table().names[1:])
    scene = segmenter.observe(IMAGE, proposals=on_table(names=names))
    found = scene.select("the cup")
    assert (found.status, found.indices) == (Status.SELECTED, (1,))
    assert scene.select("the leftmost thing").indices == (0,)


def test_nothing_given_is_nothing_found(segmenter: Segmenter) -> None:
    scene = segmenter.observe(IMAGE, proposals=Proposals.empty(*SIZE))
    assert scene.select("the cup").status is Status.NOT_FOUND
    with pytest.raises(ConfigError, match="the preset given finds none"):
        segmenter.observe(IMAGE)
    with pytest.raises(ImageError, match=r"masks are \(9, 9\), the image is \(100, 200\)"):
        segmenter.observe(IMAGE, proposals=Proposals(np.ones((1, 9, 9), np.bool_)))


def test_a_clip_is_asked_of_what_names_do_not_tell() -> None:
    blocks = hand_made.Blocks(
        ("red", (0, 0, 20, 20)), ("blue", (50, 0, 70, 20)), ("blue", (150, 0, 170, 20))
    )
    given = replace(blocks.proposals, names=("cup", "cup", "ball"))
    scene = hand_made.segmenter(blocks, "edge").observe(blocks.image, proposals=given)
    assert blocks.observed == 0
    assert scene.select("the blue cup").indices == (1,)
    assert scene.select("the cups").indices == (0, 1)
    # CLIP's text features tell nothing here: the nearest name is a guess, and said to be one.
    guessed = scene.select("the leftmost tumbler")
    assert guessed.status is Status.AMBIGUOUS
    assert "no thing is named 'tumbler'" in guessed.reason


def test_captions_are_made_of_what_has_no_name() -> None:
    blocks = hand_made.Blocks(("red", (0, 0, 20, 20)), ("blue", (50, 0, 70, 20)))
    segmenter = hand_made.segmenter(blocks, "fast")
    given = replace(blocks.proposals, names=("cup", ""))
    assert segmenter.observe(blocks.image, proposals=given).captions == ("cup", "a blue block")


@pytest.mark.parametrize("noun", ["table", "block"])
def test_a_table_that_a_caption_names_is_a_landmark_like_others(noun: str) -> None:
    blocks = hand_made.Blocks(("red", (20, 20, 40, 40)), ("blue", (10, 30, 90, 90)))
    scene = hand_made.segmenter(blocks, "fast", noun=noun).observe(blocks.image)
    found = scene.select("the red one on the blue table")
    assert found.reading is not None
    assert found.reading.expression.relations[0].on_support == (noun != "table")


def test_a_thing_is_found_again_by_its_name(segmenter: Segmenter) -> None:
    first = segmenter.observe(IMAGE, proposals=on_table())
    order = [5, 3, 1, 0, 2, 4]
    then = segmenter.observe(IMAGE, proposals=on_table().keep(order))
    said = Conversation()
    assert said.ask(first, "the remote").indices == (3,)
    assert said.ask(then, "the one left of it").status.has_target


def test_without_a_clip_nothing_else_may_be_weighed() -> None:
    config = SegmenterConfig.from_preset("given")
    with pytest.raises(ConfigError, match=r"clip\.model: without a CLIP"):
        replace(config, score=replace(config.score, positive=0.1))
    with pytest.raises(ConfigError, match=r"clip\.model: without a CLIP"):
        Segmenter.from_preset("given", "cpu", method="tas")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not beside this checkout")
@pytest.mark.parametrize("prompted", [False, True])
def test_photos_with_true_masks_and_class_names(segmenter: Segmenter, prompted: bool) -> None:
    from refseg_ros.backbones import torchvision_compat

    torchvision_compat.ensure()
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights as Weights

    scenes: dict[str, Scene] = {}
    talk, hits = Conversation(), []
    for row in json.loads((PHOTOS / "sentences.json").read_text(encoding="utf-8")):
        stem = f"{row['split']}_{row['image']:012d}"
        if stem not in scenes:
            image, given = _labelled(PHOTOS / stem, Weights.DEFAULT.meta["categories"])
            if prompted:  # by the nouns of each sentence, as a perfect text-prompted network
                points = hand_made.Still(replace(given, names=()))
                scenes[stem] = hand_made.asking(points, _Knowing(given), "given").observe(image)
            else:
                scenes[stem] = segmenter.observe(image, proposals=given)
        turn = row["text"].removeprefix("dialogue:").strip()
        asked = talk.ask if turn != row["text"] else Scene.select
        found = asked(scenes[stem], turn)
        want = row["want"]
        if want in ("amb", "none"):
            hits.append(found.status is {"amb": Status.AMBIGUOUS, "none": Status.NOT_FOUND}[want])
        else:
            things = scenes[stem].proposals.masks[want if isinstance(want, list) else [want]]
            hits.append(found.status.has_target and (found.mask == things.any(0)).all())
    print(f"{sum(hits)} of {len(hits)} sentences")
    assert len(hits) == 52
    assert sum(hits) >= (51 if prompted else 49)


class _Knowing:
    """A text-prompted network that finds all things of which a noun may be said."""

    def __init__(self, things: Proposals) -> None:
        self._things = things
        self._names = [Naming.of_caption(name) for name in things.names]

    def check_phrases(self, phrases: Sequence[str]) -> None:
        """Any will do."""

    def see(self, image: np.ndarray) -> None:
        """It knows already."""

    def concept_masks(
        self, seen: object, phrases: Sequence[str], thresh: float
    ) -> tuple[Proposals, ...]:
        return tuple(self._found(phrase) for phrase in phrases)

    def _found(self, phrase: str) -> Proposals:
        said = Naming.of_caption(phrase)
        near = [kinship(name, said) for name in self._names]
        found = self._things.keep([row for row, value in enumerate(near) if value > STRANGE])
        quality = np.array([value for value in near if value > STRANGE], np.float32)
        asked = {phrase: float(quality.max(initial=0.0))}
        return replace(found, names=(), quality=quality, scores=quality, asked=asked)


def _labelled(stem: Path, categories: list[str]) -> tuple[np.ndarray, Proposals]:
    """A photo, and its polygons of 30 pixels and more as a perfect detector has them."""
    bgr = cv2.imread(f"{stem}.jpg")
    assert bgr is not None
    masks, names = [], []
    for line in Path(f"{stem}.txt").read_text(encoding="utf-8").splitlines():
        category, *numbers = line.split()
        corners = np.array(numbers, float).reshape(-1, 2) * (bgr.shape[1], bgr.shape[0])
        mask = np.zeros(bgr.shape[:2], np.uint8)
        cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1)
        if mask.sum() >= 30:
            masks.append(mask.astype(bool))
            names.append(categories[int(category)])
    return bgr[..., ::-1].copy(), Proposals(np.stack(masks), names=tuple(names))
