# SPDX-License-Identifier: Apache-2.0
"""One image and one sentence: writes the image with the answer drawn over it.

python examples/one_sentence.py ["the green teapot" [OUT.png [PHOTO]]]
"""

from __future__ import annotations

import sys
from pathlib import Path

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.image_io import read_image, write_image
from refseg_ros.viewer import draw_overlay


def main(sentence: str = "the green teapot", out: str = "answer.png", photo: str = "") -> None:
    """Ask one sentence of a photo, or of a bundled scene."""
    image = read_image(Path(photo)) if photo else bundled_scenes()[5].frame.rgb
    segmenter = Segmenter.from_preset("tabletop")
    selection = segmenter.observe(image).select(sentence)
    print(f"{selection.status.name}: {selection.reason}")
    print(f"box {selection.box.tolist()}, score {selection.score:.2f}")
    write_image(Path(out), draw_overlay(image, selection))
    print(f"wrote {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
