# SPDX-License-Identifier: Apache-2.0
"""The robot's eyes for a language model: a few bounded questions to the segmenter's node."""

from __future__ import annotations

import threading
from typing import Any, Final

from rclpy.node import Node
from std_msgs.msg import String

from refseg_ros.errors import ConfigError
from refseg_ros.language.tokens import MAX_CHARS
from refseg_ros.msg import Segmentation
from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.srv import Segment

MOST_CANDIDATES: Final = 20
"""Candidates that are told of one image."""


class RobotEyes(Node):
    """Asks one segmenter; from any thread but the one that spins it, one question at a time.

    Args:
        segmenter: Full name of its node, such as ``/refseg``.
        command: Topic of its commands; empty for ``command`` in its namespace.
        seconds: How long an answer is waited for.
    """

    def __init__(self, segmenter: str = "/refseg", command: str = "", seconds: float = 60.0):
        super().__init__("refseg_agent")
        self._segmenter, self._seconds = segmenter, seconds
        self._turn, self._came = threading.Lock(), threading.Condition()
        self._results: list[Segmentation] = []
        topic = command or segmenter.rsplit("/", 1)[0] + "/command"
        self._commands = self.create_publisher(String, topic, qos.COMMAND)
        self.create_subscription(Segmentation, f"{segmenter}/result", self._on_result, qos.ANSWER)
        self._calls = self.create_client(Segment, f"{segmenter}/segment", qos_profile=qos.SERVICE)

    def find(self, sentence: str) -> dict[str, Any]:
        """Make what a sentence means the target, as a command does.

        Args:
            sentence: What is meant, or the answer to the question of the last find.

        Returns:
            Status, reason and, if it was found, the target.

        Raises:
            ConfigError: The sentence is empty or too long, or no answer came.
        """
        text = _checked(sentence)
        with self._turn, self._came:
            self._results.clear()
            if not self._commands.get_subscription_count():
                self._came.wait(2.0)  # for what was just started
            self._commands.publish(String(data=text))
            if not self._came.wait_for(lambda: self._answer(text) is not None, self._seconds):
                raise ConfigError(self._silence())
            answer = self._answer(text)
        assert answer is not None
        return told(answer)

    def pose(self, sentence: str) -> dict[str, Any]:
        """Where what a sentence means is; the target stays what it was.

        Raises:
            ConfigError: As for :meth:`find`, and if the node cannot answer.
        """
        result = self._called(sentence)
        return told(result) | {"place": _place(result)}

    def candidates(self, sentence: str) -> dict[str, Any]:
        """What was weighed against a sentence, best first; the target stays what it was.

        Raises:
            ConfigError: As for :meth:`find`, and if the node cannot answer.
        """
        result = self._called(sentence)
        shown = [
            {
                "id": item.id,
                "score": round(item.score, 4),
                "caption": item.caption,
                "box": _box(item.roi),
                "eligible": item.eligible,
            }
            for item in result.candidates[:MOST_CANDIDATES]
        ]
        return told(result) | {"candidates": shown, "number_seen": len(result.candidates)}

    def _on_result(self, message: Segmentation) -> None:
        with self._came:
            self._results = [*self._results[-20:], message]
            self._came.notify_all()

    def _answer(self, text: str) -> Segmentation | None:
        found = [item for item in self._results if item.command == text and item.is_final]
        return found[0] if found else None

    def _called(self, sentence: str) -> Segmentation:
        request = Segment.Request(expression=_checked(sentence))
        with self._turn:
            if not self._calls.wait_for_service(2.0):
                raise ConfigError(self._silence())
            done = threading.Event()
            future = self._calls.call_async(request)
            future.add_done_callback(lambda _: done.set())
            if not done.wait(self._seconds):
                future.cancel()
                raise ConfigError(self._silence())
        response = future.result()
        if not response.success:
            raise ConfigError(response.message)
        return response.result

    def _silence(self) -> str:
        return (
            f"no answer from {self._segmenter}; is the node running and active "
            f"(ros2 lifecycle get {self._segmenter})?"
        )


def told(result: Segmentation) -> dict[str, Any]:
    """What a language model is told of a result: plain values alone."""
    target = None
    if result.target_id or result.tracked:
        target = {"id": result.target_id, "box": _box(result.roi), "pixels": result.area}
    return {
        "status": Status(result.status).name,
        "reason": result.reason,
        "warnings": list(result.warnings),
        "question": result.question,
        "options": list(result.options),
        "score": round(result.score, 4),
        "target": target,
    }


def _place(result: Segmentation) -> dict[str, Any]:
    """Position and box in metres; null what is not known."""
    place: dict[str, Any] = {"problem": result.space_problem, "frame": "", "position": None}
    if result.has_pose:
        where, turn = result.pose.pose.position, result.pose.pose.orientation
        size = result.size
        place |= {
            "frame": result.pose.header.frame_id,
            "position": [where.x, where.y, where.z],
            "orientation_xyzw": [turn.x, turn.y, turn.z, turn.w],
            "size": [size.x, size.y, size.z],
        }
    elif result.distance == result.distance:  # not NaN
        point = result.point
        place |= {"frame": result.header.frame_id, "position": [point.x, point.y, point.z]}
    elif not place["problem"]:
        place["problem"] = "there is no target, or no depth image"
    return place


def _box(roi: Any) -> list[int]:
    """Left, top, right and bottom in pixels."""
    return [roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height]


def _checked(sentence: str) -> str:
    text = sentence.strip()
    if not text or len(text) > MAX_CHARS:
        raise ConfigError(f"sentence: {len(text)} characters; 1 to {MAX_CHARS} are read")
    return text
