# SPDX-License-Identifier: Apache-2.0
"""What the README says of the program is what the program is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_parameter_table_is_the_one_in_the_code() -> None:
    parameters = pytest.importorskip("refseg_lab.ros.parameter_file", reason="needs ROS 2")
    from refseg_ros.ros.segmenter_parameters import SEGMENTER_PARAMETERS

    page = (ROOT / "docs" / "ros_api.md").read_text(encoding="utf-8")
    shown = page.split("markdown_text(SEGMENTER_PARAMETERS) -->\n")[1].split("<!-- /parameters")[0]
    assert shown == parameters.markdown_text(SEGMENTER_PARAMETERS)


def test_the_readme_is_a_page_that_one_reads() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_page_that_it_links_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in README] == []


def test_every_status_is_explained() -> None:
    from refseg_ros.results import Status

    assert [status.name for status in Status if f"`{status.name}`" not in README] == []
