# SPDX-License-Identifier: Apache-2.0
"""Results of images, in a file from which a killed run can continue."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refseg_lab.evaluation.records import Answer, SceneResult
from refseg_lab.evaluation.refer.loading import ReferImage
from refseg_ros.json_lines import JsonLines


class Log:
    """Finished images of one run.

    Attributes:
        done: Results by image.
    """

    def __init__(self, path: Path, run: Mapping[str, str]) -> None:
        """Open or begin the file.

        Args:
            path: Path of the file.
            run: What distinguishes this run: data set, split, preset, method, settings.

        Raises:
            DatasetError: As for :class:`refseg_ros.json_lines.JsonLines`.
        """
        self._lines = JsonLines(path, run)
        self.done: dict[str, SceneResult] = {}
        for number, values in enumerate(self._lines.found, 2):
            try:
                result = _from_json(values)
            except (ValueError, KeyError, TypeError) as error:
                raise self._lines.bad_line(number, error) from None
            self.done[result.scene] = result

    def add(self, image: ReferImage, result: SceneResult) -> None:
        """Keep a finished image for good.

        Args:
            image: What was asked.
            result: What was answered.

        Raises:
            DatasetError: The disk is full or gone; all images before are kept.
        """
        self._lines.add(_as_json(image, result))
        self.done[result.scene] = result

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _as_json(image: ReferImage, result: SceneResult) -> dict[str, Any]:
    answers = []
    for item, answer in zip(image.expressions, result.answers, strict=True):
        mask = base64.b64encode(answer.mask).decode("ascii")
        answers.append({"key": item.key, **answer.as_json(), "mask": mask})
    return {
        "image": result.scene,
        "proposals": result.proposals,
        "best": list(result.best),
        "error": result.error,
        "answers": answers,
    }


def _from_json(values: dict[str, Any]) -> SceneResult:
    answers = []
    for item in values["answers"]:
        item.pop("key")
        mask = base64.b64decode(item.pop("mask"))
        answers.append(Answer(**{**item, "targets": tuple(item["targets"]), "mask": mask}))
    return SceneResult(
        values["image"],
        tuple(answers),
        tuple(values["best"]),
        values["proposals"],
        values["error"],
    )
