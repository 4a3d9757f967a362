# SPDX-License-Identifier: Apache-2.0
"""Works out the figures in the papers' tables, and lists what the papers report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refseg_lab.evaluation import metrics
from refseg_lab.evaluation.records import ABSENT, FAILED, Answer, SceneResult
from refseg_ros.errors import DatasetError

# RefCOCO val, A, B; RefCOCO+ val, A, B; RefCOCOg val(U), test(U), val(G). None: not printed.
_COLUMNS = (
    *(("refcoco", "unc", split) for split in ("val", "testA", "testB")),
    *(("refcoco+", "unc", split) for split in ("val", "testA", "testB")),
    ("refcocog", "umd", "val"),
    ("refcocog", "umd", "test"),
    ("refcocog", "google", "val"),
)
_Row = tuple[float | None, ...]
_NONE: _Row = (None,) * 9


@dataclass(frozen=True)
class PublishedRow:
    """A row of a paper, in percent.

    Attributes:
        method: Name of the method in the papers.
        ours: Preset and method that should come near it.
        miou: By column.
        oiou: By column.
        source: Where the figures are printed.
    """

    method: str
    ours: tuple[str, str]
    miou: _Row
    oiou: _Row
    source: str

    def at(self, dataset: str, by: str, split: str) -> tuple[float | None, float | None]:
        """MIoU and oIoU of one split, None where none is printed."""
        if (dataset, by, split) not in _COLUMNS:
            return None, None
        column = _COLUMNS.index((dataset, by, split))
        return self.miou[column], self.oiou[column]


_SAM3 = "mIoU: SAM 3 paper, table 42; oIoU: RefAM project page"
PUBLISHED: tuple[PublishedRow, ...] = (
    PublishedRow(
        "TAS, ViT-B/32",
        ("paper", "tas"),
        (39.8, 41.1, 36.2, 43.6, 49.1, 36.5, 46.6, 46.8, 48.1),
        (29.53, 30.26, 28.24, 33.21, 38.77, 28.01, 35.84, 36.16, None),
        _SAM3,
    ),
    PublishedRow(
        "TAS, RN50",
        ("paper_rn50", "tas"),
        (39.9, 42.9, 35.9, 44.0, 50.6, 36.4, 47.7, 47.4, 48.7),
        _NONE,
        _SAM3,
    ),
    PublishedRow(
        "Global-Local CLIP with SAM, ViT-B/32",
        ("paper", "global_local"),
        (32.9, 34.9, 30.1, 38.4, 42.1, 32.7, 42.0, 42.0, 42.7),
        _NONE,
        _SAM3,
    ),
    PublishedRow(
        "Global-Local CLIP with SAM, RN50",
        ("paper_rn50", "global_local"),
        (32.7, 35.3, 30.1, 37.7, 40.7, 34.9, 41.6, 42.9, 44.0),
        _NONE,
        _SAM3,
    ),
    PublishedRow(
        "Ref-Diff",
        ("paper", "ref_diff_released"),
        (37.2, 38.4, 37.2, 37.3, 40.5, 33.0, 44.0, 44.5, 44.3),
        (35.16, 37.44, 34.50, 35.56, 38.66, 31.40, 38.62, 37.50, None),
        _SAM3,
    ),
)
"""Rows that presets and methods of this package repeat."""


@dataclass(frozen=True)
class Figures:
    """What is measured on a split; shares are from 0 to 1.

    Attributes:
        images: Number of images.
        expressions: Number of expressions, with and without a target.
        values: By name, in the order in which they are shown.
        failed: Expressions that ended in an exception; they count as 0.
    """

    images: int
    expressions: int
    values: Mapping[str, float]
    failed: int


def split_figures(results: Sequence[SceneResult]) -> Figures:
    """Work out the figures of a split.

    Expressions with a target: mIoU, oIoU, Pr@50 … Pr@90, the mIoU of a perfect choice among the
    proposals, and T-acc. Without one: N-acc; with both, gIoU and cIoU of gRefCOCO, in which a
    wrong mask for nothing adds to the unions.

    Args:
        results: One per image.

    Raises:
        DatasetError: There are no expressions.
    """
    answers = [answer for result in results for answer in result.answers]
    if not answers:
        raise DatasetError("no expression was answered, so there are no figures")
    there = [answer for answer in answers if answer.phenomenon != ABSENT]
    absent = [answer for answer in answers if answer.phenomenon == ABSENT]
    values: dict[str, float] = {}
    ious = [answer.iou or 0.0 for answer in there]
    if there:
        values["mIoU"] = metrics.mean_iou(ious)
        values["oIoU"] = _overall(there)
        for level in metrics.THRESHOLDS:
            values[f"Pr@{round(level * 100)}"] = metrics.precision_at(ious, level)
        values["oracle mIoU"] = metrics.mean_iou([answer.oracle or 0.0 for answer in there])
    if absent:
        refused = [answer.refused and answer.limit != FAILED for answer in absent]
        values["N-acc"] = metrics.no_target_accuracy(refused)
        if there:
            values["T-acc"] = metrics.target_accuracy([not answer.refused for answer in there])
        values["gIoU"] = metrics.generalised_iou(ious, refused)
        values["cIoU"] = _overall(answers)
    values["proposals per image"] = sum(item.proposals for item in results) / len(results)
    failed = sum(answer.limit == FAILED for answer in answers)
    return Figures(len(results), len(answers), values, failed)


def _overall(answers: Sequence[Answer]) -> float:
    return metrics.overall_iou(
        [answer.intersection for answer in answers], [answer.union for answer in answers]
    )


def shown(name: str, value: float) -> str:
    """A figure as tables have it: percent with two places, or a mean number."""
    return f"{value:.1f}" if name == "proposals per image" else f"{100 * value:.2f}"
