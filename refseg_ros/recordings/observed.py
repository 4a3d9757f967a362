# SPDX-License-Identifier: Apache-2.0
"""What answers on many pictures must do, and a mask small enough to keep one for each."""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from refseg_ros.results import Proposals, Selection


class Observed(Protocol):
    """An image that was looked at, as :class:`refseg_ros.segmenter.Scene`."""

    @property
    def proposals(self) -> Proposals:
        """Candidate masks."""

    def select(self, text: str) -> Selection:
        """Answer one expression."""


class Observer(Protocol):
    """What is evaluated; :class:`refseg_ros.Segmenter` is one."""

    @property
    def description(self) -> str:
        """Preset, device and precision in words."""

    def observe(
        self,
        image: NDArray[np.uint8],
        depth: NDArray[np.float32] | None = None,
        intrinsics: NDArray[np.float64] | None = None,
    ) -> Observed:
        """Look at an image once, for all of its expressions; with depth where it is given."""


def packed_mask(mask: NDArray[np.bool_]) -> bytes:
    """A mask in about a kilobyte, for passing between processes."""
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpacked_mask(packed: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What :func:`packed_mask` packed; no bytes are an empty mask.

    Args:
        packed: Bytes from :func:`packed_mask`, or empty.
        size: Height and width in pixels.

    Raises:
        ValueError: It is no mask of that size.
    """
    if not packed:
        return np.zeros(size, np.bool_)
    count = size[0] * size[1]
    expected = -(-count // 8)
    try:
        unpacked = zlib.decompressobj().decompress(packed, expected + 1)
    except zlib.error as error:
        raise ValueError(f"no packed mask ({error})") from None
    if len(unpacked) != expected:
        raise ValueError(f"no mask of {size[1]}x{size[0]}: {len(unpacked)} bytes")
    bits = np.unpackbits(np.frombuffer(unpacked, np.uint8), count=count)
    return bits.reshape(size).astype(np.bool_)
