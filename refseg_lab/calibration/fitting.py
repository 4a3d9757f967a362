# SPDX-License-Identifier: Apache-2.0
"""Threshold, temperature, margin and the score's line, fitted to labelled sentences.

What is fitted is small (one number each) and so is the sample, so each rule is smooth or bounded:
the threshold is read off smoothed curves of false accepts and false rejects, the temperature and
the line have targets that never reach certainty (Platt, 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_lab.calibration.sentences import LabelledSentence
from refseg_lab.evaluation.bootstrap import LEVEL, Figure, Resampler
from refseg_lab.evaluation.refusal import MOST_REJECTS
from refseg_lab.training.confidence import best_line
from refseg_lab.training.temperature import best_temperature
from refseg_ros import Segmenter
from refseg_ros.config import DecisionConfig, SegmenterConfig
from refseg_ros.errors import RefsegError
from refseg_ros.image_io import read_image
from refseg_ros.results import Proposals, Selection
from refseg_ros.scene import Scene

Array = NDArray[np.float64]

FOLDS: Final = 5
"""Parts of the pictures; each is answered by what the others were fitted to."""
LEAST_MARGIN, MOST_MARGIN = 0.02, 0.5
"""Bounds of the margin: equal candidates are never told apart, and no answer is always unsure."""
LEAST_CASES: Final = 10
"""Sentences that looks alone decide, below which the temperature stays as it is."""
ROUNDS: Final = 4
"""Times that all sentences are asked."""
_GRID: Final = 400


@dataclass(frozen=True)
class Outcome:
    """What became of one sentence.

    Attributes:
        picture: Number of its picture.
        absent: Whether the thing is not there.
        covered: Whether a proposal shows the thing.
        refused: Whether nothing was answered.
        right: Whether what was answered shows the thing.
        match: What the threshold is held against, in logits; None where looks were not asked.
        by_looks: Whether the sentence was refused by the threshold, or not at all.
        lead: Lead of the answer; None of several things or of none.
        score: Of the answer; its share as long as the line changes nothing.
        logits: Scores of the candidates, the best that shows the thing last; None where more than
            looks decides, or no candidate shows it.
    """

    picture: int
    absent: bool
    covered: bool
    refused: bool
    right: bool
    match: float | None
    by_looks: bool
    lead: float | None
    score: float
    logits: Array | None


class LabelledPictures:
    """Observed pictures with labelled sentences, to be asked under many decisions."""

    def __init__(
        self,
        segmenter: Segmenter,
        sentences: Sequence[LabelledSentence],
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Observe all pictures.

        Args:
            segmenter: Answers; its configuration is replaced with each question.
            sentences: About at least two pictures.
            progress: Called with the number of pictures that are observed.

        Raises:
            RefsegError: A picture cannot be read, or a label lies outside of it.
        """
        self._segmenter, self._sentences = segmenter, tuple(sentences)
        self.files = tuple(dict.fromkeys(item.image for item in sentences))
        self._scenes: list[tuple[Scene, NDArray[np.uint8], dict[str, Any]]] = []
        for number, path in enumerate(self.files):
            image = read_image(path)
            for item in sentences:
                if item.image == path:
                    item.check_within(*image.shape[:2])
            scene = segmenter.observe(image).whole
            rest = dict(vars(scene.proposals))
            # A bit a pixel: a hundred masks of each of thirty photos are gigabytes otherwise.
            packed = np.packbits(rest.pop("masks"), axis=-1)
            none = Proposals.empty(*scene.size)
            self._scenes.append((replace(scene, proposals=none), packed, rest))
            progress(number + 1)

    def ask(self, configs: Sequence[SegmenterConfig]) -> list[list[Outcome]]:
        """Ask all sentences under several configurations, each picture unpacked once.

        Args:
            configs: They differ from the segmenter's in decision and temperature alone.

        Returns:
            The outcomes of each, in the order of the pictures.
        """
        found: list[list[Outcome]] = [[] for _ in configs]
        for number, (bare, packed, rest) in enumerate(self._scenes):
            masks = np.unpackbits(packed, axis=-1, count=bare.size[1]).view(np.bool_)
            scene = replace(bare, proposals=Proposals(masks, **rest))
            said = [item for item in self._sentences if item.image == self.files[number]]
            for config, outcomes in zip(configs, found, strict=True):
                self._segmenter.config = config
                outcomes += [
                    _outcome(number, item, scene, scene.select(item.text)) for item in said
                ]
        return found


