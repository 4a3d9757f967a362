# SPDX-License-Identifier: Apache-2.0
"""Images of a split as samples, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from refseg_lab.evaluation.records import ABSENT, Question, Sample
from refseg_lab.evaluation.refer.loading import ReferImage
from refseg_lab.evaluation.refer.masks import decode
from refseg_ros.errors import DatasetError
from refseg_ros.image_io import read_image

TARGET = "target"
"""Phenomenon of expressions that mean something in the image."""


@dataclass(frozen=True)
class ReferSource:
    """A split, or the unfinished part of one; passed to worker processes by pickle.

    Attributes:
        images: Images of the split. The pictures must be at the same place on every machine.
    """

    images: tuple[ReferImage, ...]

    def open(self) -> Sequence[Sample]:
        """The samples, each read when it is asked for."""
        return _Samples(self.images)


class _Samples(Sequence[Sample]):
    def __init__(self, images: tuple[ReferImage, ...]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return _Samples(self._images[index])
        return sample_of(self._images[index])


def sample_of(image: ReferImage) -> Sample:
    """Read the picture and decode the masks.

    Args:
        image: An image of a split.

    Raises:
        ImageError: The picture is missing or damaged.
        DatasetError: It is of another size than its masks, or a mask cannot be decoded.
        ConfigError: pycocotools is not installed.
    """
    pixels = read_image(image.path)
    size = (pixels.shape[0], pixels.shape[1])
    if any(image.size) and size != image.size:
        raise DatasetError(
            f"{image.path}: is of {size[0]}×{size[1]} pixels and its masks of "
            f"{image.size[0]}×{image.size[1]}"
        )
    masks = [
        decode(item, size, f"{image.path.name}: object {row}")
        for row, item in enumerate(image.objects)
    ]
    questions = tuple(
        Question(item.text, item.objects, TARGET if item.objects else ABSENT)
        for item in image.expressions
    )
    objects = np.stack(masks) if masks else np.zeros((0, *size), np.bool_)
    return Sample(image.name, pixels, objects, questions, boxes=image.boxes)
