# SPDX-License-Identifier: Apache-2.0
"""A segmenter whose answers are known in advance, and the node around it on a bench."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_peer import Peer
from sensor_msgs.msg import Image

from refseg_ros.language import NounPhrase
from refseg_ros.results import Candidate, Proposals, Selection, Status
from refseg_ros.ros.frames import Tf2Transforms, Transforms
from refseg_ros.ros.segmenter_node import SegmenterNode

GREY = np.full((20, 30, 3), 90, np.uint8)
BOX = (slice(5, 15), slice(10, 20))


class LeftHalf:
    """Finds the left half of any image, and a box that lies over both halves."""

    description = "hand-made"

    def __init__(self) -> None:
        self.observed = 0
        self.measured: list[tuple[Any, Any]] = []
        self.viewpoints: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()

    def observe(self, image: Any) -> Any:
        self.waiting.set()
        assert self.gate.wait(20)
        self.observed += 1
        masks = np.zeros((2, *image.shape[:2]), np.bool_)
        masks[0, :, : image.shape[1] // 2] = True
        masks[1, BOX[0], BOX[1]] = True
        proposals = Proposals(masks, np.ones(2, np.float32))
        scene = SimpleNamespace(
            image=image,
            proposals=proposals,
            names=(NounPhrase(head="half"), None),
            seconds={"proposals": 0.25, "total": 0.5},
            select=lambda text: self.select(proposals, text),
            resolve=lambda said, context=None: self.select(proposals, said.text),
            is_redrawn=False,
            awaiting=None,
            models=SimpleNamespace(config=SimpleNamespace(name=self.description)),
        )

        def measured(depth: Any, intrinsics: Any, viewpoint: Any) -> Any:
            self.measured.append((depth, intrinsics))
            self.viewpoints.append(viewpoint)
            return scene

        scene.so_far = scene
        scene.measured = measured
        scene.asked = scene.holding = lambda nouns: scene
        return scene

    def select(self, proposals: Proposals, text: str) -> Selection:
        if text == "fail":
            raise RuntimeError("the models fell over")
        index = 1 if text == "the box" else 0
        candidates = tuple(
            Candidate(
                k, share, {"V": 20.0 + k}, k == index, proposals.boxes[k], int(proposals.areas[k])
            )
            for k, share in ((index, 0.75), (1 - index, 0.25))
        )
        return Selection(
            text,
            Status.SELECTED,
            "it was said to be so",
            proposals.masks[index],
            proposals.boxes[index],
            0.75,
            0.5,
            index,
            candidates,
            {"total": 0.001},
        )


class Bench:
    """The node and a peer on one executor."""

    def __init__(
        self,
        load: Callable[[Any, str], Any],
        kind: Any = Image,
        transforms: Callable[[Any], Transforms] = Tf2Transforms,
        **values: str | float | bool,
    ) -> None:
        self.executor = SingleThreadedExecutor()
        # Tests show an image once, and a busy machine may take its time to import torch.
        given = {"image_timeout": 0.0, **values}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node = SegmenterNode(load, transforms, parameter_overrides=overrides)
        self.executor.add_node(self.node)
        self.peer = Peer(self.executor, kind)
        if values.get("autostart", True):
            self.peer.wait_until_connected()

    def set(self, name: str, value: str | float | bool) -> None:
        """Set a parameter, which must be accepted."""
        (result,) = self.node.set_parameters([Parameter(name, value=value)])
        assert result.successful, result.reason

    def close(self) -> None:
        # The first worker of a process imports torch and is not done at once.
        assert any(self.node.close() for _ in range(60))
        self.peer.node.destroy_node()
        self.node.destroy_node()
        # It holds what it was about to spin, which a later test would see on the graph.
        self.executor.shutdown(timeout_sec=0)


def show(peer: Peer, image: Any) -> Any:
    """Publish an image and wait until the node has it."""
    before = int(peer.figures()["frames received"])
    peer.send(image)
    peer.wait(lambda: int(peer.figures()["frames received"]) > before, "the frame")
    return image
