# SPDX-License-Identifier: Apache-2.0
"""What another node's detector found in images, by their stamps."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ConfigError, ImageError
from refseg_ros.results import Proposals
from refseg_ros.ros.conversions import detection_labels
from refseg_ros.ros.depth import nanoseconds

SOURCES: Final = ("off", "boxes", "masks")
"""Values of the parameter ``detections``."""
KEPT: Final = 32
"""Images that wait for their detections: a second of a camera, and of a detector as late."""
MOST: Final = 500
"""Detections of one image that are read."""


def detection_array() -> Any:
    """The message type ``vision_msgs/Detection2DArray``.

    Raises:
        ConfigError: vision_msgs is not installed: it comes with a ROS distribution, not from pip.
    """
    try:
        from vision_msgs.msg import Detection2DArray
    except ImportError as error:
        raise ConfigError(f"detections: vision_msgs is not installed ({error})") from error
    return Detection2DArray


class Detections:
    """Holds images back until what was found in them has come; any thread may call.

    Args:
        source: One of :data:`SOURCES`; off lets every image through as it comes.
        forward: Gets each image once, when it is complete, on the thread that completed it.
    """

    def __init__(self, source: str, forward: Callable[[Any], None]) -> None:
        self.in_use = source != "off"
        self._wanted = {"off": (), "boxes": ("found",), "masks": ("found", "labels")}[source]
        self._forward = forward
        self._lock = threading.Lock()
        self._parts: dict[int, dict[str, Any]] = {}

    def put_image(self, message: Any) -> None:
        """Take an image of the camera."""
        if self.in_use:
            self._put("image", message)
        else:
            self._forward(message)

    def put_found(self, message: Any) -> None:
        """Take a ``Detection2DArray``, whose header is that of its image."""
        self._put("found", message)

    def put_labels(self, message: Any) -> None:
        """Take a label image: pixel k lies on the k-th detection of its stamp, 0 on none."""
        self._put("labels", message)

    def forget(self) -> None:
        """Hold nothing any more: what came is of another time."""
        with self._lock:
            self._parts.clear()

    def _put(self, part: str, message: Any) -> None:
        stamp = nanoseconds(message.header)
        with self._lock:
            # The newest is the last; drivers that set no stamp send new pixels under the same.
            parts = self._parts.pop(stamp, {})
            if part in parts:
                parts = {}
            parts[part] = message
            self._parts[stamp] = parts
            for oldest in list(self._parts)[:-KEPT]:
                del self._parts[oldest]
            complete = all(name in parts for name in ("image", *self._wanted))
            image = parts.get("image")
        if complete:
            self._forward(image)

    def of(self, header: Any, size: tuple[int, int]) -> Proposals | None:
        """What was found in an image.

        Args:
            header: The image's header.
            size: Its height and width in pixels.

        Returns:
            Masks with names and scores; None if masks are found by the node itself.

        Raises:
            ImageError: Nothing has come of that image, or it cannot be read.
        """
        if not self.in_use:
            return None
        with self._lock:
            parts = self._parts.get(nanoseconds(header), {})
            missing = [name for name in self._wanted if name not in parts]
            found, labels = parts.get("found"), parts.get("labels")
        if missing:
            what = "detections" if "found" in missing else "label image of detections"
            raise ImageError(f"detections: no {what} came with the stamp of this image")
        return to_proposals(found, labels, size)


def to_proposals(found: Any, labels: Any | None, size: tuple[int, int]) -> Proposals:
    """Read detections.

    Args:
        found: ``vision_msgs/Detection2DArray``; of each the most likely hypothesis names it. A
            number is no name, and a score of 0 is one that was not filled in.
        labels: Label image, of encoding mono8, 8UC1, 16UC1 or 32SC1; None takes the boxes as
            masks, upright ones around those that are turned.
        size: Height and width of the image in pixels.

    Returns:
        Those detections that show a pixel of the image, in their order.

    Raises:
        ImageError: There are too many, a score is out of [0, 1], or the label image is of another
            size or encoding.
    """
    boxes = [item.bbox for item in found.detections]
    named = [
        max((result.hypothesis for result in item.results), key=_score, default=None)
        for item in found.detections
    ]
    names = ["" if best is None else best.class_id for best in named]
    scores = [0.0 if best is None else best.score for best in named]
    return _proposals(boxes if labels is None else labels, names, scores, size)


def given_in(request: Any) -> Proposals | None:
    """What a call of ``~/segment``, or a goal, says was found in its image.

    Args:
        request: Of ``labels`` pixel k lies on the thing ``names[k - 1]``, as sure as
            ``scores[k - 1]``; without scores all are sure.

    Returns:
        Those things that show a pixel; None if the call has no label image.

    Raises:
        ImageError: There is no image that the labels could be of, names or scores are of another
            number, or as for :func:`to_proposals`.
    """
    labels, image, names = request.labels, request.image, list(request.names)
    if not (labels.width or labels.height or names or request.scores):
        return None
    if not (image.width or image.height):
        raise ImageError("labels: they are of an image of the call, and there is none")
    scores = list(request.scores) or [1.0] * len(names)
    if len(scores) != len(names):
        raise ImageError(f"scores: {len(scores)} for {len(names)} names; send one a name, or none")
    return _proposals(labels, names, scores, (image.height, image.width))


def _proposals(
    found: Any, names: Sequence[str], scores: Sequence[float], size: tuple[int, int]
) -> Proposals:
    """Things with a name and a score each, from a label image or from their boxes."""
    if len(names) > MOST:
        raise ImageError(f"detections: {len(names)} of one image; at most {MOST}")
    numbers = None if isinstance(found, list) else detection_labels(found, size)
    if numbers is not None and numbers.max(initial=0) > len(names):
        raise ImageError(f"label image: a pixel is {numbers.max()}, of {len(names)} things")
    masks, kept = [], []
    for index, score in enumerate(scores):
        mask = _boxed(found[index], size) if numbers is None else numbers == index + 1
        if not 0.0 <= score <= 1.0:
            raise ImageError(f"detections: a score of {score:g} is not in [0, 1]")
        if mask.any():
            masks.append(mask)
            kept.append(index)
    if not masks:
        return Proposals.empty(*size)
    return Proposals(
        np.stack(masks),
        names=tuple("" if names[index].isdecimal() else names[index] for index in kept),
        scores=np.array([scores[index] or 1.0 for index in kept], np.float32),
    )


def _score(hypothesis: Any) -> float:
    return float(hypothesis.score)


def _boxed(box: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of a box; none of one that is not finite."""
    mask = np.zeros(size, np.bool_)
    place, angle = box.center.position, box.center.theta
    values = (place.x, place.y, angle, box.size_x, box.size_y)
    if not all(math.isfinite(value) for value in values):
        return mask
    across, down = abs(math.cos(angle)), abs(math.sin(angle))
    half_width = (box.size_x * across + box.size_y * down) / 2
    half_height = (box.size_x * down + box.size_y * across) / 2
    corners = np.array(
        [place.x - half_width, place.y - half_height, place.x + half_width, place.y + half_height]
    )
    limits = (size[1], size[0]) * 2
    x0, y0, x1, y1 = np.clip(np.round(corners), 0, limits).astype(int).tolist()
    mask[y0:y1, x0:x1] = True
    return mask
