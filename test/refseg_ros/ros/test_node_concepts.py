# SPDX-License-Identifier: Apache-2.0
"""The node, a process of its own, where a text-prompted network brings candidates by the noun."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("refseg_ros.msg", reason="the messages are not built")

import tiny_networks
from refseg_ros.msg import Segmentation
from ros_peer import Peer, end, ros_domain, start

SIZE = (60, 80)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The node with tiny random networks: Grounding DINO's boxes drawn by SAM 2, and no points."""
    folder = tmp_path_factory.mktemp("node")
    dino = tiny_networks.write_folder("grounding-dino", folder / "dino")
    points = tiny_networks.write_folder("sam2", folder / "points")
    preset = {
        "name": "words",
        "proposals": {
            "checkpoint": str(points),
            "detector": str(dino),
            "prompts": "none",
            "phrase_thresh": 0.0,
            "absent_thresh": 0.0,
            "min_area": 4,
            "duplicate_iou": 0.8,
        },
        "clip": {"model": "", "checkpoint": ""},
        "score": {"positive": 0, "negative": 0, "text": "phrase", "normalise": "logits"},
        "spatial": {"absolute": "extreme", "relations": True, "best_copy": True},
    }
    file = folder / "words.yaml"
    file.write_text(yaml.safe_dump(preset), encoding="utf-8")
    with ros_domain() as env:
        values = (f"preset:={file}", "track:=true", "image_timeout:=0.0")
        node = start("segmenter_node", env, folder / "node.log", *values)
        peer = Peer()
        peer.wait_until_connected()
        peer.wait(lambda: peer.figures()["model"] != "loading", "the models", 240)
        yield peer
        peer.close()
        end(node)


def ask(peer: Peer, text: str) -> Segmentation:
    return peer.ask(text, has_mask=False)[0]


def test_candidates_labels_conversation_and_tracking_are_of_what_the_nouns_find(
    peer: Peer,
) -> None:
    image = peer.send(peer.image(tiny_networks.photo(*SIZE)))
    first, mask = peer.ask("the leftmost mug")
    assert first.status in (Segmentation.SELECTED, Segmentation.AMBIGUOUS), first.reason
    assert mask is not None
    pixels = np.frombuffer(mask.data, np.uint8).reshape(SIZE) > 0
    count = len(first.candidates)
    chosen = {item.id: item for item in first.candidates}[first.target_id]
    assert (chosen.caption, chosen.area) == ("mug", pixels.sum() == first.area and first.area)
    labels = peer.wait(
        lambda: [it for it in peer.heard["label_image"] if it.header == first.header], "labels"
    )[-1]
    shown = np.frombuffer(labels.data, np.uint16).reshape(SIZE)
    assert set(np.unique(shown)) <= set(range(count + 1))
    assert np.unique(shown).max() > 0
    # Only what is named is found.
    nothing = ask(peer, "the leftmost thing")
    assert nothing.status == Segmentation.NOT_FOUND
    assert "finds only what is named" in nothing.reason
    again = ask(peer, "the leftmost mug")
    assert again.reused_observation
    assert (again.target_id, again.roi) == (first.target_id, first.roi)
    # "that one" is a candidate that its own words do not name.
    same = ask(peer, "that one")
    assert (same.target_id, same.roi) == (first.target_id, first.roi), same.reason
    both = ask(peer, "the mug left of the book")
    assert {item.caption for item in both.candidates} == {"mug", "book"}
    assert len(both.candidates) > count
    # The tracker follows it though the scene itself has no candidate at all.
    ask(peer, "the leftmost mug")
    peer.heard["result"].clear()

    def followed() -> list[Segmentation]:
        peer.send(peer.image(tiny_networks.photo(*SIZE)))
        peer.spin(0.1)
        return [item for item in peer.heard["result"] if item.tracked]

    tracked = peer.wait(followed, "a tracked result")[-1]
    assert tracked.status in (Segmentation.SELECTED, Segmentation.AMBIGUOUS), tracked.reason
    assert tracked.tracking_confidence > 0.5
    assert abs(tracked.roi.x_offset - first.roi.x_offset) <= 2
    assert image.header.stamp.sec < tracked.header.stamp.sec
