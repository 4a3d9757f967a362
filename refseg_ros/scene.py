# SPDX-License-Identifier: Apache-2.0
"""The second half of the method: select by sentence, as often as asked, on an observed image."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.decision.choice import decide, rank
from refseg_ros.decision.questions import with_question
from refseg_ros.decision.refusal import NOTHING_ASIDE, refusal, says_how_it_looks, unused
from refseg_ros.language import NounPhrase, ReferringExpression, parse
from refseg_ros.language.caption_names import agreements
from refseg_ros.language.tas.tools import plain
from refseg_ros.methods.likeness import match, plausible, score_looks
from refseg_ros.methods.ref_diff import cut_proposals, root_end
from refseg_ros.methods.scoring import SceneFeatures, ScoreTable, shares
from refseg_ros.results import Explanation, Proposals, Selection, Status
from refseg_ros.spatial import Layout, Look, Placing, looks_of, place
from refseg_ros.spatial.context import NOTHING_SAID, Context
from refseg_ros.spatial.space import Space, check_inputs, measure
from refseg_ros.spatial.viewpoint import Viewpoint
from refseg_ros.stopwatch import Stopwatch
from refseg_ros.weights import bundled_vocabulary

if TYPE_CHECKING:
    from refseg_ros.segmenter import Segmenter

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """An observed image, ready to be asked.

    Attributes:
        segmenter: What observed it.
        image: (H, W, 3) uint8 RGB.
        proposals: Candidate masks; their rows are the candidates' indices.
        features: What the matcher compares expressions with.
        seconds: Wall-clock seconds of each stage of observing.
        space: Where the candidates are in space, and whose left and right are meant; None
            without a depth image and a viewpoint.
    """

    segmenter: Segmenter = field(repr=False)
    image: Image = field(repr=False)
    proposals: Proposals = field(repr=False)
    features: SceneFeatures = field(repr=False)
    seconds: Mapping[str, float]
    space: Space | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def caption(self) -> str:
        """What the captioner says of the whole image; empty when captions are off.

        Made when it is first asked for, unless the scores need it.
        """
        return self.features.caption or self.segmenter.image_caption(self.image)

    @property
    def captions(self) -> tuple[str, ...]:
        """What the captioner says of each proposal."""
        return self.features.captions

    @cached_property
    def names(self) -> tuple[NounPhrase | None, ...]:
        """What the captioner calls each proposal, taken apart; None where it names no thing."""
        return tuple(item.thing for item in self.features.named)

    @cached_property
    def layout(self) -> Layout:
        """How the proposals lie."""
        return Layout(self.proposals, self.captions, self.space)

    def captioned(self) -> Scene:
        """The same scene with what the captions of its candidates tell.

        Itself, unless :meth:`Segmenter.observe` was told to leave them for later.
        """
        return self if self.features.captioned else self.segmenter.captioned(self)

    def measured(
        self,
        depth: NDArray[np.float32] | None,
        intrinsics: NDArray[np.float64] | None = None,
        viewpoint: Viewpoint | None = None,
    ) -> Scene:
        """The same scene with its candidates measured in space; what was measured is forgotten.

        Args:
            depth: As of :meth:`Segmenter.observe`.
            intrinsics: Likewise.
            viewpoint: Likewise.

        Raises:
            ImageError: One of them is not as it must be.
        """
        check_inputs(self.size, depth, intrinsics, viewpoint)
        watch = Stopwatch()
        with watch.stage("depth"):
            space = measure(self.proposals, depth, intrinsics, viewpoint)
        seconds = {**self.seconds, **watch.seconds}
        seconds["total"] = self.seconds.get("total", 0.0) + watch.seconds["depth"]
        return replace(self, space=space, seconds=seconds)

    def select(self, text: str) -> Selection:
        """Find the one thing that a sentence means, or the several.

        Args:
            text: Any text at all, in the words of a person.

        Returns:
            The selection; its status and reason say what happened when there is no mask.
        """
        return self.resolve(parse(text))

    def resolve(
        self, expression: ReferringExpression, context: Context = NOTHING_SAID
    ) -> Selection:
        """Answer a parsed sentence; :meth:`select` without the parsing.

        Args:
            expression: What was said, references to earlier sentences resolved.
            context: What earlier sentences settled; see :class:`refseg_ros.Conversation`.

        Returns:
            As :meth:`select`.
        """
        watch = Stopwatch()
        with watch.stage("candidates"):
            scene = self.candidates_for(expression)
        selection = scene._answer(expression, context, watch)
        unknown = self.segmenter.clip.unknown_words(expression.content_words)
        warnings = [f"the word {word!r} is not known to the bundled model" for word in unknown]
        return replace(selection, warnings=tuple(warnings))

    @property
    def is_redrawn(self) -> bool:
        """Whether each sentence brings candidates of its own (``ref_diff.free``)."""
        pictured = self.features.pictured
        return pictured is not None and pictured.method.free

    def candidates_for(self, expression: ReferringExpression) -> Scene:
        """The scene from whose candidates a sentence chooses.

        Args:
            expression: What was said.

        Returns:
            This one; or if :attr:`is_redrawn`, the same with the attention of that sentence, cut
            at 19 heights, as candidates.
        """
        text = plain(expression.text)
        if self.features.pictured is None or not self.is_redrawn or not text:
            return self
        with torch.inference_mode(), self.segmenter.device.precision():
            end = root_end(text, expression.head)
            proposals = cut_proposals(self.features.pictured.attention(text, end))
            pictured = self.features.pictured.of(proposals)
            features = replace(
                self.features,
                regions=pictured.crops(),
                captions=("",) * len(proposals),
                pictured=pictured,
            )
        return replace(self, proposals=proposals, features=features)

    def _answer(
        self, expression: ReferringExpression, context: Context, watch: Stopwatch
    ) -> Selection:
        config = self.segmenter.config
        known = bundled_vocabulary() if config.decision.known_words else None
        if known is not None and context.pinned:
            known = known | context.pinned.keys()
        aside = NOTHING_ASIDE
        if config.score.text == "phrase":
            aside = unused(expression, known, sets=config.spatial.absolute == "extreme")
        told = context.settles_look
        any_words = config.score.text != "phrase" and bool(plain(expression.text))
        refused = refusal(
            expression, len(self.proposals), known, aside, any_words=any_words, told=told
        )
        if refused is not None:
            none = Selection.none(expression.text, *refused, self.size, seconds=watch.total())
            return replace(none, explanation=Explanation(expression, objections=(refused[1],)))
        with torch.inference_mode(), self.segmenter.device.precision():
            with watch.stage("match"):
                table = self._score(expression)
            with watch.stage("spatial"):
                placed = self._place(expression, table, known, context)
        candidates = rank(table, placed, self.proposals, self.captions)
        # What earlier answers settled need not look like it anew.
        decision = replace(config.decision, min_match=-math.inf) if told else config.decision
        selection = decide(
            expression,
            candidates,
            placed,
            self.proposals,
            decision,
            watch.total(),
            aside,
            table,
        )
        if selection.status is not Status.AMBIGUOUS:
            return selection
        with watch.stage("question"):
            asked = with_question(selection, self, expression, placed)
        return replace(asked, seconds=watch.total())

    def _score(self, expression: ReferringExpression) -> ScoreTable:
        """The method's scores, and beside them what captions add to the match or take from it."""
        captioned, segmenter = self.features.captioned, self.segmenter
        matcher = segmenter.matcher if captioned else segmenter.early_matcher
        table = matcher.score(self.features, expression, segmenter.clip)
        weight = segmenter.config.decision.caption_match
        if not weight or not captioned:
            return table
        named = weight * agreements(self.features.named, expression.target)
        return replace(
            table, terms={**table.terms, "C": named}, weights={**table.weights, "C": 0.0}
        )

    def _place(
        self,
        expression: ReferringExpression,
        table: ScoreTable,
        known: Collection[str] | None,
        context: Context,
    ) -> Placing:
        """Turn logits into shares and apply what the sentence says of place."""
        config = self.segmenter.config
        weights = shares(table.total, config.score.normalise, config.score.temperature)
        decision = config.decision
        fits = plausible(match(table.terms), decision.min_match)
        # What leans on earlier sentences is resolved by the whole logic under any preset.
        leans = context != NOTHING_SAID
        absolute = "extreme" if leans else config.spatial.absolute
        matched = True
        if absolute == "extreme" and not says_how_it_looks(expression):
            # "the leftmost thing": what a matcher makes of "thing" is noise.
            weights = self.proposals.quality.clip(1e-3).astype(np.float64)
            fits = np.ones(len(weights))
            matched = False
        resolved = config.spatial.relations or absolute == "extreme"
        named = looks_of(expression.target, known) if resolved else ()
        wanted = [item for item in named if item[0].look not in context.pinned]
        entity = None
        if absolute == "released":
            entity = self.segmenter.language.entity(expression.text)
        looks = score_looks(
            wanted,
            self.features,
            self.segmenter.clip,
            decision.min_match,
            decision.caption_match,
        )
        placed = place(
            context.confine(Look(weights, fits, matched)),
            expression,
            {**looks, **context.landmarks(len(weights))},
            self.layout,
            absolute,
            config.spatial.closeness,
            config.spatial.relations or leans,
            entity,
            config.spatial.best_copy and context.within is None,
        )
        return context.restrict(placed)
