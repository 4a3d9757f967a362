# SPDX-License-Identifier: Apache-2.0
"""Files of stored scenes: pictures that are either whole or not there."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from refseg_ros.errors import ConfigError

#: Sub-folders of a split.
KINDS = ("rgb", "instances", "depth")
#: Millimetres of depth per metre.
MILLIMETRES = 1000.0

_TEXT = "spec"
_PART = ".part"
_PICTURE = re.compile(r"\d{6}\.(jpg|png)")


@dataclass(frozen=True)
class SceneFiles:
    """Where the pictures of a scene are.

    Attributes:
        folder: folder of the split.
        index: index of the scene in it.
    """

    folder: Path
    index: int

    @property
    def rgb(self) -> Path:
        """The colours, JPEG."""
        return self.folder / "rgb" / f"{self.index:06d}.jpg"

    @property
    def instances(self) -> Path:
        """The ids of objects, 8-bit PNG with the scene's spec as text."""
        return self.folder / "instances" / f"{self.index:06d}.png"

    @property
    def depth(self) -> Path:
        """The depth in millimetres, 16-bit PNG."""
        return self.folder / "depth" / f"{self.index:06d}.png"

    def __iter__(self) -> Iterator[Path]:
        yield from (self.rgb, self.instances, self.depth)


def check_folder(folder: Path, known: set[str]) -> None:
    """Makes sure that a folder is missing, empty, or holds nothing but known names.

    In the sub-folders of `KINDS` only numbered pictures are known.

    Raises:
        ConfigError: if it holds other things or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"folder: {folder} is a file")
    names = {path.name.removesuffix(_PART) for path in folder.iterdir()} if folder.exists() else ()
    foreign = sorted(set(names) - known)
    foreign += [
        f"{kind}/{path.name}"
        for kind in KINDS
        if (folder / kind).is_dir()
        for path in sorted((folder / kind).iterdir())
        if not _PICTURE.fullmatch(path.name.removesuffix(_PART))
    ]
    if foreign:
        raise ConfigError(f"folder: {folder} holds other things ({foreign[0]}); name another")


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file so that it is never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART)
    part.write_bytes(data)
    os.replace(part, path)


def write_depth(path: Path, depth: NDArray[np.float32]) -> None:
    """Writes (H, W) metres as whole millimetres, at most 65535."""
    millimetres = np.clip(np.rint(depth * MILLIMETRES), 0, 65535).astype(np.uint16)
    replace_file(path, _png(millimetres, PngInfo()))


def read_depth(path: Path) -> NDArray[np.float32]:
    """Reads (H, W) float32 metres.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no 16-bit picture.
    """
    pixels, _ = _read(path)
    if pixels.ndim != 2 or pixels.dtype not in (np.uint16, np.int32):
        raise ValueError(f"{path} holds no 16-bit depth")
    return pixels.astype(np.float32) / np.float32(MILLIMETRES)


def write_instances(path: Path, instances: NDArray[np.uint8], spec: str) -> None:
    """Writes (H, W) ids and the spec that they belong to."""
    text = PngInfo()
    text.add_text(_TEXT, spec, zip=True)
    replace_file(path, _png(instances, text))


def read_instances(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Reads (H, W) uint8 ids and the spec that they belong to.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no 8-bit picture of ids.
    """
    pixels, text = _read(path)
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise ValueError(f"{path} holds no instance ids")
    return pixels.astype(np.uint8), text


def _png(pixels: NDArray[np.uint8] | NDArray[np.uint16], text: PngInfo) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True, pnginfo=text)
    return buffer.getvalue()


def _read(path: Path) -> tuple[NDArray[np.generic], str]:
    try:
        with Image.open(path) as image:
            pixels = np.array(image)
            text = image.text.get(_TEXT, "") if isinstance(image, PngImageFile) else ""
    except SyntaxError as error:  # Pillow's word for a broken PNG
        raise ValueError(f"{path} is damaged: {error}") from error
    return pixels, str(text)
