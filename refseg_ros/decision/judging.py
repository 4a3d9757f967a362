# SPDX-License-Identifier: Apache-2.0
"""Close calls, decided by a network that sees the candidates numbered and says one number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from refseg_ros.config import DecisionConfig
from refseg_ros.config.methods import JudgeConfig
from refseg_ros.decision.choice import confidence
from refseg_ros.results import Selection, Status

if TYPE_CHECKING:
    from refseg_ros.backbones.captioner import Captioner
    from refseg_ros.scene import Scene

PROMPT: Final = (
    'The picture shows things outlined and numbered 1 to {count}. Which number is "{text}"? '
    "Answer with the number alone."
)
TOKENS: Final = 6
"""Longest answer."""
_COLOURS: Final = ((255, 60, 60), (60, 200, 60), (80, 120, 255), (255, 200, 0), (255, 0, 220))


def judged(
    selection: Selection,
    scene: Scene,
    judge: Captioner,
    config: JudgeConfig,
    decision: DecisionConfig,
) -> Selection:
    """An unsure answer, decided by looking; itself where there is nothing to choose between.

    Args:
        selection: AMBIGUOUS, with what is tied.
        scene: What was asked.
        judge: A network with a chat template.
        config: How long it may take, and between how many it chooses.
        decision: Makes the share of what is chosen a score.

    Returns:
        SELECTED, with a reason that says who decided; or the answer as it was, with what the
        network said instead of a number.
    """
    tied = selection.tied
    if not 2 <= len(tied) <= config.most or len(selection.indices) > 1:
        return selection
    picture = numbered(scene.image, scene.proposals.masks[list(tied)])
    prompt = PROMPT.format(count=len(tied), text=selection.expression)
    said = judge.reply(
        [picture], prompt, max_new_tokens=TOKENS, max_time=config.seconds, do_sample=False
    )[0]
    numbers = ", ".join(str(index + 1) for index in tied)
    told = re.search(r"\d+", said)
    if told is None or not 1 <= int(told[0]) <= len(tied):
        reason = f"{selection.reason}; the judge, asked between {numbers}, said {said[:40]!r}"
        return replace(selection, reason=reason)
    index = tied[int(told[0]) - 1]
    share = next(item.score for item in selection.candidates if item.index == index)
    return replace(
        selection,
        status=Status.SELECTED,
        reason=f"the judge chose candidate {index + 1} of {numbers}; without it: "
        f"{selection.reason}",
        mask=scene.proposals.masks[index].copy(),
        box=scene.proposals.boxes[index].copy(),
        score=confidence(min(1.0, share), decision),
        margin=0.0,
        index=index,
        indices=(index,),
        question="",
        options=(),
        tied=(),
    )


def numbered(image: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture with masks outlined and numbered from 1.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool, none empty.
    """
    drawn = image.copy()
    thick = max(1, round(max(image.shape[:2]) / 300))
    for number, mask in enumerate(masks, 1):
        colour = _COLOURS[(number - 1) % len(_COLOURS)]
        found, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        cv2.drawContours(drawn, found, -1, colour, thick)
        # The point farthest from the outline lies in the thing, whatever its shape.
        inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick + 0.2
        (width, height), _ = cv2.getTextSize(str(number), font, scale, thick)
        place = (int(column) - 1 - width // 2, int(row) - 1 + height // 2)
        cv2.putText(drawn, str(number), place, font, scale, (0, 0, 0), 3 * thick)
        cv2.putText(drawn, str(number), place, font, scale, (255, 255, 255), thick)
    return drawn
