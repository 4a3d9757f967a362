# SPDX-License-Identifier: Apache-2.0
"""Refusal on drawn features with the spreads of published CLIPs."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_lab.evaluation.spreads import Spreads, joined, refusal_auc, simulate


def test_cosines_have_the_spreads_that_are_asked_for() -> None:
    rng, spreads = np.random.default_rng(0), Spreads()
    crops = joined(*spreads.drawn(rng, 200, 0.0))
    texts = joined(*spreads.drawn(rng, 200, spreads.text))
    cosines = (crops @ texts.T).numpy()
    assert cosines.mean() == pytest.approx(0.20, abs=0.003)
    assert (cosines - cosines.mean(0)).std() == pytest.approx(0.02, abs=0.002)
    assert cosines.mean(0).std() == pytest.approx(0.015, abs=0.002)


def test_centring_takes_refusal_from_seventy_to_eighty_percent() -> None:
    for crop in (0.0, 0.01):
        plain, centred = simulate(Spreads(crop=crop), pictures=500)
        assert plain < 0.75
        assert centred > 0.795
    assert refusal_auc(np.array([2.0, 3.0]), np.array([0.0, 2.5])) == 0.75
