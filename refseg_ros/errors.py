# SPDX-License-Identifier: Apache-2.0
"""The exceptions that refseg_ros raises on purpose; each message says what to do."""

from __future__ import annotations


class RefsegError(Exception):
    """Base of every error raised on purpose, so that a caller can catch them all."""


class ConfigError(RefsegError, ValueError):
    """A configuration value is not allowed; the message names key, value and alternatives."""


class ImageError(RefsegError, ValueError):
    """An image has the wrong shape, type or size; the message says which are accepted."""


class WeightsError(RefsegError):
    """A checkpoint is missing, truncated, of another architecture, or unsafe to load."""


class DatasetError(RefsegError):
    """A data set or a recording is missing, damaged or unsafe; the message says what to do."""
