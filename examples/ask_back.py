# SPDX-License-Identifier: Apache-2.0
"""Ask back and follow up: python examples/ask_back.py photo.jpg "the mug" "the left one" …."""

from __future__ import annotations

import sys
from pathlib import Path

from refseg_ros import Conversation, Segmenter
from refseg_ros.image_io import read_image

photo, *sentences = sys.argv[1:]
scene = Segmenter.from_preset("tabletop").observe(read_image(Path(photo)))
talk = Conversation()
for sentence in sentences:
    selection = talk.ask(scene, sentence)
    print(f"> {sentence}\n{selection.status.name}: {selection.question or selection.reason}")
