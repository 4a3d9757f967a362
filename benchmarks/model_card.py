# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of the whole method into the model card, from what an evaluation measured.

refseg eval tabletop --split all --json figures.json
python benchmarks/model_card.py figures.json --card docs/model_card.md
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNITS = {
    "%": (100.0, 1, " %"),
    "ms": (1000.0, 0, " ms"),
    "s": (1.0, 2, " s"),
    "MB": (1e-6, 1, " MB"),
}
"""Factor, digits and name of the units in which targets are given."""
BEGIN, END = "<!-- whole: begin -->", "<!-- whole: end -->"


def shown(figure: Mapping[str, float] | None, unit: str) -> tuple[str, str]:
    """A value and its interval in words, in the unit of a target."""
    if not figure or figure["value"] is None:
        return "–", "–"
    factor, digits, name = UNITS.get(unit, (1.0, 3, ""))
    value = f"{factor * figure['value']:.{digits}f}{name}"
    if figure.get("low") is None:
        return value, "–"
    return value, f"{factor * figure['low']:.{digits}f}–{factor * figure['high']:.{digits}f}"


def targets(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of the targets."""
    lines = [
        "| figure | split | target | value | 95 % interval | reached |",
        "|---|---|---|---|---|---|",
    ]
    for item in values:
        value, interval = shown(item["figure"], item["unit"])
        asked = "(beside)"
        if item["threshold"] is not None:
            least, _ = shown({"value": item["threshold"]}, item["unit"])
            asked = f"{'≥' if item['at_least'] else '≤'} {least}"
        reached = {True: "yes", False: "no", None: "–"}[item["reached"]]
        cells = (item["name"], item["split"] or "–", asked, value, interval, reached)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def phenomena(splits: Mapping[str, Any]) -> list[str]:
    """Pr@50 by phenomenon, a column a split; of absent things the share refused."""
    lines = [
        "| phenomenon | " + " | ".join(f"`{name}`" for name in splits) + " |",
        "|---" * (len(splits) + 1) + "|",
    ]
    table = {
        name: {row["phenomenon"]: row for row in split["rows"]} for name, split in splits.items()
    }
    for name, split in splits.items():
        table[name]["all but absent"] = split["total"]
    order = [row["phenomenon"] for row in next(iter(splits.values()))["rows"]]
    order = [name for name in order if name != "absent"] + ["all but absent", "absent"]
    for kind in order:
        figure = "refused_right" if kind == "absent" else "pr50"
        cells = [_cell(table[name].get(kind), figure) for name in splits]
        label = "absent (refused)" if kind == "absent" else kind
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _cell(row: Mapping[str, Any] | None, figure: str) -> str:
    found = row["figures"][figure] if row else None
    if row is None or not found:
        return "–"
    value, low, high = (100 * found[name] for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.0f}–{high:.0f}), n = {row['n']}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace what stands between the marks of the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path, help="what `refseg eval tabletop --json` wrote")
    parser.add_argument("--card", type=Path, default=Path("docs/model_card.md"))
    options = parser.parse_args(arguments)
    figures = json.loads(options.figures.read_text(encoding="utf-8"))
    text = options.card.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        parser.error(f"{options.card} lacks the marks {BEGIN} and {END}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    lines = [*targets(figures["targets"]), "", "Pr@50 in % with 95 % intervals over scenes:", ""]
    lines += phenomena(figures["splits"])
    body = "\n".join(lines)
    options.card.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
