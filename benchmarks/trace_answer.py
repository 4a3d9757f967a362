# SPDX-License-Identifier: Apache-2.0
"""Which of our files and lines a sentence runs through, from the text to its Selection.

    python benchmarks/trace_answer.py ["the red mug left of the book"] [--scene 0]

Explanation and question are left aside, as an answer does not depend on them.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

import refseg_ros
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter

HOUSE = Path(refseg_ros.__file__).parent
ASIDE = ("decision/explaining.py", "decision/questions.py", "spatial/weighed.py", "explain/")


def lines_run(work: Any) -> tuple[dict[str, set[int]], int]:
    """Our lines that a call runs, by file, and how often text is tokenised."""
    lines: dict[str, set[int]] = defaultdict(set)
    tokenised = 0

    def watch(frame: FrameType, event: str, _: object) -> Any:
        nonlocal tokenised
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(HOUSE):
            return None
        name = str(path.relative_to(HOUSE))
        if name.startswith(ASIDE):
            return None
        tokenised += event == "call" and frame.f_code.co_name == "tokenise"
        if event == "line":
            lines[name].add(frame.f_lineno)
        return watch

    sys.settrace(watch)
    try:
        work()
    finally:
        sys.settrace(None)
    return {name: found for name, found in lines.items() if found}, tokenised


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sentence", nargs="?", default="")
    parser.add_argument("--scene", type=int, default=0)
    options = parser.parse_args()
    segmenter = Segmenter.from_preset("tabletop")
    shown = bundled_scenes()[options.scene]
    scene = segmenter.observe(shown.frame.rgb)
    scene.select("the leftmost thing")  # what is measured once is measured
    text = options.sentence or shown.referrals[-1].expression
    lines, tokenised = lines_run(lambda: scene.select(text))
    for name, found in sorted(lines.items(), key=lambda item: -len(item[1])):
        print(f"{len(found):5}  {name}")
    rooms: dict[str, list[int]] = defaultdict(list)
    for name, found in lines.items():
        rooms[name.split("/")[0]].append(len(found))
    told = ", ".join(f"{room} {sum(found)} in {len(found)}" for room, found in rooms.items())
    print(f"lines and files of each room: {told}")
    total = sum(map(len, lines.values()))
    print(f"{total:5}  lines in {len(lines)} files, tokenised {tokenised} times: {text!r}")


if __name__ == "__main__":
    main()
