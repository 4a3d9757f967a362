# SPDX-License-Identifier: Apache-2.0
"""The exceptions that refseg_ros raises on purpose; each message says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def installed_by(what: str, packages: str) -> Iterator[None]:
    """Around imports of what may not be installed.

    Args:
        what: What needs it, the first word of the message.
        packages: What to install with pip.

    Raises:
        ConfigError: Something is not installed; one line that names the command.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("refseg_"):
            raise
        raise ConfigError(
            f"{what}: {error.name} is not installed; pip install {packages}"
        ) from error
