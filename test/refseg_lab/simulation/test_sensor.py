# SPDX-License-Identifier: Apache-2.0
"""The sensor: exposure, blur, noise and compression on pictures with known values."""

from __future__ import annotations

import numpy as np
import pytest

from refseg_lab.simulation.scene import SensorSpec
from refseg_lab.simulation.sensor import decode_jpeg, encode_jpeg, expose


def grey(value: int, height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_an_ideal_sensor_changes_nothing_and_copies() -> None:
    picture = grey(90)
    result = expose(picture, SensorSpec())
    np.testing.assert_array_equal(result, picture)
    assert result is not picture


def test_exposure_is_a_gain_of_light() -> None:
    # 2.2 stops up are a factor of 2 in grey levels; white saturates.
    assert expose(grey(60), SensorSpec(exposure=2.2))[0, 0, 0] == 120
    assert expose(grey(200), SensorSpec(exposure=2.2))[0, 0, 0] == 255
    assert expose(grey(60), SensorSpec(exposure=-2.2))[0, 0, 0] == 30


def test_noise_has_the_stated_deviation_grows_with_light_and_keeps_the_mean() -> None:
    middle = expose(grey(128, 200, 200), SensorSpec(noise=6.0, seed=4)).astype(float)
    assert middle.std() == pytest.approx(6.0, rel=0.03)
    assert middle.mean() == pytest.approx(128.0, abs=0.2)
    dark = expose(grey(40, 200, 200), SensorSpec(noise=6.0, seed=4)).astype(float)
    assert dark.std() < 0.85 * middle.std()


def test_noise_follows_from_the_seed() -> None:
    one = expose(grey(100), SensorSpec(noise=3.0, seed=1))
    np.testing.assert_array_equal(one, expose(grey(100), SensorSpec(noise=3.0, seed=1)))
    assert (one != expose(grey(100), SensorSpec(noise=3.0, seed=2))).any()


def test_blur_is_given_for_a_width_of_640() -> None:
    # An edge blurred by sigma rises from 16 % to 84 % over two sigma.
    picture = np.zeros((40, 1280, 3), np.uint8)
    picture[:, 640:] = 255
    row = expose(picture, SensorSpec(blur=4.0))[20, :, 0] / 255.0
    width = np.argmax(row > 0.8413) - np.argmax(row > 0.1587)
    assert width == pytest.approx(16, abs=1)


def test_jpeg_keeps_the_order_of_the_channels() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 220
    assert decode_jpeg(encode_jpeg(red, 95))[8, 8, 0] > 200


def test_a_better_quality_is_nearer_and_larger() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    low, high = encode_jpeg(picture, 20), encode_jpeg(picture, 95)
    assert len(low) < len(high)
    error = [np.abs(decode_jpeg(d).astype(int) - picture).mean() for d in (low, high)]
    assert error[0] > error[1]


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_are_checked(quality: int) -> None:
    with pytest.raises(ValueError, match=rf"quality must lie in 1\.\.100, got {quality}"):
        encode_jpeg(grey(1), quality)


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no JPEG picture"):
        decode_jpeg(data)
