# SPDX-License-Identifier: Apache-2.0
"""Recordings of the simulator's pictures, written by rosbags, and what is in one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from refseg_lab.simulation.benchmark import SLICE_FOLDER

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TOPIC = "/camera/image_raw"
SLICE = SLICE_FOLDER / "rgb"


def pictures(count: int) -> list[NDArray[np.uint8]]:
    """The first of the simulator's pictures that ship with the package."""
    return [np.asarray(Image.open(SLICE / f"{row:06d}.jpg")) for row in range(count)]


def stamp_of(row: int) -> tuple[int, int]:
    """Seconds and nanoseconds of the header of an image; recorded 5 ms later."""
    return 1700000000 + row, 123456789 + row


def image(row: int, pixels: NDArray[np.uint8], encoding: str = "rgb8", pad: int = 0) -> Any:
    """An image message."""
    seconds, nanoseconds = stamp_of(row)
    stamp = STORE.types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    header = STORE.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera_optical")
    if encoding == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        data = np.frombuffer(buffer.getvalue(), np.uint8)
        return STORE.types[COMPRESSED](header=header, format="png", data=data)
    flat = pixels.reshape(pixels.shape[0], -1)
    flat = np.pad(flat, ((0, 0), (0, pad)))
    return STORE.types[IMAGE](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=flat.shape[1],
        data=flat.reshape(-1),
    )


def record(folder: Path, messages: list[Any], storage: str) -> Path:
    """Write a recording of images, and of a topic of text besides.

    Returns:
        Its one data file.
    """
    with Writer(folder, version=9, storage_plugin=StoragePlugin[storage]) as writer:
        kind = messages[0].__msgtype__
        topic = writer.add_connection(TOPIC, kind, typestore=STORE)
        other = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=STORE)
        for message in messages:
            stamp = message.header.stamp
            time = stamp.sec * 10**9 + stamp.nanosec + 5_000_000
            writer.write(topic, time, STORE.serialize_cdr(message, kind))
            text = STORE.types["std_msgs/msg/String"](data="hello")
            writer.write(other, time, STORE.serialize_cdr(text, "std_msgs/msg/String"))
    return next(path for path in folder.iterdir() if path.suffix in (".mcap", ".db3"))


def contents(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Times and messages of a recording by topic."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path], default_typestore=STORE) as reader:
        for connection, time, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((time, message))
    return found
