# SPDX-License-Identifier: Apache-2.0
"""An observed image, ready to be asked: data, and the models that answer about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from refseg_ros.answer import answer
from refseg_ros.backbones.remembered import Remembered
from refseg_ros.language import NounPhrase, ReferringExpression, parse
from refseg_ros.methods.crops import is_noise
from refseg_ros.methods.likeness import are_things
from refseg_ros.methods.scoring import SceneFeatures
from refseg_ros.results import Proposals, Selection
from refseg_ros.settling import settled
from refseg_ros.spatial import Layout
from refseg_ros.spatial.context import NOTHING_SAID, Context
from refseg_ros.spatial.space import Space, check_inputs, measure
from refseg_ros.spatial.viewpoint import Viewpoint
from refseg_ros.stopwatch import Stopwatch

if TYPE_CHECKING:
    from refseg_ros.backbones.captioner import Captioner
    from refseg_ros.backbones.clip import ClipEncoder
    from refseg_ros.backbones.device import Device
    from refseg_ros.config import SegmenterConfig
    from refseg_ros.language.tas.tools import LanguageTools
    from refseg_ros.language.vocabulary import Vocabulary
    from refseg_ros.methods.awaiting import AwaitedCaptions
    from refseg_ros.methods.scoring import Matcher
    from refseg_ros.proposals import Proposer
    from refseg_ros.proposals.concepts import SeenConcepts

Image = NDArray[np.uint8]

SPECK = 16
"""Pixels of a mask below which no crop shows what it is."""


class Models(Protocol):
    """What answers sentences about a scene: networks and their configuration, loaded once."""

    config: SegmenterConfig
    device: Device
    clip: ClipEncoder
    language: LanguageTools
    judge: Captioner | None
    matcher: Matcher

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Words that the networks know; None when any may do."""

    @property
    def proposer(self) -> Proposer:
        """What finds masks."""

    def image_caption(self, image: Image) -> str:
        """What the captioner says of a whole image."""

    def region_features(self, image: Image, proposals: Proposals) -> torch.Tensor:
        """(N, D) CLIP features of the crops of N proposals."""

    def with_nouns(self, scene: Scene, nouns: Sequence[str]) -> Scene:
        """A scene with what its text-prompted network finds of nouns."""

    def captioned(self, scene: Scene) -> Scene:
        """A scene that was observed without captions, with them."""


