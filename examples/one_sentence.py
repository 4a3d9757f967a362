# SPDX-License-Identifier: Apache-2.0
"""One image, one sentence: python examples/one_sentence.py photo.jpg "the red mug" answer.png."""

from __future__ import annotations

import sys
from pathlib import Path

from refseg_ros import Segmenter
from refseg_ros.image_io import read_image, write_image
from refseg_ros.viewer.overlay import draw_overlay

photo, sentence, answer = sys.argv[1:4]
image = read_image(Path(photo))
selection = Segmenter.from_preset("tabletop").observe(image).select(sentence)
print(selection.status.name, selection.reason)
write_image(Path(answer), draw_overlay(image, selection))
