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

from refseg_ros.dialogue.finding import ELSEWHERE_LOOK, SAME_LOOK, found_again
from refseg_ros.errors import ImageError
from refseg_ros.results import Proposals, Selection, Status, boxes_from_masks
from refseg_ros.scene import Scene
from refseg_ros.tracking.config import TrackingConfig
from refseg_ros.tracking.motion import Grey, around, grey, motion, moved
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
    """A picture that was seen and what is known of the thing in it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        shades: (H, W) uint8, the same in grey.
        mask: (H, W) bool.
        whole: (H, W) bool, the mask of the last observation moved to here and never drawn anew,
            so that outlines do not shrink a little with every picture.
    """

    image: Image
    shades: Grey
    mask: Mask
    whole: Mask


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
        scene = scene.holding(selection.proposals)
        self._known(scene, selection.index)
        mask = scene.proposals.masks[selection.index].copy()
        self._past.append(_Past(scene.image, grey(scene.image), mask, mask))
        self._state, self._misses, self._age = State.FOLLOWING, 0, 0
        return self._result(mask, 1.0, "")

    def update(self, image: Image) -> Tracked:
        """Find the thing in the next picture.

        Args:
            image: (H, W, 3) uint8 RGB, as large as the scene's.

        Returns:
            Where it is. Once lost it stays so until it is seen again where it was, or
            :meth:`reobserved` finds it.

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
        image, before = image.copy(), self._past[-1]
        if self._state is State.LOST:
            return self._watched(before, image, grey(image))
        now, confidence, reason = self._found(before, image, grey(image))
        missed = confidence < self._config.least
        self._misses = self._misses + 1 if missed else 0
        # What moves there may be what hides it.
        self._past.append(self._carried(before, image, now.shades) if missed else now)
        if self._misses >= self._config.patience or not now.mask.any():
            return self._lose(reason)
        sure = confidence >= self._config.sure
        self._state = State.FOLLOWING if sure else State.UNSURE
        return self._result(now.mask, confidence, "" if sure else reason)

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
        then, scene = self._past[-1 - ago], scene.holding(before.proposals)
        index = self._recognised(before, then.mask, scene)
        if index is None:
            if self._state is State.UNSURE:
                self._lose("the target is not among the observed candidates")
            elif self._state is State.FOLLOWING:
                self._state = State.UNSURE
            return False
        mask = scene.proposals.masks[index].copy()
        now, confidence = replace(then, mask=mask, whole=mask), 1.0
        self._known(scene, index)
        if ago:
            last = self._past[-1]
            now, confidence, _ = self._found(now, last.image, last.shades)
        # What was there may be gone by now: a lost thing must be seen in the present.
        if confidence < self._config.least or not now.mask.any():
            return False
        self._past[-1] = now
        self._state, self._misses = State.FOLLOWING, 0
        return True

    def _started(self) -> Scene:
        if self._scene is None:
            raise ValueError("tracker: nothing is followed yet; call start() first")
        return self._scene

    def _known(self, scene: Scene, index: int) -> None:
        self._scene, self._index = scene, index
        self._outliner = outliner_of(scene.models.proposer)

    def _found(self, before: _Past, image: Image, shades: Grey) -> tuple[_Past, float, str]:
        """The thing in a later picture, the confidence, and the weakest point of it in words."""
        config = self._config
        by = motion(before.shades, shades, before.mask, config.points, config.consistent)
        expected, whole = before.mask, before.whole
        if by is not None:
            expected, whole = moved(expected, by), moved(whole, by)
        now = _Past(image, shades, expected, whole)
        if not expected.any():
            return now, 0.0, "it left the picture"
        mask, fit = fresh(image, expected, whole, self._outliner, config.window)
        if fit < config.shape:
            return now, 0.0, "nothing there has its outline"
        now = replace(now, mask=mask)
        if mask.sum() < config.shrunk * whole.sum():
            return now, 0.0, "too little of it is in view"
        alike = (self._look(image, mask) - config.unlike) / (SAME_LOOK - config.unlike)
        shape = (fit - config.shape) / (1 - config.shape)
        confidence = float(np.clip(min(alike, 0.5 + shape), 0.0, 1.0))
        reason = "what is there looks different"
        if shape + 0.5 < alike:
            reason = "its outline changed"
        return now, confidence, reason

    def _watched(self, before: _Past, image: Image, shades: Grey) -> Tracked:
        """Whether a lost thing is seen again where it was, as what hid it went on."""
        config = self._config
        now = self._carried(before, image, shades)
        self._past.append(now)
        whole = now.whole
        # Of several alike, which one is there cannot be told by its look.
        if whole.any() and _namesakes(self._started(), self._index) == 1:
            mask, fit = fresh(image, whole, whole, self._outliner, config.window)
            if fit >= config.same_shape and self._look(image, mask) >= ELSEWHERE_LOOK:
                self._past[-1] = replace(now, mask=mask)
                self._state, self._misses = State.UNSURE, 0
                return self._result(mask, config.least, "it was lost and seems to be back")
        return self._result(np.zeros_like(whole), 0.0, self._why)

    def _carried(self, before: _Past, image: Image, shades: Grey) -> _Past:
        """Where a thing that is not seen would be if only the camera moved."""
        config = self._config
        by = around(before.shades, shades, before.whole, config.points, config.consistent)
        whole = before.whole if by is None else moved(before.whole, by)
        return _Past(image, shades, whole, whole)

    def _look(self, image: Image, mask: Mask) -> float:
        """Likeness of what a mask shows and what was last recognised, at most 1."""
        scene = self._started()
        if not scene.features.seen:
            known = scene.proposals.masks[self._index]
            return _colour_likeness(image[mask], scene.image[known])
        shown = Proposals(mask[None], np.ones(1, np.float32))
        feature = scene.models.region_features(image, shown)[0]
        return float(feature @ scene.features.regions[self._index])

    def _recognised(self, before: Scene, mask: Mask, after: Scene) -> int | None:
        """The candidate that is the thing, where it was last known to be or elsewhere.

        The last place of a lost thing tells little, so it must look and be called as before
        wherever it is, and if there were others like it, all of them must be seen again.
        """
        found = found_again(before, (self._index,), after, mask[None])
        if found is None or self._state is not State.LOST:
            return None if found is None else found[0]
        same = before.captions[self._index] == after.captions[found[0]]
        fewer = _namesakes(after, found[0]) < _namesakes(before, self._index)
        if before.features.seen:
            one, other = before.features.regions[self._index], after.features.regions[found[0]]
            look = float(one @ other)
        else:
            look = self._look(after.image, after.proposals.masks[found[0]])
        alike = same and look >= ELSEWHERE_LOOK
        return found[0] if alike and not fewer else None

    def _lose(self, reason: str) -> Tracked:
        self._state, self._why = State.LOST, reason
        return self._result(np.zeros_like(self._past[-1].mask), 0.0, reason)

    def _result(self, mask: Mask, confidence: float, reason: str) -> Tracked:
        due = self._config.period > 0 and self._age >= self._config.period
        wanted = due or self._state is not State.FOLLOWING
        box = boxes_from_masks(mask[None])[0]
        return Tracked(mask, box, confidence, self._state, wanted, reason)


def _colour_likeness(one: Image, other: Image) -> float:
    """How near mean colours come, where no network looks: 1 if equal, 0 at half the range.

    Args:
        one: (N, 3) pixels.
        other: (M, 3) pixels.
    """
    if not len(one) or not len(other):
        return 0.0
    return max(0.0, 1.0 - float(np.abs(one.mean(0) - other.mean(0)).max()) / 128)


def _namesakes(scene: Scene, index: int) -> int:
    """How many different things of a scene have a candidate's caption, itself included."""
    different: list[int] = []
    for other, caption in enumerate(scene.captions):
        if caption == scene.captions[index] and not scene.layout.copies[other, different].any():
            different.append(other)
    return len(different)
