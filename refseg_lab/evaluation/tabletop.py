# SPDX-License-Identifier: Apache-2.0
"""RefTabletop: rendered table scenes with labelled expressions (``refseg eval tabletop``).

``docs/benchmark.md`` says what is measured and how to read it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from refseg_lab.evaluation.bootstrap import LEVEL, RESAMPLES
from refseg_lab.evaluation.records import FAILED, Sample, SceneResult
from refseg_lab.evaluation.refusal import Curve, curve, curve_configs, print_curve
from refseg_lab.evaluation.runner import Measuring, SegmenterLoader
from refseg_lab.evaluation.side_by_side import VariantsLoader
from refseg_lab.evaluation.summary import Summary, summarise
from refseg_lab.evaluation.tables import WIDTH, print_split, targets_table
from refseg_lab.evaluation.tabletop_source import (
    TabletopOptions,
    TabletopSource,
    check_places,
    measure_split,
    source_of,
    write_json,
)
from refseg_lab.evaluation.targets import Target, targets
from refseg_lab.evaluation.timing import TIMED, WARM_UP, Cost, measure_cost
from refseg_ros import __version__
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError
from refseg_ros.methods.catalogue import with_method
from refseg_ros.recordings.observed import Observer

if TYPE_CHECKING:
    from refseg_lab.simulation.benchmark import TabletopScene
    from refseg_ros.segmenter import Segmenter


def components(observer: Observer, sample: Sample) -> dict[str, tuple[int, int]]:
    """How good matching and captions are by themselves on a scene, with its true masks.

    Args:
        observer: A :class:`refseg_ros.Segmenter`.
        sample: A sample from :func:`as_sample`.
    """
    from refseg_lab.evaluation.components import caption_accuracy, crop_retrieval

    segmenter, scene = cast("Segmenter", observer), cast("TabletopScene", sample.origin)
    counts = {"crop_retrieval": crop_retrieval(segmenter, [scene])}
    if segmenter.has_captions:
        counts["caption_accuracy"] = caption_accuracy(segmenter, [scene])
    return {name: (sum(right), sum(asked)) for name, (right, asked) in counts.items()}


@dataclass(frozen=True)
class TabletopReport:
    """Everything that one run measured.

    Attributes:
        options: What was asked for.
        summaries: Figures by split.
        results: Records by split.
        cost: Seconds and bytes.
        targets: The table of targets.
        description: Preset, device and precision, and whether depth images were used.
        curves: Refusals by threshold, by split; empty if they were not asked for.
    """

    options: TabletopOptions
    summaries: dict[str, Summary]
    results: dict[str, list[SceneResult]]
    cost: Cost
    targets: list[Target]
    description: str
    curves: Mapping[str, Curve]

    def as_json(self) -> dict[str, Any]:
        """Plain values: the figures of the tables and a record an expression."""
        return {
            "benchmark": "RefTabletop",
            "version": __version__,
            "segmenter": self.description,
            "seed": self.options.seed,
            "interval": {"level": LEVEL, "resamples": RESAMPLES, "over": "scenes"},
            "splits": {name: summary.as_json() for name, summary in self.summaries.items()},
            "cost": self.cost.as_json(),
            "refusal_curves": {name: item.as_json() for name, item in self.curves.items()},
            "targets": [target.as_json() for target in self.targets],
            "answers": {
                name: [answer.as_json() for result in results for answer in result.answers]
                for name, results in self.results.items()
            },
        }


def evaluate_tabletop(options: TabletopOptions) -> TabletopReport:
    """Measure, print the tables, write what is asked for.

    Args:
        options: What to do.

    Raises:
        RefsegError: Something is missing, cannot be written, or nothing could be answered.
    """
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)  # a narrower table would lose its figures
    config = with_method(SegmenterConfig.from_preset(options.preset), options.method)
    if options.curve:
        curve_configs(config)  # so that a preset that never refuses is told at once
    check_places(options)
    sources = {split: source_of(split, options) for split in options.splits}
    load = SegmenterLoader(config, options.device)
    segmenter = load()  # so that a missing checkpoint is said at once, in one line
    results, summaries, curves = {}, {}, {}
    for split, source in sources.items():
        results[split] = _measured(load, split, source, options.workers)
        summaries[split] = summarise(results[split], seed=options.seed, order=_order())
        print_split(console, split, summaries[split])
        if options.curve:
            curves[split] = _curve(config, split, source, options)
            print_curve(console, split, curves[split])
    split, source = next(iter(sources.items()))
    cost = measure_cost(load, segmenter, _answerable(source, results[split]))
    asked = targets(summaries, cost)
    seen = segmenter.description + (", with depth images" if options.depth else "")
    report = TabletopReport(options, summaries, results, cost, asked, seen, curves)
    console.print(targets_table(report.targets))
    console.print(
        f"{report.description}; {cost.machine}; {len(cost.seconds)} answers timed with "
        f"{cost.threads} threads at a load of {cost.load_average:.1f}"
    )
    if options.json_file:
        write_json(options.json_file, report.as_json())
        console.print(f"wrote {options.json_file}", soft_wrap=True)
    if options.pictures:
        for path in _write_pictures(options.pictures, report, sources):
            console.print(f"wrote {path}", soft_wrap=True)
    return report


def _write_pictures(
    folder: Path, report: TabletopReport, sources: Mapping[str, TabletopSource]
) -> list[Path]:
    from refseg_lab.evaluation.page import write_page

    splits = [
        (split, report.summaries[split], report.results[split], source.open())
        for split, source in sources.items()
    ]
    return write_page(folder, report.description, splits, report.options.seed)


def _answerable(source: TabletopSource, results: Sequence[SceneResult]) -> list[Sample]:
    """Enough samples for timing, of those whose first expression was answered."""
    samples = source.open()
    rows = (
        row
        for row, result in enumerate(results)
        if result.answers and result.answers[0].limit != FAILED
    )
    return [samples[row] for row in itertools.islice(rows, TIMED + WARM_UP)]


def _order() -> tuple[str, ...]:
    from refseg_lab.simulation.expressions import PHENOMENA

    return tuple(PHENOMENA)


def _measured(
    load: SegmenterLoader, split: str, source: TabletopSource, workers: int
) -> list[SceneResult]:
    results = measure_split(Measuring(load, components), split, source, workers)
    if results and all(result.error for result in results):
        raise RefsegError(f"{split}: no scene could be observed; {results[0].error}")
    return results


def _curve(
    config: SegmenterConfig, split: str, source: TabletopSource, options: TabletopOptions
) -> Curve:
    configs = curve_configs(config)
    prepare = VariantsLoader(configs, options.device)
    scenes = measure_split(prepare, f"{split} again", source, options.workers)
    return curve(config, configs, list(zip(*scenes, strict=True)), seed=options.seed)