def _outcome(number: int, item: LabelledSentence, scene: Scene, selection: Selection) -> Outcome:
    told, reading = selection.explanation, selection.reading
    if told is None or reading is None:
        raise RefsegError(f"{item.text!r}: was answered without an explanation")
    checks = {check.name: check for check in told.checks}
    alike = checks.get("min_match")
    judged = alike is not None and alike.applies
    proposals = selection.proposals or scene.proposals
    shows = item.shown_by(proposals.masks, proposals.boxes)
    right = item.shown_by(selection.mask[None], selection.box[None])
    answered = selection.status.has_target
    plain = not reading.placed and reading.says_how_it_looks
    plain = plain and not told.expression.target.is_plural and len(told.total) == len(shows) > 0
    total = np.array(told.total)
    return Outcome(
        picture=number,
        absent=item.is_absent,
        covered=bool(shows.any()),
        refused=not answered,
        right=answered and bool(right[0]),
        match=alike.value if alike is not None and judged else None,
        by_looks=answered or bool(alike is not None and alike.says_no),
        lead=selection.margin if answered and len(selection.indices) == 1 else None,
        score=selection.score,
        logits=np.append(total[~shows], total[shows].max()) if plain and shows.any() else None,
    )


@dataclass(frozen=True)
class Curves:
    """Smoothed false accepts and rejects by threshold, summed by picture.

    Attributes:
        grid: (G,) thresholds, ascending, in logits.
        accepts: (K, G) chances that absent things pass, summed over those of each picture.
        rejects: (K, G) chances that present things do not.
        counts: (K, 2) absent and present things of each picture.
    """

    grid: Array
    accepts: Array
    rejects: Array
    counts: Array

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], pictures: int) -> Curves:
        """The curves of sentences whose looks were judged.

        Args:
            outcomes: Of all sentences.
            pictures: How many pictures there are.

        Raises:
            RefsegError: There are no such sentences of one kind.
        """
        judged = [item for item in outcomes if item.match is not None and item.by_looks]
        absent = [item for item in judged if item.absent]
        present = [item for item in judged if item.covered]
        for kind, items in (("absent", absent), ("present and proposed", present)):
            if not items:
                raise RefsegError(
                    f"the looks of no {kind} thing were judged, so there is no threshold to fit"
                )
        matches = [np.array([item.match for item in items], float) for items in (absent, present)]
        widths = [_bandwidth(values) for values in matches]
        both, wide = np.concatenate(matches), 3 * max(widths)
        grid = np.linspace(both.min() - wide, both.max() + wide, _GRID)
        sums, counts = np.zeros((2, pictures, _GRID)), np.zeros((pictures, 2))
        for column, items in enumerate((absent, present)):
            passes = _normal((matches[column][:, None] - grid) / widths[column])
            numbers = [item.picture for item in items]
            np.add.at(sums[column], numbers, 1 - passes if column else passes)
            np.add.at(counts[:, column], numbers, 1)
        return cls(grid, sums[0], sums[1], counts)

    def thresholds(self, most_accepts: float, draws: Array) -> Array:
        """Where false accepts are at most a chosen share.

        The lowest such threshold; if false rejects stay within 5 % above it, midway between it and
        the highest for which they do, so that neither is at its limit.

        Args:
            most_accepts: Share of absent things that may pass, above 0 and below 1.
            draws: (D, K) how often each picture counts.

        Returns:
            (D,) logits; draws without things of one kind are left out.
        """
        of = draws @ self.counts
        draws, of = draws[(of > 0).all(1)], of[(of > 0).all(1)]
        accepts, rejects = draws @ self.accepts / of[:, :1], draws @ self.rejects / of[:, 1:]
        low = np.where(accepts <= most_accepts, self.grid, self.grid[-1]).min(1)
        high = np.where(rejects <= MOST_REJECTS, self.grid, self.grid[0]).max(1)
        found: Array = np.maximum(low, (low + high) / 2)
        return found

    def threshold(self, most_accepts: float) -> Figure:
        """The threshold of :meth:`thresholds`, with its bootstrap interval over pictures."""
        count = len(self.counts)
        drawn = self.thresholds(most_accepts, Resampler(count).counts)
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(drawn, (tail, 1 - tail))
        value = self.thresholds(most_accepts, np.ones((1, count)))[0]
        return Figure(float(value), float(low), float(high))


