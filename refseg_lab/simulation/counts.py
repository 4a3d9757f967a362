# SPDX-License-Identifier: Apache-2.0
"""Counts what the splits of RefTabletop hold, for the table of `docs/data_card.md`.

No picture is needed: expressions follow from the masks of the rasteriser, alike on any machine.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from refseg_lab.pools import in_processes
from refseg_lab.simulation.benchmark import SIZE
from refseg_lab.simulation.expressions import PHENOMENA, Referral, benchmark_referrals
from refseg_lab.simulation.rasteriser import rasterise
from refseg_lab.simulation.renderer import Frame
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import SceneSpec
from refseg_lab.simulation.splits import get_split
from refseg_ros.errors import ConfigError

#: Lines of a document between which the table stands.
BEGIN, END = "<!-- counts: begin -->", "<!-- counts: end -->"
#: Splits that are counted, in the order of the columns.
COUNTED = ("slice", "test", "test_compose", "test_shift", "test_wild")

_ROWS = (
    ("scenes", "scenes"),
    ("objects", "objects"),
    ("objects in or on another", "carried"),
    *((f"`{name}`", name) for name in PHENOMENA),
    ("**expressions**", "expressions"),
    ("different wordings", "wordings"),
)
_CHUNK = 8


def unlit_frame(spec: SceneSpec, width: int, height: int) -> Frame:
    """A frame with the true masks of a scene and a black picture without depth.

    Args:
        spec: the scene.
        width: in pixels.
        height: in pixels.
    """
    seen = rasterise(spec, width, height)
    return Frame(
        rgb=np.zeros((height, width, 3), np.uint8),
        depth=np.zeros((height, width), np.float32),
        instances=seen.instances,
        intrinsics=spec.camera.intrinsics(width, height),
        camera_pose=spec.camera.pose(),
        full_areas=seen.full_areas,
    )


def told(job: tuple[str, int]) -> tuple[SceneSpec, list[Referral]]:
    """A scene of a split, by (name, index), and its expressions."""
    name, index = job
    split = get_split(name)
    spec = sample_scene(split.first_seed + index, split.profile)
    return spec, benchmark_referrals(spec, unlit_frame(spec, *SIZE), name)


def count_split(name: str, scenes: int | None = None, workers: int = 1) -> Counter[str]:
    """Counts scenes, objects, expressions, different wordings and each phenomenon of a split.

    Args:
        name: one of `splits.SPLITS`.
        scenes: how many, the first of the split; None for all.
        workers: processes to count with, at least 1.

    Raises:
        ConfigError: if there is no such split, or it has fewer scenes.
        ValueError: if workers is less than 1.
    """
    whole = get_split(name).scenes
    count = whole if scenes is None else scenes
    if not 1 <= count <= whole:
        raise ConfigError(f"scenes must lie in 1..{whole} for {name}, got {count}")
    jobs = [(name, index) for index in range(count)]
    counts: Counter[str] = Counter(scenes=len(jobs))
    wordings: set[str] = set()
    for spec, referrals in in_processes(told, jobs, workers, chunk=_CHUNK):
        counts["objects"] += len(spec.objects)
        counts["carried"] += sum(item.support >= 0 for item in spec.objects)
        counts["expressions"] += len(referrals)
        counts.update(referral.phenomenon for referral in referrals)
        wordings.update(referral.expression for referral in referrals)
    counts["wordings"] = len(wordings)
    return counts


def counts_table(columns: dict[str, Counter[str]]) -> str:
    """A Markdown table with a column for each split."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for title, key in _ROWS:
        cells = " | ".join(str(counts[key]) for counts in columns.values())
        lines.append(f"| {title} | {cells} |")
    return "\n".join(lines)


def read_around(document: Path) -> tuple[str, str]:
    """The text before and after the two marker lines of a document.

    Raises:
        ConfigError: if it cannot be read or lacks the markers in this order.
    """
    try:
        text = document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"card: {document} cannot be read ({error})") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"card: {document} needs the lines {BEGIN} and {END}")
    return before, after


def write_table(document: Path, table: str) -> None:
    """Puts the table between the two marker lines of a document.

    Raises:
        ConfigError: as `read_around`.
        OSError: if it cannot be written.
    """
    before, after = read_around(document)
    document.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command `python -m refseg_lab.simulation.counts`."""
    parser = argparse.ArgumentParser(description="Count what the splits of RefTabletop hold.")
    parser.add_argument("--scenes", type=int, help="first scenes of each split (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--card", type=Path, help="document whose table to replace")
    options = parser.parse_args(arguments)
    try:
        if options.card is not None:  # said before minutes are spent
            read_around(options.card)
        table = counts_table(
            {
                name: count_split(name, _at_most(name, options.scenes), options.workers)
                for name in COUNTED
            }
        )
    except ValueError as error:
        parser.error(str(error))
    if options.card is None:
        sys.stdout.write(table + "\n")
    else:
        write_table(options.card, table)


def _at_most(name: str, scenes: int | None) -> int | None:
    return None if scenes is None else min(scenes, get_split(name).scenes)


if __name__ == "__main__":
    main()
