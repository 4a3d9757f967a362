# SPDX-License-Identifier: Apache-2.0
"""Figures of several configurations that answered the same sentences, and their differences.

A difference has a paired interval: both configurations are taken from the same draws of scenes,
so what makes a scene hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refseg_lab.evaluation.ablation import Ablation, AblationRow, plain
from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.calibration import measured_calibration
from refseg_lab.evaluation.grouping import (
    GROUPS,
    SPATIAL,
    Belongs,
    among,
    has_target,
    is_absent,
    is_right,
    refusals,
    sums,
)
from refseg_lab.evaluation.records import SceneResult

Results = Sequence[SceneResult]


@dataclass(frozen=True)
class RowFigures:
    """What one row of an ablation reached.

    Attributes:
        row: The configuration.
        figures: ``pr50``, ``miou`` and ``oiou`` over all but absent objects; ``absent_refused``,
            ``false_accepts``, ``false_rejects``; ``ece``.
        groups: Pr@50 by group of phenomena.
        difference: Pr@50 minus that of the row that it differs from, paired; None for the first.
        failures: Samples that could not be observed, as (name, error).
    """

    row: AblationRow
    figures: Mapping[str, Figure]
    groups: Mapping[str, Figure]
    difference: Figure | None
    failures: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.row.name,
            "what": self.row.what,
            "from": self.row.start,
            "changes": {name: plain(value) for name, value in self.row.changes.items()},
            "figures": {name: item.as_json() for name, item in self.figures.items()},
            "groups": {name: item.as_json() for name, item in self.groups.items()},
            "difference": self.difference.as_json() if self.difference else None,
            "failures": [{"scene": scene, "error": error} for scene, error in self.failures],
        }


@dataclass(frozen=True)
class Against:
    """Some sentences, answered by two configurations.

    Attributes:
        name: Which sentences.
        n: How many.
        first: Pr@50 of the one.
        second: Pr@50 of the other.
        difference: Second minus first, paired.
    """

    name: str
    n: int
    first: Figure
    second: Figure
    difference: Figure

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        figures = ("first", "second", "difference")
        return {
            "name": self.name,
            "n": self.n,
            **{key: getattr(self, key).as_json() for key in figures},
        }


@dataclass(frozen=True)
class Comparison:
    """One split of an ablation.

    Attributes:
        split: Its name.
        scenes: Number of samples.
        n: Number of expressions in each group, ``absent`` among them; those that do not occur
            are left out.
        rows: In the order of the ablation.
        compare: Names of the two rows that are compared.
        labels: What the summary calls them.
        overall: All sentences but those about absent objects.
        spatial: Sentences with words of place.
        groups: Each group by itself.
    """

    split: str
    scenes: int
    n: Mapping[str, int]
    rows: tuple[RowFigures, ...]
    compare: tuple[str, str]
    labels: tuple[str, str]
    overall: Against
    spatial: Against
    groups: tuple[Against, ...]

    @property
    def worst(self) -> Against | None:
        """The group in which the second is least ahead; None if no group occurs."""
        return min(self.groups, key=lambda item: item.difference.value or 0.0, default=None)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        worst = self.worst
        return {
            "scenes": self.scenes,
            "n": dict(self.n),
            "rows": [row.as_json() for row in self.rows],
            "summary": {
                "first": self.compare[0],
                "second": self.compare[1],
                "labels": list(self.labels),
                "overall": self.overall.as_json(),
                "spatial": self.spatial.as_json(),
                "groups": [item.as_json() for item in self.groups],
                "worst": worst.name if worst else None,
            },
        }


def compare(
    ablation: Ablation, split: str, results: Sequence[Results], *, seed: int = 0
) -> Comparison:
    """Work out the figures of a split.

    Args:
        ablation: What was measured.
        split: Its name.
        results: For each row one result per sample, of the same samples in the same order.
        seed: Seed for the bootstrap.

    Raises:
        ValueError: The number of rows differs, or they did not answer the same sentences.
    """
    if len(results) != len(ablation.rows):
        raise ValueError(f"results: expected {len(ablation.rows)} rows, got {len(results)}")
    first, *others = results
    if any(_asked(first) != _asked(other) for other in others):
        raise ValueError("results: the rows did not answer the same sentences")
    draws = Resampler(len(first), seed=seed)
    by_name = dict(zip((row.name for row in ablation.rows), results, strict=True))
    pair = (by_name[ablation.compare[0]], by_name[ablation.compare[1]])
    groups = {name: among(phenomena) for name, phenomena in GROUPS.items()}
    occurring = {
        name: int(sums(first, belongs).sum())
        for name, belongs in {**groups, "absent": is_absent}.items()
    }
    return Comparison(
        split=split,
        scenes=len(first),
        n={name: count for name, count in occurring.items() if count},
        rows=tuple(
            _figures(row, mine, by_name.get(row.start), draws)
            for row, mine in zip(ablation.rows, results, strict=True)
        ),
        compare=ablation.compare,
        labels=ablation.labels,
        overall=_against("all but absent", has_target, *pair, draws),
        spatial=_against("words of place", among(SPATIAL), *pair, draws),
        groups=tuple(
            _against(name, belongs, *pair, draws)
            for name, belongs in groups.items()
            if occurring[name]
        ),
    )


def _asked(results: Results) -> list[tuple[str, str]]:
    return [(answer.scene, answer.expression) for item in results for answer in item.answers]


def _figures(
    row: AblationRow, results: Results, start: Results | None, draws: Resampler
) -> RowFigures:
    asked = sums(results, has_target)
    calibration = measured_calibration(results, draws)
    figures = {
        "pr50": draws.ratio(sums(results, has_target, is_right), asked),
        "miou": draws.ratio(sums(results, has_target, lambda answer: answer.iou or 0.0), asked),
        "oiou": draws.ratio(
            sums(results, has_target, lambda answer: answer.intersection),
            sums(results, has_target, lambda answer: answer.union),
        ),
        "absent_refused": draws.ratio(
            sums(results, is_absent, is_right), sums(results, is_absent)
        ),
        **refusals(results, draws),
        "ece": calibration.ece if calibration else Figure(None),
    }
    groups = {
        name: draws.ratio(
            sums(results, among(phenomena), is_right), sums(results, among(phenomena))
        )
        for name, phenomena in GROUPS.items()
    }
    return RowFigures(
        row=row,
        figures=figures,
        groups=groups,
        difference=None if start is None else difference(start, results, has_target, draws),
        failures=tuple((item.scene, item.error) for item in results if item.error),
    )


def difference(first: Results, second: Results, belongs: Belongs, draws: Resampler) -> Figure:
    """Pr@50 of the second minus that of the first, with a paired interval.

    Args:
        first: Results of one configuration, one per sample.
        second: Results of another configuration on the same sentences.
        belongs: Which sentences count; it must not look at the answer.
        draws: Bootstrap draws over the same number of samples.
    """
    gained = sums(second, belongs, is_right) - sums(first, belongs, is_right)
    return draws.ratio(gained, sums(first, belongs))


def _against(
    name: str, belongs: Belongs, first: Results, second: Results, draws: Resampler
) -> Against:
    count = sums(first, belongs)
    return Against(
        name=name,
        n=int(count.sum()),
        first=draws.ratio(sums(first, belongs, is_right), count),
        second=draws.ratio(sums(second, belongs, is_right), count),
        difference=difference(first, second, belongs, draws),
    )
