# SPDX-License-Identifier: Apache-2.0
"""YAML files of plain values; whatever else a file holds is refused in one line."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any, Final

import yaml

from refseg_ros.errors import ConfigError

_BYTES: Final = 100_000
_DEPTH: Final = 20
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


def brief(value: Any) -> str:
    """A value as it would be written, on one line of bounded length."""
    try:
        return _SHOWN.repr(value)
    except ValueError:  # more digits than Python writes
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else "a number"


def read_yaml(path: Path, what: str) -> Any:
    """The plain values of a YAML file, read by the safe loader.

    Args:
        path: The file; at most 100 kB.
        what: How messages begin; it names the file.

    Raises:
        ConfigError: It cannot be read, is not YAML, is nested more than 20 deep, repeats parts
            by aliases, or holds a number that is too long.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ConfigError(f"{what}: cannot be read: not a regular file")
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
        if len(data) > _BYTES:
            raise ConfigError(f"{what}: has more than {_BYTES} bytes")
        text = data.decode("utf-8")
        _check_events(text)
        return yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{what}: cannot be read: {error.strerror}") from error
    # A number of too many digits, or a date that there is none of, is a ValueError.
    except (yaml.YAMLError, ValueError, OverflowError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"{what}: is not YAML that can be read: {reason}") from error


def _check_events(text: str) -> None:
    """Refuse what takes memory or depth when it is put together.

    Raises:
        ValueError: It does.
        yaml.YAMLError: It is not YAML.
    """
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        place = f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"{place}: aliases are not supported; write it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEPTH:
                raise ValueError(f"{place}: nested more than {_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
