# SPDX-License-Identifier: Apache-2.0
"""``refseg eval ablation``: configurations side by side, in one run over the scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from refseg_lab.evaluation.ablation import Ablation, leaves, plain
from refseg_lab.evaluation.ablation_tables import NARROWEST, markdown, print_comparison, print_rows
from refseg_lab.evaluation.bootstrap import LEVEL, RESAMPLES
from refseg_lab.evaluation.comparing import Comparison, compare
from refseg_lab.evaluation.records import Answer, SceneResult
from refseg_lab.evaluation.side_by_side import VariantsLoader
from refseg_lab.evaluation.tabletop_source import (
    TabletopOptions,
    TabletopSource,
    check_places,
    measure_split,
    source_of,
    write_json,
    write_text,
)
from refseg_ros import __version__
from refseg_ros.errors import RefsegError

Results = Sequence[SceneResult]


@dataclass(frozen=True)
class AblationReport:
    """Everything that one run measured.

    Attributes:
        options: What was asked for; its preset and pictures are not used.
        ablation: The rows.
        comparisons: Figures by split.
        results: By split, for each row one result a sample.
    """

    options: TabletopOptions
    ablation: Ablation
    comparisons: Mapping[str, Comparison]
    results: Mapping[str, Sequence[Results]]

    def as_json(self) -> dict[str, Any]:
        """Plain values: the figures of the tables and, for each row, a record an expression."""
        rows = self.ablation.rows
        return {
            "benchmark": "RefTabletop",
            "version": __version__,
            "ablation": self.ablation.source,
            "seed": self.options.seed,
            "interval": {"level": LEVEL, "resamples": RESAMPLES, "over": "scenes"},
            "configurations": {
                row.name: {name: plain(value) for name, value in leaves(row.config).items()}
                for row in rows
            },
            "splits": {name: item.as_json() for name, item in self.comparisons.items()},
            "expressions": {
                split: [_asked(answer) for result in results[0] for answer in result.answers]
                for split, results in self.results.items()
            },
            "answers": {
                split: {
                    row.name: [_said(answer) for result in mine for answer in result.answers]
                    for row, mine in zip(rows, results, strict=True)
                }
                for split, results in self.results.items()
            },
        }


def _asked(answer: Answer) -> dict[str, Any]:
    return {
        "scene": answer.scene,
        "expression": answer.expression,
        "phenomenon": answer.phenomenon,
        "targets": list(answer.targets),
    }


def _said(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "iou": answer.iou,
        "right": answer.right,
        "score": answer.score,
        "margin": answer.margin,
        "limit": answer.limit,
    }


def evaluate_ablation(options: TabletopOptions, ablation: Ablation) -> AblationReport:
    """Measure all rows, print the tables, write what is asked for.

    Args:
        options: What to do; each row has its own configuration instead of the preset.
        ablation: The rows.

    Raises:
        RefsegError: Something is missing, cannot be written, or nothing could be answered.
    """
    console = Console(highlight=False)
    console.width = max(console.width, NARROWEST)
    check_places(options)
    sources = {split: source_of(split, options) for split in options.splits}
    prepare = VariantsLoader(tuple(row.config for row in ablation.rows), options.device)
    prepare.find()  # so that a missing checkpoint is said at once, in one line
    print_rows(console, ablation)
    results: dict[str, Sequence[Results]] = {}
    comparisons: dict[str, Comparison] = {}
    for split, source in sources.items():
        results[split] = _measured(prepare, ablation, split, source, options.workers)
        comparisons[split] = compare(ablation, split, results[split], seed=options.seed)
        print_comparison(console, comparisons[split])
    report = AblationReport(options, ablation, comparisons, results)
    if options.json_file:
        write_json(options.json_file, report.as_json(), indent=None)
        console.print(f"wrote {options.json_file}", soft_wrap=True)
    if options.markdown:
        text = markdown(ablation, list(comparisons.values()), _command(options, ablation))
        write_text("--markdown", options.markdown, text)
        console.print(f"wrote {options.markdown}", soft_wrap=True)
    return report


def _measured(
    prepare: VariantsLoader, ablation: Ablation, split: str, source: TabletopSource, workers: int
) -> list[Results]:
    scenes = measure_split(prepare, split, source, workers)
    rows = list(zip(*scenes, strict=True))
    for row, results in zip(ablation.rows, rows, strict=True):
        if all(result.error for result in results):
            raise RefsegError(
                f"{split}: row {row.name}: no scene could be observed; {results[0].error}"
            )
    return [list(results) for results in rows]


def _command(options: TabletopOptions, ablation: Ablation) -> str:
    scenes = f", the first {options.scenes} scenes of each split" if options.scenes else ""
    return (
        f"refseg_ros {__version__}, ablation {ablation.source}{scenes}; 95 % intervals of "
        f"{RESAMPLES} draws of scenes, seed {options.seed}"
    )
