# SPDX-License-Identifier: Apache-2.0
"""Detections, label info and the compressed mask, in the types that other nodes know."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from generated_messages import vision_msgs
from std_msgs.msg import Header
from table_rays import K, rendered

from refseg_ros.language import NounPhrase
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.ros import standard

HEADER = Header(frame_id="camera")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with vision_msgs(tmp_path_factory.mktemp("vision_msgs")) as module:
        yield module


def proposals(**values: Any) -> Proposals:
    masks = np.zeros((3, 20, 30), np.bool_)
    masks[0, 2:6, 4:10] = masks[1, 10:20, 0:8] = masks[2, 0:5, 20:30] = True
    return Proposals(masks, **values)


def scene(found: Proposals) -> Any:
    names = (NounPhrase(head="mug"), None, NounPhrase(head="book"))
    return SimpleNamespace(proposals=found, so_far=SimpleNamespace(names=names))


def answer(found: Proposals, *rows: int, shares: dict[int, float]) -> Selection:
    candidates = tuple(
        Candidate(row, share, {}, True, found.boxes[row], int(found.areas[row]))
        for row, share in shares.items()
    )
    mask = found.masks[list(rows)].any(0)
    return Selection(
        *("the mug", Status.SELECTED, "why", mask, found.boxes[rows[0]], 0.9, 0.5, rows[0]),
        candidates,
        {},
        rows,
        proposals=found,
    )


def test_the_target_is_the_first_detection_and_then_the_best(kinds: ModuleType) -> None:
    seen = proposals()
    # Chosen by its place, although another has more of the score.
    told = standard.found_in(scene(seen), answer(seen, 2, shares={0: 0.6, 2: 0.3, 1: 0.1}))
    names = standard.class_names(scene(seen), seen)
    message = standard.to_detections(kinds, *told, names, HEADER)
    assert message.header == HEADER
    assert [item.id for item in message.detections] == ["3", "1", "2"]
    guesses = [item.results[0].hypothesis for item in message.detections]
    assert [guess.class_id for guess in guesses] == ["book", "mug", ""]
    assert [guess.score for guess in guesses] == [0.3, 0.6, 0.1]
    box = message.detections[1].bbox
    assert (box.center.position.x, box.center.position.y) == (7.0, 4.0)
    assert (box.size_x, box.size_y) == (6.0, 4.0)


def test_of_several_targets_all_come_first() -> None:
    seen = proposals()
    given = answer(seen, 1, 2, shares={0: 0.6, 2: 0.2, 1: 0.2})
    assert [row for row, _ in standard.found_in(scene(seen), given)[1]] == [1, 2, 0]


def test_without_an_answer_all_are_told_with_what_their_source_says() -> None:
    seen = proposals(scores=np.array([0.5, 1.0, 0.25], np.float32))
    assert standard.found_in(scene(seen), None) == (seen, [(0, 0.5), (1, 1.0), (2, 0.25)])
    refused = Selection.none("the zebra", Status.NOT_FOUND, "none", (20, 30))
    assert standard.found_in(scene(seen), refused) == (seen, [(0, 0.0), (1, 0.0), (2, 0.0)])


def test_names_of_a_detector_come_before_those_of_captions() -> None:
    named = proposals(names=("cup", "box", ""))
    assert standard.class_names(scene(named), named) == ["cup", "box", "book"]
    # Those that were drawn for a sentence are not those of the scene.
    assert standard.class_names(scene(proposals()), named) == ["cup", "box", ""]


def test_label_info_names_each_value_of_the_label_image(kinds: ModuleType) -> None:
    info = standard.to_label_info(kinds, ["mug", "", "book"], HEADER)
    assert info.header == HEADER
    assert {item.class_id: item.class_name for item in info.class_map} == {
        1: "mug",
        2: "",
        3: "book",
    }


def test_what_has_depth_of_its_own_is_a_3d_detection(kinds: ModuleType) -> None:
    depth, boxes = rendered()
    gone = np.zeros(boxes.masks.shape[1:], np.bool_)
    gone[0, :9] = True
    depth[gone] = 0.0
    seen = Proposals(np.stack([gone, boxes.masks[2]]))
    message = standard.to_detections_3d(
        kinds, seen, [(1, 0.9), (0, 0.1)], ["", "box"], HEADER, (depth, K, None)
    )
    (item,) = message.detections
    assert (item.id, item.results[0].hypothesis.class_id) == ("2", "box")
    assert item.results[0].pose.pose == item.bbox.center
    size = (item.bbox.size.x, item.bbox.size.y, item.bbox.size.z)
    assert size == pytest.approx((0.06, 0.06, 0.16), abs=0.02)


def test_the_compressed_mask_is_the_mask() -> None:
    mask = proposals().masks[0]
    message = standard.to_compressed(mask, HEADER)
    assert message.header == HEADER
    assert message.format.startswith("mono8; png compressed")
    read = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, mask * np.uint8(255))
