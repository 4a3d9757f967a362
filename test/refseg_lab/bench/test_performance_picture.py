# SPDX-License-Identifier: Apache-2.0
"""The curves of docs/performance.md are drawn from what ``refseg bench --json`` prints."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from benchmark_scripts import benchmark

from refseg_lab.bench import BenchReport, BenchRow
from refseg_ros.backbones.device import Device

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture() -> Any:
    return benchmark("performance_picture")


def report() -> dict[str, Any]:
    made = BenchReport("tabletop", Device.from_name("cpu"), 2)
    made.rows = [
        BenchRow("candidates", f"{count} candidates: {what}", (0.001 * count, 0.0012 * count))
        for count in (5, 50)
        for what in ("crops and captions", "select, a new sentence")
    ]
    made.rows += [
        BenchRow("size", "640×480: observe", (0.1,)),
        BenchRow("size", "1280×720: observe", ()),
    ]
    return made.as_json()


def test_each_group_has_a_panel_and_each_name_a_curve(picture: Any) -> None:
    root = ET.fromstring(picture.draw(report()))
    assert len(root.findall(f"{SVG}polyline")) == 3
    words = " ".join(text.text or "" for text in root.findall(f"{SVG}text"))
    for expected in ("By candidates", "crops and captions", "megapixels", "tabletop on cpu"):
        assert expected in words
    assert "By cameras" not in words
    # Two counts of candidates are two points, more to the right and higher up.
    (x0, y0), (x1, y1) = (
        map(float, point.split(","))
        for point in root.findall(f"{SVG}polyline")[0].attrib["points"].split()
    )
    assert x1 > x0
    assert y1 < y0


def test_numbers_on_the_axes_enclose_what_is_drawn(picture: Any) -> None:
    assert picture._ticks(5, 200) == [5, 10, 20, 50, 100, 200]
    assert picture._ticks(0.3072, 0.3072) == [0.2, 0.5]


def test_a_report_without_curves_is_refused(picture: Any) -> None:
    with pytest.raises(ValueError, match="no rows of candidates, size, expressions, cameras"):
        picture.draw({"rows": []})
