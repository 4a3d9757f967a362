# SPDX-License-Identifier: Apache-2.0
"""RefTabletop: rendered table scenes with labelled expressions (``refseg eval tabletop``).

``docs/benchmark.md`` says what is measured and how to read it.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refseg_ros import __version__
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError
from refseg_ros.evaluation.bootstrap import LEVEL, RESAMPLES
from refseg_ros.evaluation.records import FAILED, Observer, Question, Sample, SceneResult
from refseg_ros.evaluation.runner import SegmenterLoader, run
from refseg_ros.evaluation.summary import Summary, summarise
from refseg_ros.evaluation.tables import WIDTH, print_split, targets_table
from refseg_ros.evaluation.targets import Target, targets
from refseg_ros.evaluation.timing import TIMED, WARM_UP, Cost, measure_cost
from refseg_ros.weights import cache_folder

if TYPE_CHECKING:
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.simulation.benchmark import TabletopScene

SLICE = "slice"
"""The split that ships with the package."""


@dataclass(frozen=True)
class TabletopOptions:
    """What can be chosen.

    Attributes:
        splits: Names of the splits, in the order in which they are measured.
        preset: Of the segmenter.
        scenes: So many scenes of each split, the first ones; None for all.
        data: Folder of the rendered splits; None for the cache.
        json_file: Where to write figures and answers.
        pictures: Folder of the page.
        workers: Processes.
        device: Of the networks.
        seed: Of the bootstrap and of the random pictures.
    """

    splits: tuple[str, ...] = (SLICE,)
    preset: str = "tabletop"
    scenes: int | None = None
    data: Path | None = None
    json_file: Path | None = None
    pictures: Path | None = None
    workers: int = 1
    device: str = "auto"
    seed: int = 0

    @property
    def folder(self) -> Path:
        """Where the rendered splits are."""
        return self.data or cache_folder() / "tabletop"


@dataclass(frozen=True)
class TabletopSource:
    """A stored split, or the bundled slice.

    Attributes:
        folder: Of the stored split; None for the bundled slice.
        scenes: So many, the first ones; None for all.
    """

    folder: Path | None = None
    scenes: int | None = None

    def open(self) -> TabletopSamples:
        """The samples, each read when it is asked for.

        Raises:
            ConfigError: The folder holds no whole split.
        """
        return TabletopSamples(self.open_scenes())

    def open_scenes(self) -> Sequence[TabletopScene]:
        """The scenes with all that is known of them.

        Raises:
            ConfigError: As :meth:`open`.
        """
        from refseg_ros.simulation.benchmark import bundled_slice, open_split

        split = bundled_slice() if self.folder is None else open_split(self.folder)
        return split[: self.scenes]


class TabletopSamples(Sequence[Sample]):
    """Scenes of RefTabletop as samples."""

    def __init__(self, scenes: Sequence[TabletopScene]) -> None:
        """Keep the scenes; nothing is read yet."""
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return TabletopSamples(self._scenes[index])
        return as_sample(self._scenes[index])

    def __iter__(self) -> Iterator[Sample]:
        return map(as_sample, self._scenes)


def as_sample(scene: TabletopScene) -> Sample:
    """A scene as picture, true masks and questions."""
    instances = scene.frame.instances
    numbers = np.arange(1, len(scene.spec.objects) + 1, dtype=instances.dtype)
    return Sample(
        name=scene.name,
        image=scene.frame.rgb,
        objects=instances == numbers[:, None, None],
        questions=tuple(
            Question(item.expression, tuple(item.targets), item.phenomenon)
            for item in scene.referrals
        ),
        origin=scene,
    )


def components(observer: Observer, sample: Sample) -> dict[str, tuple[int, int]]:
    """How good matching and captions are by themselves on a scene, with its true masks.

    Args:
        observer: A :class:`refseg_ros.Segmenter`.
        sample: Of :func:`as_sample`.
    """
    from refseg_ros.evaluation.components import caption_accuracy, crop_retrieval

    segmenter, scene = cast("Segmenter", observer), cast("TabletopScene", sample.origin)
    counts = {"crop_retrieval": crop_retrieval(segmenter, [scene])}
    if segmenter.has_captions:
        counts["caption_accuracy"] = caption_accuracy(segmenter, [scene])
    return {name: (sum(right), sum(asked)) for name, (right, asked) in counts.items()}


@dataclass(frozen=True)
class Report:
    """Everything that one run measured.

    Attributes:
        options: What was asked for.
        summaries: Figures by split.
        results: Records by split.
        cost: Seconds and bytes.
        targets: The table of targets.
        description: Preset, device and precision.
    """

    options: TabletopOptions
    summaries: dict[str, Summary]
    results: dict[str, list[SceneResult]]
    cost: Cost
    targets: list[Target]
    description: str

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
            "targets": [target.as_json() for target in self.targets],
            "answers": {
                name: [answer.as_json() for result in results for answer in result.answers]
                for name, results in self.results.items()
            },
        }


def evaluate(options: TabletopOptions) -> Report:
    """Measure, print the tables, write what is asked for.

    Args:
        options: What to do.

    Raises:
        RefsegError: Something is missing, cannot be written, or nothing could be answered.
    """
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)  # a narrower table would lose its figures
    config = SegmenterConfig.from_preset(options.preset)
    _check_places(options)
    sources = {split: _source(split, options) for split in options.splits}
    load = SegmenterLoader(config, options.device)
    segmenter = load()  # so that a missing checkpoint is said at once, in one line
    results, summaries = {}, {}
    for split, source in sources.items():
        results[split] = _measured(load, split, source, options.workers)
        summaries[split] = summarise(results[split], seed=options.seed, order=_order())
        print_split(console, split, summaries[split])
    split, source = next(iter(sources.items()))
    cost = measure_cost(load, segmenter, _answerable(source, results[split]))
    report = Report(
        options, summaries, results, cost, targets(summaries, cost), segmenter.description
    )
    console.print(targets_table(report.targets))
    console.print(
        f"{report.description}; {cost.machine}; {len(cost.seconds)} answers timed with "
        f"{cost.threads} threads at a load of {cost.load_average:.1f}"
    )
    if options.json_file:
        text = json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False, indent=1)
        try:
            options.json_file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise _unwritable(options.json_file, error) from None
        console.print(f"wrote {options.json_file}", soft_wrap=True)
    if options.pictures:
        for path in _write_pictures(options.pictures, report, sources):
            console.print(f"wrote {path}", soft_wrap=True)
    return report


def _write_pictures(
    folder: Path, report: Report, sources: Mapping[str, TabletopSource]
) -> list[Path]:
    from refseg_ros.evaluation.page import write_page

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
    from refseg_ros.simulation.expressions import PHENOMENA

    return tuple(PHENOMENA)


def _measured(
    load: SegmenterLoader, split: str, source: TabletopSource, workers: int
) -> list[SceneResult]:
    with _progress() as bar:
        task = bar.add_task(f"answering {split}", total=len(source.open()))
        results = run(
            load,
            source,
            components=components,
            workers=workers,
            progress=lambda done: bar.update(task, completed=done),
        )
    if results and all(result.error for result in results):
        raise RefsegError(f"{split}: no scene could be observed; {results[0].error}")
    return results


def _check_places(options: TabletopOptions) -> None:
    """Makes sure that what is asked for can be written, before minutes are spent."""
    if options.json_file:
        existed = options.json_file.exists()
        try:
            options.json_file.open("a", encoding="utf-8").close()
            if not existed:  # an evaluation that fails leaves no empty file
                options.json_file.unlink()
        except OSError as error:
            raise _unwritable(options.json_file, error) from None
    if options.pictures:
        try:
            options.pictures.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=options.pictures).close()
        except OSError as error:
            raise RefsegError(
                f"--pictures: cannot write to {options.pictures} ({error.strerror})"
            ) from None


def _unwritable(path: Path, error: OSError) -> RefsegError:
    return RefsegError(f"--json: {path} cannot be written ({error.strerror})")


def _source(split: str, options: TabletopOptions) -> TabletopSource:
    """The split, rendered first if it is missing or too short."""
    if split == SLICE:
        return TabletopSource(None, options.scenes)
    from refseg_ros.simulation.benchmark import open_split
    from refseg_ros.simulation.splits import get_split

    folder, whole = options.folder / split, get_split(split).scenes
    wanted = min(options.scenes or whole, whole)
    stored = 0
    # Without its manifest a folder holds no split, or one whose making was interrupted.
    if (folder / "manifest.json").exists():
        found = open_split(folder)
        if found.name != split:
            raise RefsegError(f"--data: {folder} holds the split {found.name}, not {split}")
        stored = len(found)
    if stored < wanted:
        _render(split, folder, stored, wanted, options.workers)
    return TabletopSource(folder, wanted)


def _render(split: str, folder: Path, stored: int, wanted: int, workers: int) -> None:
    from refseg_ros.simulation.benchmark import make_split
    from refseg_ros.simulation.opengl import RendererUnavailable

    if importlib.util.find_spec("mujoco") is None:
        raise RefsegError(
            f"--split {split}: {wanted - stored} of {wanted} scenes are not in {folder} and must "
            "be rendered, which needs MuJoCo: pip install 'refseg_ros[sim]'; or name a folder "
            "that holds them by --data, or take --split slice"
        )
    with _progress() as bar:
        task = bar.add_task(f"rendering {split} into {folder}", total=wanted)
        try:
            make_split(
                split, folder, wanted, workers, lambda done, _: bar.update(task, completed=done)
            )
        except RendererUnavailable as error:
            raise RefsegError(f"--split {split}: cannot be rendered here; {error}") from error
        except OSError as error:
            raise RefsegError(
                f"--data: cannot write to {folder} ({error.strerror or error})"
            ) from error


def _progress() -> Progress:
    """A bar on stderr, gone when it is done; nothing where stderr is no terminal."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
