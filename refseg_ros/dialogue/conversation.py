# SPDX-License-Identifier: Apache-2.0
"""Sentences that lean on those before them: answers to questions, "it", "the other one".

The rules are written down in docs/dialogue.md.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from refseg_ros.dialogue.finding import found_again
from refseg_ros.dialogue.follow_up import FollowUp, Turn, again, lost_answer
from refseg_ros.language import parse
from refseg_ros.language.replies import ReplyKind, read_reply
from refseg_ros.language.vocabulary import nouns_of
from refseg_ros.results import Selection, Status

if TYPE_CHECKING:
    from refseg_ros.scene import Scene


class Conversation:
    """Keeps the last sentence and its answer, so that the next may lean on them.

    One conversation belongs to one person's commands and one thread.
    """

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._last: Turn | None = None  # what was said last, for `follow`
        self._before: Turn | None = None  # what the next sentence may lean on

    def clear(self) -> None:
        """Forget what was said."""
        self._last = self._before = None

    def ask(self, scene: Scene, text: str) -> Selection:
        """Find what a sentence means, after those before it.

        Args:
            scene: An observed image; it may be another than the last sentence's.
            text: Any text at all. A blank one clears the conversation.

        Returns:
            As :meth:`Scene.select`. A sentence that leans on a thing which this image does not
            show any more is answered with ``LOST``.
        """
        if not text.strip():
            self.clear()
            return scene.select(text)
        started = time.perf_counter()
        # Candidates that each sentence makes anew are none to come back to.
        before = None if scene.is_redrawn else self._before
        said = parse(text)
        nouns = () if read_reply(text) else nouns_of(said)
        turn = None
        if before is not None:
            # What was found of the nouns before is to be found here.
            shown = scene.holding(before.scene.proposals).asked(nouns)
            turn = FollowUp(before, shown, said).turn()
        if turn is None:
            turn = Turn(text, scene.asked(nouns), said, scene.resolve(said))
        else:
            turn = replace(turn, selection=_timed(turn.selection, started))
        self._last = turn
        status = turn.selection.status
        if status.has_target:
            self._before = turn
        elif not (turn.leans or status is Status.ERROR) or _ends(turn):
            self._before = None
        return turn.selection

    def follow(self, scene: Scene) -> Selection | None:
        """Answer the last sentence again, for a new image.

        A sentence that stands by itself is asked anew. Of one that leaned on others what it found
        is looked for: ``LOST`` while that cannot be told.

        Args:
            scene: An observed image.

        Returns:
            The answer, which names the last sentence; None if nothing was said.
        """
        last, started = self._last, time.perf_counter()
        if last is None:
            return None
        scene = scene.holding(last.scene.proposals)
        if not last.leans:
            turn = replace(last, scene=scene, selection=scene.select(last.text))
        elif not last.selection.status.has_target:
            status, reason = last.selection.status, last.selection.reason
            return _timed(Selection.none(last.text, status, reason, scene.size), started)
        else:
            wanted = last.tied or last.selection.indices
            found = found_again(last.scene, wanted, scene)
            if found is None:
                return _timed(lost_answer(last.text, scene), started)
            if scene is last.scene:
                return last.selection
            turn = replace(last, scene=scene, selection=again(last, scene, found))
            turn = replace(turn, selection=_timed(turn.selection, started))
        if self._before is last:
            self._before = turn
        self._last = turn
        return turn.selection

    def carry(self, scene: Scene, mask: NDArray[np.bool_]) -> None:
        """Take it from a tracker where the one thing that was meant last is in a later image.

        A sentence that leans on it then looks for it there, not where it was when it was spoken
        of. Of several things, or while a question is open, nothing is taken.

        Args:
            scene: The later image, observed.
            mask: (H, W) bool, where the thing is in it.
        """
        last = self._last
        if last is None or last.tied or len(last.selection.indices) != 1 or not mask.any():
            return
        scene = scene.holding(last.scene.proposals)
        found = found_again(last.scene, last.selection.indices, scene, mask[None])
        if found is None or scene is last.scene:
            return
        selection = again(last, scene, found)
        if selection.indices != found:
            return
        turn = replace(last, scene=scene, selection=selection)
        if self._before is last:
            self._before = turn
        self._last = turn


def _ends(turn: Turn) -> bool:
    """Whether an answer says that nothing of what was spoken of is meant."""
    reply = read_reply(turn.text)
    return reply is not None and reply.kind is ReplyKind.NO


def _timed(selection: Selection, started: float) -> Selection:
    """The answer with the whole time that it took."""
    seconds = {**selection.seconds, "total": time.perf_counter() - started}
    return replace(selection, seconds=seconds)
