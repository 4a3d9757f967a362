# SPDX-License-Identifier: Apache-2.0
"""What the README says of the program is what the program is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_parameter_table_is_the_one_in_the_code() -> None:
    parameters = pytest.importorskip("refseg_ros.ros.parameters", reason="needs ROS 2")
    from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS

    shown = README.split("markdown_text(SEGMENTER_PARAMETERS) -->\n")[1].split("<!-- /parameters")[
        0
    ]
    assert shown == parameters.markdown_text(SEGMENTER_PARAMETERS)


def test_every_picture_and_page_that_it_links_exists() -> None:
    root = Path(__file__).parent.parent
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert len(links) >= 3
    assert [link for link in links if not (root / link).exists()] == []


def test_every_status_is_explained() -> None:
    from refseg_ros.results import Status

    assert [status.name for status in Status if f"`{status.name}`" not in README] == []
