# SPDX-License-Identifier: Apache-2.0
"""Hears the segmenter's answers: puts result, mask and label image together again."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image, RegionOfInterest

from refseg_ros.errors import ImageError
from refseg_ros.msg import Segmentation
from refseg_ros.results import Candidate, Selection, Status, boxes_from_masks
from refseg_ros.ros import qos
from refseg_ros.ros.conversions import rgb_from_image

logger = logging.getLogger(__name__)

_KEPT = 8  # masks and label images that wait for their result
_PATIENCE = 2.0  # seconds that a result waits for its mask


@dataclass(frozen=True)
class Heard:
    """One answer as it came over ROS.

    Attributes:
        stamp: The image's stamp, in nanoseconds.
        message: The result as published.
        selection: The same as the library's type; its mask is (0, 0) if no mask belongs to it.
        labels: (H, W) uint16 numbered candidates of that image, or None.
    """

    stamp: int
    message: Any
    selection: Selection
    labels: NDArray[np.uint16] | None


def stamp_ns(header: Any) -> int:
    """The stamp of a std_msgs/Header in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def labels_from_image(message: Image) -> NDArray[np.uint16]:
    """Read a 16UC1 image of numbers.

    Returns:
        (H, W) uint16.

    Raises:
        ImageError: Another encoding, or a length that does not agree with the others.
    """
    height, width, step = message.height, message.width, message.step
    if message.encoding != "16UC1" or step < 2 * width or len(message.data) != step * height:
        raise ImageError(
            f"label image: expected 16UC1 of {width}x{height}, got {message.encoding[:20]!r} with "
            f"{len(message.data)} bytes and step {step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)[:, : 2 * width]
    order = ">u2" if message.is_bigendian else "<u2"
    return np.ascontiguousarray(rows).view(order).astype(np.uint16)


def to_selection(message: Segmentation, mask: NDArray[np.bool_]) -> Selection:
    """The library's type for a message, whatever numbers are in it.

    Args:
        message: refseg_ros/Segmentation.
        mask: (H, W) bool.
    """
    known = message.status in list(Status)
    status = Status(message.status) if known else Status.ERROR
    reason = message.reason if known else f"unknown status {message.status}: {message.reason}"
    return Selection(
        expression=message.command,
        status=status,
        reason=reason,
        mask=mask,
        box=_box(message.roi),
        score=float(message.score),
        margin=float(message.margin),
        index=message.target_id - 1 if message.target_id else None,
        candidates=tuple(
            Candidate(
                index=item.id - 1,
                score=float(item.score),
                terms=dict(zip(item.term_names, map(float, item.term_values), strict=False)),
                eligible=item.eligible,
                box=_box(item.roi),
                area=item.area,
                caption=item.caption,
            )
            for item in message.candidates
        ),
        seconds={"total": message.select_ms / 1e3},
        indices=tuple(number - 1 for number in message.target_ids),
        warnings=tuple(message.warnings),
        question=message.question,
        options=tuple(message.options),
        tied=tuple(number - 1 for number in message.tied_ids),
    )


def with_mask(selection: Selection, size: tuple[int, ...]) -> Selection:
    """The selection with a mask of a size: no mask comes with an answer without a target.

    Args:
        selection: The selection as heard.
        size: Height and width of its image in pixels.
    """
    if selection.mask.size:
        return selection
    return Selection.none(
        selection.expression,
        selection.status,
        selection.reason,
        (size[0], size[1]),
        selection.candidates,
        selection.seconds,
        selection.margin,
    )


def _box(roi: RegionOfInterest) -> NDArray[np.float32]:
    x, y = roi.x_offset, roi.y_offset
    return np.array([x, y, x + roi.width, y + roi.height], np.float32)


class AnswerListener:
    """Subscribes to a segmenter's outputs and hands every answer over in one piece.

    A mask belongs to a result if stamp, area and box agree: the stamp alone does not tell the
    answers to several commands on one frame apart.

    Args:
        node: The node that subscribes.
        prefix: Name of the segmenter's node, as its topics begin.
        on_answer: Called on the executor's thread.
    """

    def __init__(self, node: Node, prefix: str, on_answer: Callable[[Heard], None]) -> None:
        self._on_answer = on_answer
        self._masks: deque[tuple[int, NDArray[np.bool_]]] = deque(maxlen=_KEPT)
        self._labels: OrderedDict[int, NDArray[np.uint16]] = OrderedDict()
        self._waiting: deque[tuple[float, Segmentation]] = deque()
        node.create_subscription(Image, f"{prefix}/mask", self.take_mask, qos.RESULT)
        node.create_subscription(Image, f"{prefix}/label_image", self.take_labels, qos.RESULT)
        node.create_subscription(Segmentation, f"{prefix}/result", self.take_result, qos.ANSWER)
        node.create_timer(0.5, self.flush)

    def take_mask(self, message: Image) -> None:
        """Keeps a mask and hands over the result that waits for it."""
        if not message.width or not message.height:
            return
        try:
            mask = rgb_from_image(message)[..., 0] > 127
        except ImageError as error:
            logger.warning("a mask was ignored: %s", error)
            return
        self._masks.append((stamp_ns(message.header), mask))
        self._hand_over()

    def take_labels(self, message: Image) -> None:
        """Keeps a label image until a result names its stamp."""
        try:
            self._labels[stamp_ns(message.header)] = labels_from_image(message)
        except ImageError as error:
            logger.warning("a label image was ignored: %s", error)
        while len(self._labels) > _KEPT:
            self._labels.popitem(last=False)

    def take_result(self, message: Segmentation) -> None:
        """Hands a result over, now or when its mask is there."""
        self._waiting.append((time.monotonic(), message))
        self._hand_over()

    def flush(self) -> None:
        """Hands over, without a mask, what has waited too long."""
        while self._waiting and time.monotonic() - self._waiting[0][0] > _PATIENCE:
            _, message = self._waiting.popleft()
            logger.warning("no mask came for the answer to %r", message.command[:80])
            self._finish(message, np.zeros((0, 0), np.bool_))

    def _hand_over(self) -> None:
        for item in list(self._waiting):
            mask = self._mask_for(item[1])
            if mask is not None:
                self._waiting.remove(item)
                self._finish(item[1], mask)

    def _mask_for(self, message: Segmentation) -> NDArray[np.bool_] | None:
        if message.area == 0:
            return np.zeros((0, 0), np.bool_)
        stamp = stamp_ns(message.header)
        for mask_stamp, mask in reversed(self._masks):
            if mask_stamp != stamp or int(mask.sum()) != message.area:
                continue
            if np.array_equal(boxes_from_masks(mask[None])[0], _box(message.roi)):
                return mask
        return None

    def _finish(self, message: Segmentation, mask: NDArray[np.bool_]) -> None:
        stamp = stamp_ns(message.header)
        labels = self._labels.get(stamp)
        self._on_answer(Heard(stamp, message, to_selection(message, mask), labels))
