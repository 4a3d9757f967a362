# SPDX-License-Identifier: Apache-2.0
"""Whether a sentence speaks of places in the picture or among the things."""

from __future__ import annotations

import pytest

from refseg_ros.language import parse


@pytest.mark.parametrize(
    "text",
    [
        "the mug above the book in the picture",
        "the mug higher up in the picture than the book",
        "the mug on the left side of the image",
        "top left of the photo",
        "pick up the cup at the bottom of the screen, please",
    ],
)
def test_places_in_the_picture(text: str) -> None:
    assert parse(text).in_picture


@pytest.mark.parametrize(
    "text",
    [
        "the mug above the book",
        "the mug in view on the left",
        "the cup left of the picture frame",
        "the picture on the left",
        "the photo of the mug",
        "",
        "in the",
        "the left end of the table",
    ],
)
def test_places_among_things(text: str) -> None:
    assert not parse(text).in_picture
