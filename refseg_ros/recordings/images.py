# SPDX-License-Identifier: Apache-2.0
"""Images of a recording: found by topic, read one by one, written again.

The messages are those of the rosbags library; ``refseg_ros.ros.conversions`` does the same for
those of rclpy, which is not there without ROS.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from refseg_ros.errors import ConfigError, DatasetError, ImageError

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}


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

        Raises:
            DatasetError: The recording is damaged or cut short.
        """
        with _told(Path(str(self._reader.paths[0]))):
            for connection, time, data in self._reader.messages(self._connections):
                yield time, self._reader.deserialize(data, connection.msgtype)


@contextlib.contextmanager
def opened(path: Path, topic: str) -> Iterator[Recording]:
    """Open a recording.

    Args:
        path: A folder with ``metadata.yaml``, or a ``.mcap`` or ``.db3`` file.
        topic: Of sensor_msgs/Image or CompressedImage.

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
        raise DatasetError(f"{path}: damaged, cut short, or no recording ({detail})") from error


def rgb_of(message: Any) -> NDArray[np.uint8]:
    """Read an image.

    Args:
        message: Of type :data:`IMAGE`, with encoding rgb8, bgr8, rgba8, bgra8 or mono8, or
            :data:`COMPRESSED`.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        ImageError: Another encoding, or a length that does not agree with the others.
    """
    data = np.frombuffer(message.data, np.uint8)
    if message.__msgtype__ == COMPRESSED:
        try:
            with PIL.Image.open(io.BytesIO(data.tobytes())) as image:
                return np.array(image.convert("RGB"), np.uint8)
        except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
            raise ImageError(f"data: not an image that can be decoded ({error})") from None
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise ImageError(
            f"encoding: {message.encoding[:40]!r} is not one of {', '.join(_CHANNELS)}"
        )
    height, width, step = message.height, message.width, message.step
    if not height or not width or step < width * channels or data.size < height * step:
        raise ImageError(
            f"data: {data.size} bytes do not hold {height} rows of {step} bytes for {width} "
            f"pixels of {message.encoding}"
        )
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    pixels = rows.reshape(height, width, channels)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if message.encoding.startswith("bgr"):
        pixels = pixels[..., 2::-1]
    return np.ascontiguousarray(pixels[..., :3])


def image_message(store: Any, header: Any, pixels: NDArray[np.uint8]) -> Any:
    """Make an image message.

    Args:
        store: rosbags' typestore.
        header: Of the image that it was made from, taken as it is.
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
