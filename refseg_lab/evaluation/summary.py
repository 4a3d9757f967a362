# SPDX-License-Identifier: Apache-2.0
"""From records to figures: what a table shows and what ``--json`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.calibration import Calibration, measured_calibration
from refseg_lab.evaluation.grouping import Measure, among, has_target, is_absent, refusals, sums
from refseg_lab.evaluation.metrics import THRESHOLDS
from refseg_lab.evaluation.records import ABSENT, LIMITS, SceneResult

TOTAL = "all but absent"
"""Name of the row of all expressions that have a target."""
WELL_COVERED = 0.75
"""IoU from which a proposal is said to cover its object well."""


@dataclass(frozen=True)
class PhenomenonRow:
    """The figures of one phenomenon.

    Attributes:
        phenomenon: Its name, or :data:`TOTAL`.
        n: Number of expressions.
        figures: ``pr50`` … ``pr90``, ``miou``, ``oiou``, ``oracle_pr50``, ``oracle_miou``,
            ``chance_pr50``, ``chance_miou``, ``refused``; for absent objects only
            ``refused_right`` and ``refused``.
        limits: Share of the expressions that was lost to each of
            :data:`refseg_lab.evaluation.records.LIMITS`; with the share that is right they sum
            to 1. Empty for absent objects.
    """

    phenomenon: str
    n: int
    figures: dict[str, Figure]
    limits: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        figures = {name: figure.as_json() for name, figure in self.figures.items()}
        return {
            "phenomenon": self.phenomenon,
            "n": self.n,
            "figures": figures,
            "limits": dict(self.limits),
        }


@dataclass(frozen=True)
class Summary:
    """The figures of one split.

    Attributes:
        scenes: Number of samples.
        objects: Number of objects that are large enough to count.
        rows: One per phenomenon that occurs, in the benchmark's order, absent objects last.
        total: All expressions with a target; None if there are none.
        proposals: ``well_covered`` (share of objects with a proposal of IoU ≥ 0.75),
            ``mean_best`` (mean best IoU) and ``per_object`` (proposals per object).
        components: Figures of single networks, by name; empty if none were measured.
        failures: Samples that could not be observed, as (name, error).
        refusal: ``false_accepts`` and ``false_rejects``, as of :func:`grouping.refusals`.
        calibration: ``present`` (answers about what is there) and ``all`` (those about absent
            objects too, as wrong ones); empty if nothing was answered.
    """

    scenes: int
    objects: int
    rows: tuple[PhenomenonRow, ...]
    total: PhenomenonRow | None
    proposals: dict[str, Figure]
    components: dict[str, Figure]
    failures: tuple[tuple[str, str], ...]
    refusal: Mapping[str, Figure]
    calibration: Mapping[str, Calibration]

    def row(self, phenomenon: str) -> PhenomenonRow | None:
        """The row of a phenomenon, or None if the split has none of it."""
        rows = [*self.rows, *([self.total] if self.total else [])]
        return next((row for row in rows if row.phenomenon == phenomenon), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "scenes": self.scenes,
            "objects": self.objects,
            "rows": [row.as_json() for row in self.rows],
            "total": self.total.as_json() if self.total else None,
            "proposals": {name: item.as_json() for name, item in self.proposals.items()},
            "components": {name: item.as_json() for name, item in self.components.items()},
            "refusal": {name: item.as_json() for name, item in self.refusal.items()},
            "calibration": {name: item.as_json() for name, item in self.calibration.items()},
            "failures": [{"scene": scene, "error": error} for scene, error in self.failures],
        }


def summarise(
    results: Sequence[SceneResult],
    *,
    seed: int = 0,
    order: Sequence[str] = (),
) -> Summary:
    """Work out all figures of a split.

    Args:
        results: One per sample, at least one.
        seed: Seed for the bootstrap.
        order: Phenomena in the order wanted; others follow as they occur.

    Raises:
        ValueError: There are no results.
    """
    if not results:
        raise ValueError("results: at least one sample is needed, got none")
    draws = Resampler(len(results), seed=seed)
    occurring = {answer.phenomenon: None for result in results for answer in result.answers}
    names = [name for name in (*order, *occurring) if name in occurring]
    names = [name for name in dict.fromkeys(names) if name != ABSENT]
    rows = [_row(results, name, draws) for name in names]
    total = _row(results, None, draws) if names else None
    if ABSENT in occurring:
        rows.append(_absent_row(results, draws))
    return Summary(
        scenes=len(results),
        objects=sum(len(result.best) for result in results),
        rows=tuple(rows),
        total=total,
        proposals=_proposals(results, draws),
        components=_components(results, draws),
        failures=tuple((result.scene, result.error) for result in results if result.error),
        refusal=refusals(results, draws),
        calibration=_calibration(results, draws),
    )


def _row(
    results: Sequence[SceneResult], phenomenon: str | None, draws: Resampler
) -> PhenomenonRow:
    """Figures of one phenomenon, or of all that have a target (None)."""
    belongs = has_target if phenomenon is None else among([phenomenon])

    counts = sums(results, belongs)
    measures: dict[str, Measure] = {
        **{f"pr{round(level * 100)}": _reaches(level) for level in THRESHOLDS},
        "miou": lambda answer: answer.iou or 0.0,
        "oracle_pr50": lambda answer: float((answer.oracle or 0.0) >= THRESHOLDS[0]),
        "oracle_miou": lambda answer: answer.oracle or 0.0,
        "chance_pr50": lambda answer: answer.chance_hit or 0.0,
        "chance_miou": lambda answer: answer.chance_iou or 0.0,
        "refused": lambda answer: float(answer.refused),
    }
    figures = {
        name: draws.ratio(sums(results, belongs, measure), counts)
        for name, measure in measures.items()
    }
    figures["oiou"] = draws.ratio(
        sums(results, belongs, lambda answer: answer.intersection),
        sums(results, belongs, lambda answer: answer.union),
    )
    n = int(counts.sum())
    limits = {limit: float(sums(results, belongs, _is_limit(limit)).sum()) / n for limit in LIMITS}
    return PhenomenonRow(TOTAL if phenomenon is None else phenomenon, n, figures, limits)


def _absent_row(results: Sequence[SceneResult], draws: Resampler) -> PhenomenonRow:
    counts = sums(results, is_absent)
    figures = {
        "refused_right": draws.ratio(
            sums(results, is_absent, lambda answer: float(answer.right)), counts
        ),
        "refused": draws.ratio(
            sums(results, is_absent, lambda answer: float(answer.refused)), counts
        ),
    }
    return PhenomenonRow(ABSENT, int(counts.sum()), figures, {})


def _reaches(level: float) -> Measure:
    return lambda answer: float((answer.iou or 0.0) >= level)


def _is_limit(limit: str) -> Measure:
    return lambda answer: float(answer.limit == limit)


def _calibration(results: Sequence[SceneResult], draws: Resampler) -> dict[str, Calibration]:
    kinds = {
        "present": measured_calibration(results, draws),
        "all": measured_calibration(results, draws, absent=True),
    }
    return {name: item for name, item in kinds.items() if item is not None}


def _proposals(results: Sequence[SceneResult], draws: Resampler) -> dict[str, Figure]:
    objects = [float(len(result.best)) for result in results]
    covered = [float(sum(iou >= WELL_COVERED for iou in result.best)) for result in results]
    best = [float(sum(result.best)) for result in results]
    numbers = [float(result.proposals) for result in results]
    return {
        "well_covered": draws.ratio(covered, objects),
        "mean_best": draws.ratio(best, objects),
        "per_object": draws.ratio(numbers, objects),
    }


def _components(results: Sequence[SceneResult], draws: Resampler) -> dict[str, Figure]:
    names = dict.fromkeys(name for result in results for name in result.components)
    figures = {}
    for name in names:
        counts = [result.components.get(name, (0, 0)) for result in results]
        figures[name] = draws.ratio([right for right, _ in counts], [asked for _, asked in counts])
    return figures
