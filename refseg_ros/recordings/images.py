# SPDX-License-Identifier: Apache-2.0
"""Images of a recording: found by topic, read one by one, written again.

The messages are those of the rosbags library: rclpy is not there without ROS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refseg_ros.errors import ConfigError, DatasetError, ImageError
from refseg_ros.image_decoding import (
    MEGAPIXELS,
    check_megapixels,
    decoded,
    quoted,
    rgb_of_raw,
)

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"

_REMEDIES = {
    ".mcap": "what can be saved of a .mcap: mcap recover IN -o OUT",
    ".db3": "what can be saved of a .db3: sqlite3 IN .recover | sqlite3 OUT",
    "": "a folder without its metadata.yaml: ros2 bag reindex FOLDER",
}
"""What may help with a damaged recording, by its ending."""


class Recording:
    """An open recording and the images of one of its topics."""

    def __init__(self, reader: Any, connections: list[Any]) -> None:
        """Wrap an open reader; see :func:`opened`."""
        self._reader, self._connections = reader, connections

    @property
    def count(self) -> int:
        """Number of images."""
        return sum(int(item.msgcount) for item in self._connections)

    def messages(self) -> Iterator[tuple[int, Any]]:
        """Time of recording in nanoseconds, and the message; of all images in their order.

        A message that is none is an ImageError in its place, so that the rest goes on.

        Raises:
            DatasetError: The recording is damaged or cut short.
        """
        with _told(Path(str(self._reader.paths[0]))):
            for connection, time, data in self._reader.messages(self._connections):
                try:
                    message = self._reader.deserialize(data, connection.msgtype)
                except Exception as error:  # of many kinds, as above
                    message = ImageError(f"not a message that can be read ({error!r})"[:300])
                yield time, message


@contextlib.contextmanager
def opened(path: Path, topic: str) -> Iterator[Recording]:
    """Open a recording.

    Args:
        path: A folder with ``metadata.yaml``, or a ``.mcap`` or ``.db3`` file.
        topic: A topic of sensor_msgs/Image or CompressedImage.

    Raises:
        DatasetError: The recording is missing or damaged, or has no images on that topic; the
            message lists the topics that have.
        ConfigError: rosbags is not installed.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise ConfigError("bag: rosbags is not installed; pip install 'refseg_ros[bag]'") from None
    if not path.exists():
        raise DatasetError(f"{path}: no such recording")
    if not (path.is_file() or path.is_dir()):  # a pipe would be waited for
        raise DatasetError(f"{path}: neither a folder nor a regular file")
    with contextlib.ExitStack() as stack:
        with _told(path):
            store = get_typestore(Stores.ROS2_JAZZY)
            reader = stack.enter_context(AnyReader([path], default_typestore=store))
        images = [item for item in reader.connections if item.msgtype in (IMAGE, COMPRESSED)]
        chosen = [item for item in images if item.topic == topic]
        if not chosen:
            there = ", ".join(sorted({item.topic for item in images})) or "none at all"
            raise DatasetError(f"{path}: no images on {topic!r}; there are images on {there}")
        yield Recording(reader, chosen)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What any of the library's many exceptions is turned into."""
    try:
        yield
    except (DatasetError, GeneratorExit):
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = _REMEDIES.get(path.suffix, _REMEDIES[""])
        raise DatasetError(
            f"{path}: damaged, cut short, or no recording ({detail}); {remedy}"
        ) from error


def rgb_of(message: Any) -> NDArray[np.uint8]:
    """Read an image, as :mod:`refseg_ros.image_decoding` reads those of files and topics.

    Args:
        message: An :data:`IMAGE` or :data:`COMPRESSED`; an error, if it could not be read.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        ImageError: It cannot be read.
    """
    if isinstance(message, ImageError):
        raise message
    if message.__msgtype__ == COMPRESSED:
        what = f"data: {message.data.size} bytes of format {quoted(message.format)}"
        return decoded(message.data.tobytes(), what)
    check_megapixels(message.width, message.height, "size", MEGAPIXELS)
    return rgb_of_raw(message)


def image_message(store: Any, header: Any, pixels: NDArray[np.uint8]) -> Any:
    """Make an image message.

    Args:
        store: rosbags' typestore.
        header: The header of the image that it was made from, taken as it is.
        pixels: (H, W, 3) RGB, or (H, W) grey.
    """
    colour = pixels.ndim == 3
    return store.types[IMAGE](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding="rgb8" if colour else "mono8",
        is_bigendian=0,
        step=pixels.shape[1] * (3 if colour else 1),
        data=np.ascontiguousarray(pixels).reshape(-1),
    )