def _bandwidth(values: Array) -> float:
    """Silverman's rule of thumb (1986), above 0."""
    quartiles = np.quantile(values, (0.25, 0.75))
    spread = min(values.std(), float(np.ptp(quartiles)) / 1.34) or values.std()
    return max(0.9 * float(spread) * len(values) ** -0.2, 1e-3)


def _normal(values: Array) -> Array:
    """The normal distribution's cumulative probability."""
    found: Array = torch.special.ndtr(torch.from_numpy(values)).numpy()
    return found


def without_thresholds(config: SegmenterConfig) -> SegmenterConfig:
    """A configuration that refuses and doubts nothing by looks or lead; its logic stays."""
    plain = DecisionConfig()
    decision = replace(
        config.decision,
        min_match=plain.min_match,
        min_margin=plain.min_margin,
        score_slope=plain.score_slope,
        score_offset=plain.score_offset,
    )
    return replace(config, decision=decision)


def _with_temperature(config: SegmenterConfig, outcomes: Sequence[Outcome]) -> SegmenterConfig:
    """With the temperature of likeliest shares, never surer than the sample allows."""
    cases = [(item.logits, len(item.logits) - 1) for item in outcomes if item.logits is not None]
    if config.score.normalise != "logits" or len(cases) < LEAST_CASES:
        return config
    best = round(best_temperature(cases, doubt=1 / (len(cases) + 2)), 3)
    return replace(config, score=replace(config.score, temperature=best))


def _with_threshold(config: SegmenterConfig, least: float) -> SegmenterConfig:
    # Rounded as it is written: what is measured is what the file says.
    return replace(config, decision=replace(config.decision, min_match=round(float(least), 3)))


def _with_answers(config: SegmenterConfig, outcomes: Sequence[Outcome]) -> SegmenterConfig:
    """With the margin and the line of what was answered under the threshold."""
    slope, offset = _line(outcomes)
    decision = replace(
        config.decision,
        min_margin=_margin(outcomes),
        score_slope=round(slope, 3),
        score_offset=round(offset, 3),
        fitted_with=config.networks,
    )
    return replace(config, decision=decision)


