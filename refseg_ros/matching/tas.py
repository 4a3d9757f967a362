# SPDX-License-Identifier: Apache-2.0
"""TAS: text-augmented matching (Suo et al., EMNLP Findings 2023, section 3).

S_i = V_i + p · P_i − n · N_i, with cosines in CLIP logits: V compares the masked crop with the
sentence, P the crop's caption with the sentence, N the crop with the other things that the
whole image's caption names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refseg_ros.config import ScoreConfig
from refseg_ros.language import ReferringExpression, same_thing
from refseg_ros.matching import SceneFeatures, ScoreTable, TextEncoder


@dataclass(frozen=True)
class Tas:
    """The TAS scores under a configuration."""

    config: ScoreConfig

    def text(self, expression: ReferringExpression) -> str:
        """What is compared with crops and captions: the sentence, or the look of its head."""
        if self.config.text == "phrase" and expression.target.look:
            return expression.target.look
        return expression.referring

    def distractors(
        self, features: SceneFeatures, expression: ReferringExpression
    ) -> NDArray[np.int64]:
        """Rows of ``features.phrases`` that name something other than the target."""
        target = expression.head_phrase or expression.referring
        others = [not same_thing(phrase, target) for phrase in features.phrases]
        return np.flatnonzero(others)

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """Score every proposal.

        Args:
            features: Of N proposals.
            expression: With a non-empty referring part.
            encoder: The CLIP that made ``features``.

        Returns:
            Terms V, P and N (those switched on) and their weighted sum, in logits. Without a
            distractor N is 0 for all, where the released code gives NaN.
        """
        config, scale = self.config, features.logit_scale
        count, text = len(features.regions), self.text(expression)
        distractors: tuple[str, ...] = ()
        sentence = encoder.encode_texts([text])[0]
        terms = {"V": (scale * features.regions @ sentence).double().numpy()}
        total = terms["V"].copy()
        if config.positive:
            terms["P"] = (scale * features.caption_features @ sentence).double().numpy()
            total += config.positive * terms["P"]
        if config.negative:
            rows = self.distractors(features, expression)
            distractors = tuple(features.phrases[row] for row in rows)
            terms["N"] = np.zeros(count)
            if rows.size:
                others = features.phrase_features[rows]
                terms["N"] = (scale * features.regions @ others.T).mean(1).double().numpy()
            total -= config.negative * terms["N"]
        weights = {"P": config.positive, "N": -config.negative}
        return ScoreTable(terms, total, weights, text, distractors)
