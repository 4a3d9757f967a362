# SPDX-License-Identifier: Apache-2.0
"""``refseg eval language``: read a folder, ask, print and write."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from refseg_lab.evaluation.language.asking import ask_all
from refseg_lab.evaluation.language.labelled import misread, read_labels
from refseg_lab.evaluation.language.named_pictures import read_sentences
from refseg_lab.evaluation.language.page import write_wrong
from refseg_lab.evaluation.language.tables import (
    figures,
    place_table,
    reading_figures,
    reading_table,
)
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import RefsegError

WIDTH = 132
"""Columns of characters that the widest table needs."""


def evaluate_language(
    folder: Path | None,
    labels: Path | None,
    preset: str,
    json_file: Path | None = None,
    page: Path | None = None,
    misreadings: bool = False,
) -> None:
    """Measure, print, and write what was asked for.

    Args:
        folder: Sentences with regions; see docs/language.md.
        labels: Labelled sentences.
        preset: Whose place and decision answer.
        json_file: Every figure and every answer, if given.
        page: The wrong answers, if given.
        misreadings: Whether to print what was read otherwise than labelled.

    Raises:
        RefsegError: Nothing to measure, or a file cannot be read or written.
    """
    sentences = [] if folder is None else read_sentences(folder)
    labelled = [] if labels is None else read_labels(labels)
    if not sentences and not labelled:
        raise RefsegError(f"{folder or 'language'}: no sentence with regions, and no labels")
    answers = list(ask_all(sentences, SegmenterConfig.from_preset(preset)))
    console = Console(width=WIDTH, highlight=False)
    if answers:
        console.print(place_table(answers))
    if labelled:
        console.print(reading_table(labelled))
    for label in labelled if misreadings else ():
        for name, (expected, read) in misread(label).items():
            console.print(f"{label['text']!r}: {name} is {read!r}, labelled {expected!r}")
    if page is not None:
        write_wrong(page, answers, labelled)
    if json_file is not None:
        data = {
            "place": {
                key: {name: item.as_json() for name, item in row.items()}
                for key, row in figures(answers).items()
            },
            "reading": {
                key: {name: item.as_json() for name, item in row.items()}
                for key, row in (reading_figures(labelled) if labelled else {}).items()
            },
            "answers": [
                {
                    "text": item.sentence.text,
                    "source": item.sentence.source,
                    "picture": item.sentence.picture.name,
                    "kind": item.kind.value,
                    "status": item.status,
                    "chosen": item.chosen,
                    "wanted": item.sentence.wanted,
                    "right": item.right,
                    "reason": item.reason,
                }
                for item in answers
            ],
        }
        try:
            json_file.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise RefsegError(f"{json_file}: cannot be written ({error.strerror})") from None
