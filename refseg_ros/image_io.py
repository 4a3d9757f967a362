# SPDX-License-Identifier: Apache-2.0
"""Image files in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refseg_ros.errors import ImageError
from refseg_ros.image_decoding import MEGAPIXELS, decoded

WRITABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""File name endings that :func:`write_image` accepts."""


def read_image(path: Path, megapixels: float = MEGAPIXELS) -> NDArray[np.uint8]:
    """Reads an image file as 8-bit RGB, turned upright as its EXIF orientation says.

    Args:
        path: A file of one of :data:`refseg_ros.image_decoding.FORMATS`; see there what becomes of
            other than 8-bit RGB.
        megapixels: The most that are read, in millions.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: The file is missing, no regular one, unreadable, not an image, truncated, too
            large, or holds floating-point values; the message names it.
    """
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not an image file")
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ImageError(f"{path}: is not a regular file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except PermissionError:
        raise ImageError(f"{path}: no permission to read it") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({error})") from None
    return decoded(data, str(path), megapixels, upright=True)


def check_writable(path: Path) -> None:
    """Makes sure, before hours or seconds are spent, that an image can be written there.

    Raises:
        ImageError: The ending is unknown, the folder is missing, or writing is not permitted.
    """
    if path.suffix.lower() not in WRITABLE:
        raise ImageError(f"{path}: the name must end in {', '.join(WRITABLE)}")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder")
    if not path.parent.is_dir():
        raise ImageError(f"{path}: the folder {path.parent} does not exist")
    existed = path.exists()
    if existed and not path.is_file():  # a pipe would be waited for
        raise ImageError(f"{path}: is not a regular file")
    try:
        path.open("ab").close()
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from None
    if not existed:
        path.unlink()


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes an image; the ending of the name gives the format.

    Args:
        path: Where to; see :data:`WRITABLE` for the endings.
        image: (H, W, 3) uint8 RGB, or (H, W) uint8 grey.

    Raises:
        ImageError: The file cannot be written.
    """
    try:
        Image.fromarray(image).save(path, quality=92)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({error})") from None
