# SPDX-License-Identifier: Apache-2.0
"""Dataclass fields that carry their description and allowed values, and their check."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from refseg_ros.config.plain_yaml import brief
from refseg_ros.errors import ConfigError

T = TypeVar("T")


def option(
    default: Any,
    help_text: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[Any, ...] = (),
    holds: str = "",
) -> Any:
    """A dataclass field that carries its own description and allowed values.

    A choice ``name:WHAT`` stands for any text that begins with ``name:`` and goes on; ``holds``
    is what a text, or each of several, must contain.
    """
    metadata = {"help": help_text, "low": low, "high": high, "choices": choices, "holds": holds}
    return field(default=default, metadata=metadata)


def build(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """A dataclass of nested plain values.

    Args:
        cls: A dataclass whose fields are dataclasses or made by :func:`option`.
        mapping: Field name to value; sub-configurations are mappings.
        where: Dotted place of the mapping, for messages; "" or ending in a dot.

    Raises:
        ConfigError: An unknown key or a value out of range; names key, value, alternatives.
    """
    hints = get_type_hints(cls)
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            raise ConfigError(
                f"{where}{_named(key)}: unknown; known are {', '.join(sorted(fields))}"
            )
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{where}{key}: expected a mapping of fields, got {brief(value)}"
                )
            values[key] = build(hint, value, f"{where}{key}.")  # type: ignore[arg-type]
        else:
            values[key] = _check(value, hint, dict(fields[key].metadata), f"{where}{key}")
    return cls(**values)


def _check(value: Any, hint: Any, rule: Mapping[str, Any], where: str) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {brief(value)}")
        return tuple(_check(item, get_args(hint)[0], rule, where) for item in value)
    kind = (get_args(hint) or (hint,))[0]
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            raise ConfigError(f"{where}: {brief(value)} is out of range") from None
    if type(value) is not kind:
        raise ConfigError(f"{where}: expected {kind.__name__}, got {brief(value)}")
    if kind in (int, float) and not rule["low"] <= value <= rule["high"]:
        raise ConfigError(
            f"{where}: {brief(value)} is out of range; allowed is {rule['low']} to {rule['high']}"
        )
    if rule["choices"] and not any(_is_choice(value, choice) for choice in rule["choices"]):
        raise ConfigError(f"{where}: {brief(value)} is not one of {', '.join(rule['choices'])}")
    if rule["holds"] and rule["holds"] not in value:
        raise ConfigError(f"{where}: {brief(value)} does not contain {rule['holds']}")
    return value


def _named(key: Any) -> str:
    """A key as it was written, if it looks like one."""
    return key if isinstance(key, str) and key.isidentifier() and len(key) < 60 else brief(key)


def _is_choice(value: str, choice: str) -> bool:
    name, colon, _ = choice.partition(":")
    if not colon:
        return value == choice
    return value.startswith(f"{name}:") and len(value) > len(name) + 1
