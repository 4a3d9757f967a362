# SPDX-License-Identifier: Apache-2.0
"""Detections from elsewhere: read, and paired with their images by stamp."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.ros.conversions import to_image
from refseg_ros.ros.detections import KEPT, MOST, Detections, given_in, to_proposals

SIZE = (20, 30)


def header(stamp: int) -> Header:
    made = Header()
    made.stamp.sec = stamp
    return made


def detection(
    name: str, x: float, y: float, width: float, height: float, score: float = 0.9, turn: float = 0
) -> SimpleNamespace:
    """As vision_msgs has it."""
    hypotheses = [(name, score), ("something else", score / 2)][: 2 if score else 1]
    results = [
        SimpleNamespace(hypothesis=SimpleNamespace(class_id=name, score=value))
        for name, value in reversed(hypotheses)
    ]
    place = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=turn)
    box = SimpleNamespace(center=place, size_x=width, size_y=height)
    return SimpleNamespace(results=results, bbox=box)


def array(stamp: int, *detections: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(header=header(stamp), detections=list(detections))


def image(stamp: int) -> Any:
    return to_image(np.zeros((*SIZE, 3), np.uint8), "rgb8", header(stamp))


def test_boxes_are_masks_with_names_and_scores() -> None:
    found = to_proposals(
        array(1, detection("cup", 5, 5, 4, 2), detection("7", 20, 10, 6, 6, 0.0)), None, SIZE
    )
    assert found.boxes.tolist() == [[3, 4, 7, 6], [17, 7, 23, 13]]
    assert found.areas.tolist() == [8, 36]
    # A number is no name, and no score is one that was not filled in.
    assert found.names == ("cup", "")
    assert found.scores.tolist() == pytest.approx([0.9, 1.0])


def test_a_turned_box_is_the_upright_one_about_it() -> None:
    found = to_proposals(array(1, detection("pen", 15, 10, 10, 2, turn=math.pi / 2)), None, SIZE)
    assert found.boxes.tolist() == [[14, 5, 16, 15]]


@pytest.mark.parametrize(
    "outside",
    [(-50, 5, 4, 4), (5, 5, 0, 0), (5, 5, -4, 4), (math.nan, 5, 4, 4), (5, 5, math.inf, 4)],
)
def test_what_shows_no_pixel_is_left_out(outside: tuple[float, ...]) -> None:
    found = to_proposals(
        array(1, detection("ghost", *outside), detection("cup", 5, 5, 4, 2)), None, SIZE
    )
    assert found.names == ("cup",)
    assert len(to_proposals(array(1, detection("ghost", *outside)), None, SIZE)) == 0


@pytest.mark.parametrize("encoding", ["mono8", "8UC1", "16UC1", "32SC1"])
def test_masks_come_from_the_label_image(encoding: str) -> None:
    labels = np.zeros(SIZE, {"16UC1": np.uint16, "32SC1": np.int32}.get(encoding, np.uint8))
    labels[2:4, 3:9] = 2
    both = array(1, detection("hidden", 5, 5, 4, 2), detection("cup", 0, 0, 1, 1))
    found = to_proposals(both, to_image(labels, encoding, header(1)), SIZE)
    assert found.names == ("cup",)
    assert found.boxes.tolist() == [[3, 2, 9, 4]]


def test_what_cannot_be_meant_is_refused() -> None:
    one = array(1, detection("cup", 5, 5, 4, 2))
    with pytest.raises(ImageError, match="label image: 30x10, the image is 30x20"):
        to_proposals(one, to_image(np.zeros((10, 30), np.uint8), "mono8", header(1)), SIZE)
    with pytest.raises(ImageError, match="'rgb8' is not a label image; send mono8"):
        to_proposals(one, image(1), SIZE)
    with pytest.raises(ImageError, match=r"a score of 87 is not in \[0, 1\]"):
        to_proposals(array(1, detection("cup", 5, 5, 4, 2, 87.0)), None, SIZE)
    with pytest.raises(ImageError, match="501 of one image; at most 500"):
        to_proposals(array(1, *[detection("cup", 5, 5, 4, 2)] * (MOST + 1)), None, SIZE)


def call(**fields: Any) -> SimpleNamespace:
    """As a request of the service has it."""
    without = {"image": image(1), "labels": Image(), "names": [], "scores": []}
    return SimpleNamespace(**{**without, **fields})


def test_a_call_may_bring_masks_and_names() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[2:4, 3:9] = 2
    shown = to_image(labels, "mono8", header(1))
    assert given_in(call()) is None
    found = given_in(call(labels=shown, names=["hidden", "cup"]))
    assert found is not None
    assert found.names == ("cup",)
    assert found.boxes.tolist() == [[3, 2, 9, 4]]
    assert found.scores.tolist() == [1.0]
    scored = given_in(call(labels=shown, names=["hidden", "7"], scores=[0.2, 0.5]))
    assert scored is not None
    assert (scored.names, scored.scores.tolist()) == (("",), [0.5])
    nothing = given_in(call(labels=to_image(np.zeros(SIZE, np.uint8), "mono8", header(1))))
    assert nothing is not None
    assert len(nothing) == 0
    for wrong, says in (
        (call(labels=shown, names=["cup"]), "a pixel is 2, of 1 things"),
        (call(labels=shown, names=["a", "b"], scores=[0.5]), "1 for 2 names"),
        (call(labels=shown, names=["a", "b"], scores=[0.5, 1.5]), r"1.5 is not in \[0, 1\]"),
        (call(labels=shown, names=["a", "b"], image=Image()), "there is none"),
        (call(names=["a"]), "not a label image"),
    ):
        with pytest.raises(ImageError, match=says):
            given_in(wrong)


def test_an_image_waits_for_what_carries_its_stamp() -> None:
    seen: list[Any] = []
    store = Detections("masks", seen.append)
    first, second = image(1), image(2)
    store.put_image(first)
    store.put_image(second)
    store.put_found(array(2, detection("cup", 5, 5, 4, 2)))
    assert seen == []
    labels = np.zeros(SIZE, np.uint8)
    labels[0, 0] = 1
    store.put_labels(to_image(labels, "mono8", header(2)))
    assert seen == [second]
    found = store.of(second.header, SIZE)
    assert found is not None
    assert found.names == ("cup",)
    with pytest.raises(ImageError, match="no detections came with the stamp of this image"):
        store.of(first.header, SIZE)
    store.put_found(array(1))
    with pytest.raises(ImageError, match="no label image of detections came"):
        store.of(first.header, SIZE)


def test_detections_may_come_before_their_image_and_old_ones_go() -> None:
    seen: list[Any] = []
    store = Detections("boxes", seen.append)
    store.put_found(array(1))
    for stamp in range(2, KEPT + 2):
        store.put_found(array(stamp))
    store.put_image(image(1))
    assert seen == []
    store.put_image(image(2 + 1))
    assert len(seen) == 1


def test_off_lets_everything_through() -> None:
    seen: list[Any] = []
    store = Detections("off", seen.append)
    store.put_image(image(1))
    assert len(seen) == 1
    assert store.of(header(1), SIZE) is None
