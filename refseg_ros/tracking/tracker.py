# SPDX-License-Identifier: Apache-2.0
"""Follows one selected thing: moves its mask, draws it anew, checks that it is still the thing.

A tracker costs a small part of an observation, so that it keeps up with a camera. It never looks
for the thing itself: in doubt, or after a while, it asks to be given an observed scene, in which
the thing is found by place, look and caption (:mod:`refseg_ros.dialogue.finding`).
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from refseg_ros.dialogue.finding import SAME_LOOK, found_again
from refseg_ros.errors import ImageError
from refseg_ros.results import Proposals, Selection, Status, boxes_from_masks
from refseg_ros.scene import Scene
from refseg_ros.tracking.config import TrackingConfig
from refseg_ros.tracking.motion import Grey, grey, motion, moved
from refseg_ros.tracking.outline import fresh, outliner_of

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class State(enum.Enum):
    """How it stands with what is followed."""

    FOLLOWING = "following"
    """Its mask is believed."""
    UNSURE = "unsure"
    """The mask is the best guess."""
    LOST = "lost"
    """It is not seen; the mask is empty."""

    @property
    def status(self) -> Status:
        """The status of a result that carries this mask."""
        return {
            State.FOLLOWING: Status.SELECTED,
            State.UNSURE: Status.AMBIGUOUS,
            State.LOST: Status.LOST,
        }[self]


@dataclass(frozen=True)
class Tracked:
    """Where the thing is in one picture.

    Attributes:
        mask: (H, W) bool, empty if it is lost.
        box: (4,) float32 half-open pixel box; zeros if it is lost.
        confidence: In [0, 1]: how far outline and look agree with what was selected.
        state: Whether to believe it.
        reobserve: Whether the tracker wants an observed scene; see :meth:`Tracker.reobserved`.
        reason: Why it is unsure or lost; empty otherwise.
    """

    mask: Mask
    box: NDArray[np.float32]
    confidence: float
    state: State
    reobserve: bool
    reason: str = ""


@dataclass(frozen=True)
class _Past:
    """A picture that was seen and the mask in it."""

    image: Grey
    mask: Mask


class Tracker:
    """Follows what a scene's selection means; for one thread.

    Args:
        config: Thresholds.
    """

    def __init__(self, config: TrackingConfig | None = None) -> None:
        self._config = config or TrackingConfig()
        self._scene: Scene | None = None
        self._state, self._why = State.LOST, ""
        self._misses = self._age = 0

    def start(self, scene: Scene, selection: Selection) -> Tracked:
        """Follow a thing from now on.

        Args:
            scene: The observed picture.
            selection: What is meant in it; of several things the first is followed.

        Returns:
            The thing as it was selected.

        Raises:
            ValueError: The selection has no target.
        """
        if selection.index is None or not selection.status.has_target:
            raise ValueError(
                f"selection: one with a target is needed, got {selection.status.name}: "
                f"{selection.reason}"
            )
        self._past: deque[_Past] = deque(maxlen=self._config.memory)
        self._known(scene, selection.index)
        mask = scene.proposals.masks[selection.index].copy()
        self._past.append(_Past(grey(scene.image), mask))
        self._state, self._misses, self._age = State.FOLLOWING, 0, 0
        return self._result(mask, 1.0, "")

    def update(self, image: Image) -> Tracked:
        """Find the thing in the next picture.

        Args:
            image: (H, W, 3) uint8 RGB, as large as the scene's.

        Returns:
            Where it is. Once lost it stays so until :meth:`reobserved` finds it.

        Raises:
            ValueError: Nothing is followed yet.
            ImageError: Another size or type.
        """
        scene = self._started()
        if image.shape != scene.image.shape or image.dtype != np.uint8:
            raise ImageError(
                f"image: expected {scene.image.shape} uint8, as what is followed was selected in, "
                f"got {image.shape} {image.dtype}"
            )
        self._age += 1
        before, now = self._past[-1], grey(image)
        if self._state is State.LOST:
            self._past.append(_Past(now, before.mask))
            return self._result(np.zeros_like(before.mask), 0.0, self._why)
        mask, confidence, reason = self._found(before, now, image)
        self._misses = self._misses + 1 if confidence < self._config.least else 0
        if self._misses >= self._config.patience or not mask.any():
            return self._lose(_Past(now, before.mask), reason)
        sure = confidence >= self._config.sure
        self._state = State.FOLLOWING if sure else State.UNSURE
        # A doubtful outline does not replace the mask by which the thing is found again.
        self._past.append(_Past(now, mask))
        return self._result(mask, confidence, "" if sure else reason)

    def reobserved(self, scene: Scene, ago: int = 0) -> bool:
        """Learn from an observed picture where the thing is.

        Args:
            scene: The observation of a picture that was given to :meth:`update` or
                :meth:`start`.
            ago: How many updates there were since that picture's.

        Returns:
            Whether the thing was found in it; if not, the mask is doubted, and what was doubted
            already is lost.

        Raises:
            ValueError: Nothing is followed yet, or ``ago`` is negative.
            ImageError: Another size.
        """
        before = self._started()
        if ago < 0:
            raise ValueError(f"ago: {ago} is negative")
        if scene.size != before.size:
            raise ImageError(f"scene: expected a picture of {before.size}, got {scene.size}")
        self._age = 0
        if ago >= len(self._past):
            return False  # too old to be brought to the present
        then = self._past[-1 - ago]
        index = self._recognised(before, then.mask, scene)
        if index is None:
            if self._state is State.UNSURE:
                self._lose(self._past[-1], "the thing is not among what was observed")
            elif self._state is State.FOLLOWING:
                self._state = State.UNSURE
            return False
        mask = scene.proposals.masks[index].copy()
        now = self._past[-1].image
        if ago:
            by = self._motion(_Past(then.image, mask), now)
            mask = mask if by is None else moved(mask, by)
        if not mask.any():
            return False
        self._known(scene, index)
        self._past[-1] = _Past(now, mask)
        self._state, self._misses = State.FOLLOWING, 0
        return True

    def _started(self) -> Scene:
        if self._scene is None:
            raise ValueError("tracker: nothing is followed yet; call start() first")
        return self._scene

    def _known(self, scene: Scene, index: int) -> None:
        self._scene, self._index = scene, index
        self._area = float(scene.proposals.areas[index])
        self._outliner = outliner_of(scene.segmenter.proposer)

    def _motion(self, before: _Past, now: Grey) -> NDArray[np.float64] | None:
        config = self._config
        return motion(before.image, now, before.mask, config.points, config.consistent)

    def _found(self, before: _Past, now: Grey, image: Image) -> tuple[Mask, float, str]:
        """Mask, confidence, and the weakest point of it in words."""
        config = self._config
        by = self._motion(before, now)
        expected = before.mask if by is None else moved(before.mask, by)
        if not expected.any():
            return expected, 0.0, "it left the picture"
        mask, fit = fresh(image, expected, self._outliner, config.window)
        if fit < config.shape:
            return expected, 0.0, "nothing there has its outline"
        if by is not None:
            self._area *= abs(float(np.linalg.det(by[:, :2])))
        if mask.sum() < config.shrunk * self._area:
            return mask, 0.0, "little of it is left to see"
        alike = (self._look(image, mask) - config.unlike) / (SAME_LOOK - config.unlike)
        shape = (fit - config.shape) / (1 - config.shape)
        confidence = float(np.clip(min(alike, 0.5 + shape), 0.0, 1.0))
        return mask, confidence, "what is there looks different" if alike < 0.5 + shape else ""

    def _look(self, image: Image, mask: Mask) -> float:
        """Cosine of what a mask shows and what was last recognised."""
        scene = self._started()
        shown = Proposals(mask[None], np.ones(1, np.float32))
        feature = scene.segmenter.region_features(image, shown)[0]
        return float(feature @ scene.features.regions[self._index])

    def _recognised(self, before: Scene, mask: Mask, after: Scene) -> int | None:
        """The candidate that is the thing, where it was last known to be or elsewhere.

        Of a lost thing among others like it, its last place tells nothing unless all of them are
        seen again.
        """
        masks = before.proposals.masks.copy()
        masks[self._index] = mask
        placed = replace(before, proposals=Proposals(masks, before.proposals.quality))
        found = found_again(placed, (self._index,), after)
        if found is None:
            return None
        fewer = _namesakes(after, found[0]) < _namesakes(before, self._index)
        return None if self._state is State.LOST and fewer else found[0]

    def _lose(self, past: _Past, reason: str) -> Tracked:
        self._state, self._why = State.LOST, reason
        self._past.append(past)
        return self._result(np.zeros_like(past.mask), 0.0, reason)

    def _result(self, mask: Mask, confidence: float, reason: str) -> Tracked:
        due = self._config.period > 0 and self._age >= self._config.period
        wanted = due or self._state is not State.FOLLOWING
        box = boxes_from_masks(mask[None])[0]
        return Tracked(mask, box, confidence, self._state, wanted, reason)


def _namesakes(scene: Scene, index: int) -> int:
    """How many different things of a scene have a candidate's caption, itself included."""
    different: list[int] = []
    for other, caption in enumerate(scene.captions):
        if caption == scene.captions[index] and not scene.layout.copies[other, different].any():
            different.append(other)
    return len(different)
