# SPDX-License-Identifier: Apache-2.0
"""Which scenes of RefTabletop are measured, where they are, and where figures are written."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refseg_lab.evaluation.records import Question, Sample
from refseg_lab.evaluation.runner import Prepare, over_samples
from refseg_ros.errors import RefsegError
from refseg_ros.weights import cache_folder

if TYPE_CHECKING:
    from refseg_lab.simulation.benchmark import TabletopScene

T = TypeVar("T")

SLICE = "slice"
"""The split that ships with the package."""


@dataclass(frozen=True)
class TabletopOptions:
    """What can be chosen.

    Attributes:
        splits: Names of the splits, in the order in which they are measured.
        preset: The segmenter's preset.
        method: Method to use; "" for the preset's own.
        scenes: How many scenes of each split, from the first; None for all.
        data: Folder of the rendered splits; None for the cache.
        json_file: Where to write figures and answers.
        pictures: Folder of the page.
        markdown: Where to write the tables of an ablation.
        curve: Whether the refusal threshold is moved, too.
        depth: Whether the segmenter sees depth images as well.
        workers: Processes.
        device: Device for the networks.
        seed: Seed for the bootstrap and the random pictures.
    """

    splits: tuple[str, ...] = (SLICE,)
    preset: str = "tabletop"
    method: str = ""
    scenes: int | None = None
    data: Path | None = None
    json_file: Path | None = None
    pictures: Path | None = None
    markdown: Path | None = None
    curve: bool = False
    depth: bool = False
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
        folder: Folder of the stored split; None for the bundled slice.
        scenes: How many scenes, from the first; None for all.
        depth: Whether the samples offer their depth images.
    """

    folder: Path | None = None
    scenes: int | None = None
    depth: bool = False

    def open(self) -> TabletopSamples:
        """The samples, each read when it is asked for.

        Raises:
            ConfigError: The folder holds no whole split.
        """
        return TabletopSamples(self.open_scenes(), self.depth)

    def open_scenes(self) -> Sequence[TabletopScene]:
        """The scenes with all that is known of them.

        Raises:
            ConfigError: As for :meth:`open`.
        """
        from refseg_lab.simulation.benchmark import bundled_slice, open_split

        split = bundled_slice() if self.folder is None else open_split(self.folder)
        return split[: self.scenes]


class TabletopSamples(Sequence[Sample]):
    """Scenes of RefTabletop as samples."""

    def __init__(self, scenes: Sequence[TabletopScene], depth: bool = False) -> None:
        """Keep the scenes; nothing is read yet."""
        self._scenes, self._depth = scenes, depth

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return TabletopSamples(self._scenes[index], self._depth)
        return as_sample(self._scenes[index], self._depth)

    def __iter__(self) -> Iterator[Sample]:
        return (as_sample(scene, self._depth) for scene in self._scenes)


def as_sample(scene: TabletopScene, depth: bool = False) -> Sample:
    """A scene as picture, true masks and questions; with depth as well if that is asked for."""
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
        depth=scene.frame.depth if depth else None,
        intrinsics=scene.frame.intrinsics if depth else None,
    )


def check_places(options: TabletopOptions) -> None:
    """Check that the requested files can be written, before minutes are spent.

    Raises:
        RefsegError: A file or folder cannot be written; the message names the option.
    """
    for option, path in (("--json", options.json_file), ("--markdown", options.markdown)):
        if path is None:
            continue
        existed = path.exists()
        try:
            path.open("a", encoding="utf-8").close()
            if not existed:  # an evaluation that fails leaves no empty file
                path.unlink()
        except OSError as error:
            raise _unwritable(option, path, error) from None
    if options.pictures:
        try:
            options.pictures.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=options.pictures).close()
        except OSError as error:
            raise RefsegError(
                f"--pictures: cannot write to {options.pictures} ({error.strerror})"
            ) from None


def write_json(path: Path, values: Mapping[str, Any], *, indent: int | None = 1) -> None:
    """Write what ``--json`` asks for.

    Args:
        path: Path of the file.
        values: Plain, without NaN.
        indent: Indentation of nested values; None for one line.

    Raises:
        RefsegError: The file cannot be written.
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, indent=indent)
    write_text("--json", path, text + "\n")


def write_text(option: str, path: Path, text: str) -> None:
    """Write a file that an option asks for.

    Args:
        option: Named if it fails.
        path: Path of the file.
        text: Its content.

    Raises:
        RefsegError: The file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(option, path, error) from None


def _unwritable(option: str, path: Path, error: OSError) -> RefsegError:
    return RefsegError(f"{option}: {path} cannot be written ({error.strerror})")


def measure_split(
    prepare: Prepare[T], split: str, source: TabletopSource, workers: int
) -> list[T]:
    """Measure all scenes of a split, with a progress bar.

    Args:
        prepare: See :func:`refseg_lab.evaluation.runner.over_samples`.
        split: Its name.
        source: The split.
        workers: Processes.
    """
    with progress_bar() as bar:
        task = bar.add_task(f"answering {split}", total=len(source.open()))
        return over_samples(
            prepare,
            source,
            workers=workers,
            progress=lambda done: bar.update(task, completed=done),
        )


def source_of(split: str, options: TabletopOptions) -> TabletopSource:
    """The split, rendered first if it is missing or too short.

    Args:
        split: Its name.
        options: Where it is, and how many of its scenes are wanted.

    Raises:
        RefsegError: It is missing and cannot be rendered here, or its folder holds another.
    """
    if split == SLICE:
        return TabletopSource(None, options.scenes, options.depth)
    from refseg_lab.simulation.benchmark import open_split
    from refseg_lab.simulation.splits import get_split

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
    return TabletopSource(folder, wanted, options.depth)


def _render(split: str, folder: Path, stored: int, wanted: int, workers: int) -> None:
    from refseg_lab.simulation.benchmark import make_split
    from refseg_lab.simulation.opengl import RendererUnavailable

    if importlib.util.find_spec("mujoco") is None:
        raise RefsegError(
            f"--split {split}: {wanted - stored} of {wanted} scenes are not in {folder} and must "
            "be rendered, which needs MuJoCo: pip install 'refseg_ros[sim]'; or name a folder "
            "that holds them by --data, or take --split slice"
        )
    with progress_bar() as bar:
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


def progress_bar() -> Progress:
    """A bar on stderr, gone when it is done; nothing where stderr is no terminal."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
