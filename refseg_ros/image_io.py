# SPDX-License-Identifier: Apache-2.0
"""Image files in and out: whatever a camera or an editor wrote becomes 8-bit RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from refseg_ros.errors import ImageError

WRITABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""File name endings that :func:`write_image` accepts."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Reads an image file as 8-bit RGB, turned upright as its EXIF orientation says.

    Grey, palette, CMYK and 16-bit images are converted (16-bit values are divided by 257);
    transparent parts become white. Of an animation the first frame is taken.

    Args:
        path: Any file that Pillow can read.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageError: The file is missing, a folder, unreadable, not an image, truncated, too
            large, or holds floating-point values; the message names it.
    """
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not an image file")
    try:
        with Image.open(path) as opened:
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            return np.array(_to_rgb(upright, path), dtype=np.uint8)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except PermissionError:
        raise ImageError(f"{path}: no permission to read it") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that can be read (PNG, JPEG, …)") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: too large: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow's broken-file errors
        raise ImageError(f"{path}: damaged or truncated image ({error})") from None


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "F":
        raise ImageError(f"{path}: floating-point pixels; expected 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16-bit grey, or 32-bit integers that hold it
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        return Image.fromarray((values // 257).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


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
