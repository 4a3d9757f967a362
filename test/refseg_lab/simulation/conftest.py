# SPDX-License-Identifier: Apache-2.0
"""The renderer that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refseg_lab.simulation import RendererUnavailable, TabletopRenderer


@pytest.fixture(scope="module")
def renderer() -> Iterator[TabletopRenderer]:
    try:
        made = TabletopRenderer(320, 240)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    with made:
        yield made
