# SPDX-License-Identifier: Apache-2.0
"""The rows of an ablation: configurations that differ step by step, read from a YAML file.

Every row is built and checked by :mod:`refseg_ros.config` before a network is loaded.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from refseg_ros.config import SegmenterConfig
from refseg_ros.config.plain_yaml import read_yaml
from refseg_ros.errors import ConfigError
from refseg_ros.methods.catalogue import METHODS, with_method

BUNDLED = "tabletop"
"""Name of the ablation that ships with the package."""
_PLAN = ("base", "compare", "goal", "rows")
_ROW = ("adopt", "changes", "from", "name", "restore", "what")

Values = dict[str, Any]


@dataclass(frozen=True)
class AblationRow:
    """One configuration of an ablation.

    Attributes:
        name: Short, unique in its ablation.
        what: One line that says what the row adds.
        start: Name of the row that it differs from; "" for the first row.
        changes: Dotted field name to value, where it differs from that row (the first row: from
            the base preset).
        config: The segmenter's configuration, named like the row.
    """

    name: str
    what: str
    start: str
    changes: Mapping[str, Any]
    config: SegmenterConfig


@dataclass(frozen=True)
class Ablation:
    """Configurations that are measured side by side.

    Attributes:
        source: Where it was read from.
        rows: At least two, in the order of the table.
        compare: Names of the two rows that the summary compares: the one that is
            taken as given, and the one that should be better.
        labels: What the summary calls these two.
    """

    source: str
    rows: tuple[AblationRow, ...]
    compare: tuple[str, str]
    labels: tuple[str, str]


def read_ablation(path: Path | None = None) -> Ablation:
    """Read and check an ablation.

    Args:
        path: A YAML file; None for the bundled one.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong; the message names the
            file, the row, the key, the value and what is allowed.
    """
    if path is not None:
        return _read(path, str(path))
    file = resources.files("refseg_lab") / "evaluation" / "rows" / f"{BUNDLED}.yaml"
    with resources.as_file(file) as place:
        return _read(place, f"bundled {BUNDLED}")


def compare_methods(preset: str, names: Sequence[str]) -> Ablation:
    """Methods side by side on one preset.

    Args:
        preset: Whose networks and proposals all of them use.
        names: At least two of :data:`refseg_ros.methods.catalogue.METHODS`, each once. Each is
            compared with the first; the summary compares the last with it by groups.

    Raises:
        ConfigError: The preset or a method is unknown, or a method is named twice or alone.
    """
    if len(set(names)) != len(names) or len(names) < 2:
        raise ConfigError(f"--method: expected different ones, two or more, got {','.join(names)}")
    base = SegmenterConfig.from_preset(preset)
    first = with_method(base, names[0])
    rows = [AblationRow(names[0], METHODS[names[0]].what, "", differences(base, first), first)]
    for name in names[1:]:
        config = with_method(base, name)
        changes = differences(first, config)
        rows.append(AblationRow(name, METHODS[name].what, names[0], changes, config))
    pair = (names[0], names[-1])
    return Ablation(f"methods on the preset {preset}", tuple(rows), pair, pair)


def _read(path: Path, source: str) -> Ablation:
    where = f"ablation {source}"
    plan = read_yaml(path, where)
    if not isinstance(plan, Mapping):
        raise ConfigError(f"{where}: must be a mapping of {', '.join(_PLAN)}, not {plan!r}")
    _check_keys(plan, _PLAN, where)
    entries = plan.get("rows")
    if not isinstance(entries, list) or len(entries) < 2:
        raise ConfigError(f"{where}: rows: expected a list of at least two rows, got {entries!r}")
    base = _preset(plan, "base", where) or SegmenterConfig()
    goal = _preset(plan, "goal", where)
    rows: dict[str, AblationRow] = {}
    for number, entry in enumerate(entries, 1):
        row = _row(entry, rows, base, goal, f"{where}: row {number}")
        rows[row.name] = row
    pair, labels = _compare(plan, list(rows), where)
    return Ablation(source, tuple(rows.values()), pair, labels)


def _preset(plan: Mapping[str, Any], key: str, where: str) -> SegmenterConfig | None:
    if key not in plan:
        return None
    if not isinstance(plan[key], str):
        raise ConfigError(f"{where}: {key}: expected the name of a preset, got {plan[key]!r}")
    try:
        return SegmenterConfig.from_preset(plan[key])
    except ConfigError as error:
        raise ConfigError(f"{where}: {key}: {error}") from error


def _compare(
    plan: Mapping[str, Any], names: Sequence[str], where: str
) -> tuple[tuple[str, str], tuple[str, str]]:
    """The two rows that are compared, and what they are called."""
    ends = {names[0]: names[0], names[-1]: names[-1]}
    pair = plan.get("compare", ends)
    if not (
        isinstance(pair, Mapping)
        and len(pair) == 2
        and all(isinstance(label, str) for label in pair)
        and len({row for row in pair.values() if row in names}) == 2
    ):
        raise ConfigError(
            f"{where}: compare: expected a mapping of two labels to two of the rows "
            f"{', '.join(names)}, got {pair!r}"
        )
    (first, one), (second, other) = pair.items()
    return (one, other), (first, second)


def _row(
    entry: Any,
    before: Mapping[str, AblationRow],
    base: SegmenterConfig,
    goal: SegmenterConfig | None,
    where: str,
) -> AblationRow:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected a mapping of {', '.join(_ROW)}, got {entry!r}")
    _check_keys(entry, _ROW, where)
    for key in ("name", "what"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ConfigError(f"{where}: {key}: expected a line of text, got {entry.get(key)!r}")
    name: str = entry["name"]
    where = f"{where} ({name})"
    if name in before:
        raise ConfigError(f"{where}: name: {name!r} is the name of an earlier row")
    start = entry.get("from", list(before)[-1] if before else "")
    if start not in before and (before or "from" in entry):
        known = ", ".join(before) or "none"
        raise ConfigError(f"{where}: from: no earlier row {start!r}; there are {known}")
    origin = before[start].config if start else base
    changes = entry.get("changes", {})
    if not isinstance(changes, Mapping):
        raise ConfigError(f"{where}: changes: expected a mapping of fields, got {changes!r}")
    values = _merged(dataclasses.asdict(origin), changes)
    for key, source in (("restore", base), ("adopt", goal)):
        for field in _fields(entry, key, where):
            _take(values, field, source, f"{where}: {key}")
    try:
        config = SegmenterConfig.from_mapping({**values, "name": name, "description": ""})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    differing = differences(origin, config)
    if before and not differing:
        raise ConfigError(f"{where}: changes nothing of the row {start!r}")
    return AblationRow(name, entry["what"].strip(), start, differing, config)


def _check_keys(mapping: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where}: {key!r}: unknown; known are {', '.join(known)}")


def _merged(values: Values, changes: Mapping[str, Any]) -> Values:
    """Nested values with some of them changed; keys that fit nowhere stay for the check."""
    merged = dict(values)
    for key, value in changes.items():
        inner = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if inner else value
    return merged


def _fields(entry: Mapping[str, Any], key: str, where: str) -> list[str]:
    fields = entry.get(key, [])
    if not isinstance(fields, list) or not all(isinstance(item, str) for item in fields):
        raise ConfigError(f"{where}: {key}: expected a list of field names, got {fields!r}")
    return fields


def _take(values: Values, field: str, source: SegmenterConfig | None, where: str) -> None:
    """Set a dotted field to what it is in another configuration."""
    if source is None:
        raise ConfigError(f"{where}: {field!r}: the file names no preset as its goal")
    known = leaves(source)
    if field not in known:
        raise ConfigError(f"{where}: {field!r}: unknown; known are {', '.join(known)}")
    stage, _, name = field.partition(".")
    if isinstance(values[stage], dict):  # else the check names it
        values[stage] = {**values[stage], name: known[field]}


def leaves(config: SegmenterConfig) -> Values:
    """Dotted field name to value, all but name and description.

    Args:
        config: A segmenter's configuration.
    """
    stages = dataclasses.asdict(config)
    return {
        f"{stage}.{name}": value
        for stage, fields in stages.items()
        if isinstance(fields, dict)
        for name, value in fields.items()
    }


def differences(origin: SegmenterConfig, config: SegmenterConfig) -> Values:
    """Dotted field name to value in ``config``, where that differs from ``origin``.

    Args:
        origin: The configuration to compare with.
        config: The changed configuration.
    """
    before = leaves(origin)
    return {name: value for name, value in leaves(config).items() if value != before[name]}


def plain(value: Any) -> Any:
    """A field's value as JSON can hold it: a bound that is infinite becomes null."""
    return None if isinstance(value, float) and math.isinf(value) else value