@dataclass(frozen=True)
class Scene:
    """An observed image, ready to be asked.

    Attributes:
        models: What answers sentences about it.
        image: (H, W, 3) uint8 RGB.
        proposals: Candidate masks; their rows are the candidates' indices.
        features: What the matcher compares expressions with.
        seconds: Wall-clock seconds of each stage of observing.
        space: Where the candidates are in space, and whose left and right are meant; None
            without a depth image and a viewpoint.
        depth: (H, W) metres, from which that was measured.
        concepts: What a text-prompted network keeps of the image; None without one.
        base: The scene before :meth:`asked` brought candidates; None if that is this one.
        awaiting: Captions of its candidates that are made when they are needed; None if they are
            made, or left out.
    """

    models: Models = field(repr=False)
    image: Image = field(repr=False)
    proposals: Proposals = field(repr=False)
    features: SceneFeatures = field(repr=False)
    seconds: Mapping[str, float]
    space: Space | None = None
    depth: NDArray[np.float32] | None = field(default=None, repr=False)
    concepts: SeenConcepts | None = field(default=None, repr=False)
    base: Scene | None = field(default=None, repr=False)
    awaiting: AwaitedCaptions | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def is_strange(self) -> bool:
        """Whether the picture is unlike all that the proposal network learnt from, if it knows."""
        return self.proposals.strangeness > 1

    @cached_property
    def caption(self) -> str:
        """What the captioner says of the whole image; empty when captions are off.

        Made when it is first asked for, unless the scores need it.
        """
        return self.features.caption or self.models.image_caption(self.image)

    @property
    def captions(self) -> tuple[str, ...]:
        """What the captioner says of each proposal; makes what is not made yet."""
        return self.whole.features.captions

    @cached_property
    def names(self) -> tuple[NounPhrase | None, ...]:
        """What the captioner calls each proposal, taken apart; None where it names no thing."""
        return tuple(item.thing for item in self.whole.features.named)

    @cached_property
    def layout(self) -> Layout:
        """How the proposals lie."""
        if self.awaiting is not None:
            return self.whole.layout
        return Layout(self.proposals, self.captions, self.space)

    @cached_property
    def things(self) -> NDArray[np.bool_]:
        """(N,) which candidates are things, rather than background, specks or noise.

        All of them where the configuration refuses nothing by its looks.
        """
        decision = self.models.config.decision
        if math.isinf(decision.min_match) or not len(self.proposals):
            return np.full(len(self.proposals), decision.min_match < 0)
        if is_noise(self.image):
            return np.zeros(len(self.proposals), np.bool_)
        with torch.inference_mode(), self.models.device.precision():
            things = are_things(self.features, self.models.clip, decision.caption_match)
        return things & (self.proposals.areas >= SPECK)

    def captioned(self) -> Scene:
        """The same scene with what the captions of its candidates tell.

        Itself, unless :meth:`Segmenter.observe` was told to leave them for later.
        """
        return self if self.features.captioned else self.models.captioned(self)

    @property
    def whole(self) -> Scene:
        """The scene with all captions made; itself unless some are made when they are needed."""
        if self.awaiting is None:
            return self
        self.awaiting.make(self.awaiting.rows)
        return self.so_far

    @property
    def so_far(self) -> Scene:
        """The scene with those captions that are made, and no others to come."""
        if self.awaiting is None:
            return self
        said, awaited = self.awaiting.said, self.awaiting.rows
        if self._partial and self._partial[-1].features.awaited == awaited:
            return self._partial[-1]
        models = self.models
        features = replace(self.features, captions=said, captioned=True, awaited=awaited)
        with torch.inference_mode(), models.device.precision():
            features = replace(features, kept=models.matcher.read(features, models.clip))
        layout = (
            self._partial[-1].layout if self._partial else Layout(self.proposals, (), self.space)
        )
        scene = replace(self, awaiting=None).with_features(features, layout.called(said))
        self._partial[:] = [scene]
        return scene

    @cached_property
    def _partial(self) -> list[Scene]:
        return []

    def with_features(self, features: SceneFeatures, layout: Layout) -> Scene:
        """The scene under other features of its candidates.

        Args:
            features: Of the same candidates.
            layout: How they lie.
        """
        other = replace(self, features=features)
        vars(other)["layout"] = layout  # where it would be kept once it is measured
        return other

    def measured(
        self,
        depth: NDArray[np.float32] | None,
        intrinsics: NDArray[np.float64] | None = None,
        viewpoint: Viewpoint | None = None,
    ) -> Scene:
        """The same scene with its candidates measured in space; what was measured is forgotten.

        Args:
            depth: See :meth:`Segmenter.observe`.
            intrinsics: See :meth:`Segmenter.observe`.
            viewpoint: See :meth:`Segmenter.observe`.

        Raises:
            ImageError: One of them is not as it must be.
        """
        check_inputs(self.size, depth, intrinsics, viewpoint)
        if self.base is not None:
            before = self.base.measured(depth, intrinsics, viewpoint)
            return before.holding(self.proposals)
        watch = Stopwatch()
        with watch.stage("depth"):
            space = measure(self.proposals, depth, intrinsics, viewpoint)
        seconds = {**self.seconds, **watch.seconds}
        seconds["total"] = self.seconds.get("total", 0.0) + watch.seconds["depth"]
        return replace(self, space=space, depth=depth, seconds=seconds)

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
        """Answer a parsed sentence: :func:`refseg_ros.answer.answer`.

        With captions that are made when they are needed, :func:`refseg_ros.settling.settled`.

        Args:
            expression: What was said, references to earlier sentences resolved.
            context: What earlier sentences settled; see :class:`refseg_ros.Conversation`.

        Returns:
            As :meth:`select`.
        """
        decide = answer if self.awaiting is None else settled
        return decide(self, expression, context)

    @property
    def is_redrawn(self) -> bool:
        """Whether each sentence brings candidates of its own (``ref_diff.free``)."""
        return self.models.matcher.brings_candidates

    def candidates_for(self, expression: ReferringExpression) -> Scene:
        """The scene from whose candidates a sentence chooses; itself unless :attr:`is_redrawn`.

        Args:
            expression: What was said.
        """
        matcher = self.models.matcher
        proposals, features = matcher.candidates(self.proposals, self.features, expression)
        if proposals is self.proposals:
            return self
        return replace(self, proposals=proposals, features=features)

    def asked(self, nouns: Iterable[str]) -> Scene:
        """The scene with what a text-prompted network finds of some nouns among its candidates.

        Its own candidates keep their rows, and those that further nouns bring come after them.
        Each noun is asked once; itself without such a network, or with no new noun.

        Args:
            nouns: Such as "mug".
        """
        known = self.proposals.asked
        # In one order, so that "the cup left of the book" and its converse share candidates.
        new = sorted({noun for noun in nouns if noun not in known})
        if self.concepts is None or not new:
            return self
        return self._in_order((*known, *new))

    def holding(self, candidates: Proposals | None) -> Scene:
        """The scene whose candidates an answer about it chose from: those of the same nouns.

        Args:
            candidates: :attr:`Selection.proposals`, or those of another scene.
        """
        nouns = tuple(candidates.asked) if candidates else ()
        return self._in_order(nouns) if nouns and self.concepts else self

    def _in_order(self, nouns: tuple[str, ...]) -> Scene:
        root = self.base or self
        found = root._asked.recall(["\n".join(nouns)], lambda _: [root._with_nouns(nouns)])
        return next(iter(found.values()))

    @cached_property
    def _asked(self) -> Remembered[Scene]:
        return Remembered(8)

    def _with_nouns(self, nouns: tuple[str, ...]) -> Scene:
        # A copy, which remembers nothing: what is remembered must not hold who remembers it.
        base = replace(self)
        with torch.inference_mode(), self.models.device.precision():
            scene = self.models.with_nouns(base, nouns)
        if self.space is None:
            return scene
        sensed = (self.depth, self.space.intrinsics, self.space.viewpoint)
        return replace(scene, space=measure(scene.proposals, *sensed))

    def begins_as(self, other: Scene) -> bool:
        """Whether the candidates of another scene are the first ones of this."""
        if other is self:
            return True
        asked, before = tuple(self.proposals.asked), tuple(other.proposals.asked)
        same = self.concepts is not None and self.concepts is other.concepts
        return same and asked[: len(before)] == before