def _line(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The line that makes shares of answers about present things probabilities."""
    told = [item for item in outcomes if item.lead is not None and not item.absent]
    shares, right = (
        np.array([getattr(item, name) for item in told]) for name in ("score", "right")
    )
    slope, offset = best_line(shares, right.astype(np.bool_), cautious=True)
    if slope >= 0:
        return slope, offset
    # The surer the more often wrong: then the share says nothing, and 0.5 has no logit.
    return 0.0, best_line(np.full(len(told), 0.5), right, cautious=True)[1]


def _margin(outcomes: Sequence[Outcome]) -> float:
    """The lead below which an answer is more often wrong than right."""
    told = sorted((item.lead, item.right) for item in outcomes if item.lead is not None)
    leads = np.array([lead for lead, _ in told])
    gains = np.cumsum([-1 if right else 1 for _, right in told])
    best = int(np.argmax(gains)) if len(gains) else 0
    if not len(gains) or gains[best] <= 1:  # one wrong answer may be chance
        return LEAST_MARGIN
    above = leads[best + 1] if best + 1 < len(leads) else 1.0
    return round(float(np.clip((leads[best] + above) / 2, LEAST_MARGIN, MOST_MARGIN)), 3)


@dataclass(frozen=True)
class Calibrated:
    """What was fitted, and how it does on pictures that it was not fitted to.

    Attributes:
        config: The fitted preset.
        min_match: Its threshold, with a bootstrap interval over pictures.
        figures: Name to share, with bootstrap intervals over pictures, by cross-validation.
        present: Sentences about things that are there.
        absent: Sentences about absent things.
        pictures: How many pictures.
        uncovered: Things that no proposal shows.
    """

    config: SegmenterConfig
    min_match: Figure
    figures: dict[str, Figure]
    present: int
    absent: int
    pictures: int
    uncovered: int


def fit_decision(
    pictures: LabelledPictures,
    config: SegmenterConfig,
    most_accepts: float = 0.1,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibrated:
    """Fit to all pictures, and measure by cross-validation over them.

    Args:
        pictures: What was observed.
        config: What is fitted.
        most_accepts: Share of absent things that may be answered, above 0 and below 1.
        seed: Of the parts of the pictures.
        progress: Called with the number of rounds of questions that are done, of :data:`ROUNDS`.

    Raises:
        RefsegError: Nothing can be fitted to these sentences.
    """
    count = len(pictures.files)
    order = np.random.default_rng(seed).permutation(count)
    held = [set(order[part::FOLDS].tolist()) for part in range(min(FOLDS, count))]
    held.append(set())  # the last fit is to all
    configs = [without_thresholds(config)] * len(held)
    asked = pictures.ask(configs[:1]) * len(held)
    progress(1)

    def fitted_to() -> list[list[Outcome]]:
        return [
            [item for item in outcomes if item.picture not in part]
            for outcomes, part in zip(asked, held, strict=True)
        ]

    configs = list(map(_with_temperature, configs, fitted_to()))
    # The threshold also tells what may be a landmark, so it is fitted again to answers under it.
    for turn in range(2):
        curves = [Curves.of(outcomes, count) for outcomes in fitted_to()]
        limits = [curve.thresholds(most_accepts, np.ones((1, count)))[0] for curve in curves]
        configs = list(map(_with_threshold, configs, limits))
        asked = pictures.ask(configs)
        progress(turn + 2)
    configs = list(map(_with_answers, configs, fitted_to()))
    asked = pictures.ask(configs[:-1])
    progress(ROUNDS)
    left_out = [
        item
        for outcomes, part in zip(asked, held[:-1], strict=True)
        for item in outcomes
        if item.picture in part
    ]
    return Calibrated(
        config=configs[-1],
        min_match=curves[-1].threshold(most_accepts),
        figures=_figures(left_out, count),
        present=sum(not item.absent for item in left_out),
        absent=sum(item.absent for item in left_out),
        pictures=count,
        uncovered=sum(not item.absent and not item.covered for item in left_out),
    )


def _figures(outcomes: Sequence[Outcome], count: int) -> dict[str, Figure]:
    """Shares over sentences, with bootstrap intervals over pictures."""
    draws = Resampler(count)

    def share(hit: Callable[[Outcome], float], of: Callable[[Outcome], bool]) -> Figure:
        sums = np.zeros((2, count))
        for item in filter(of, outcomes):
            sums[:, item.picture] += hit(item), 1
        return draws.ratio(*sums)

    def told(item: Outcome) -> bool:
        return not item.absent and item.lead is not None

    return {
        "false accepts": share(lambda item: not item.refused, lambda item: item.absent),
        "false rejects": share(lambda item: item.refused, lambda item: item.covered),
        "right answers": share(lambda item: item.right, lambda item: not item.absent),
        "mean score": share(lambda item: item.score, told),
        "right of those scored": share(lambda item: item.right, told),
    }
