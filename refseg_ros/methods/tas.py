# SPDX-License-Identifier: Apache-2.0
"""TAS: text-augmented matching (Suo et al., EMNLP Findings 2023, section 3).

S_i = V_i + p · P_i − n · N_i, with cosines in CLIP logits: V compares the masked crop with the
sentence, P the crop's caption with the sentence, N the crop with the other things that the
whole image's caption names. What departs from the released code is a switch of
:class:`refseg_ros.config.ScoreConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from refseg_ros.config import ScoreConfig
from refseg_ros.config.methods import CoherenceConfig
from refseg_ros.language import ReferringExpression
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.tokens import plain
from refseg_ros.methods.coherence import HEAT, coherence
from refseg_ros.methods.distractors import proper_distractors
from refseg_ros.methods.global_local import mix
from refseg_ros.methods.scoring import OnProposals, SceneFeatures, ScoreTable, TextEncoder


@dataclass(frozen=True)
class Tas(OnProposals):
    """The TAS scores under a configuration.

    Attributes:
        config: Weights and corrections.
        language: Which phrases of a caption name the target itself.
        heat: Weight and balance of the coherence.
        sentence: If both are compared, the weight of the sentence beside its head noun phrase.
    """

    config: ScoreConfig
    language: LanguageTools = field(default_factory=LanguageTools)
    sentence: float = 0.5
    heat: CoherenceConfig = field(default_factory=CoherenceConfig)

    def without_captions(self) -> Tas:
        """The method less P, and less N where captions of regions name the distractors."""
        negative = self.config.negative if self.config.distractors == "caption" else 0.0
        return replace(self, config=replace(self.config, positive=0.0, negative=negative))

    def text(self, expression: ReferringExpression) -> str:
        """What is compared with crops and captions.

        The whole sentence in lower case, command and all; or if ``text`` is "phrase" the look of
        its head, or the referring part where there is none.
        """
        if self.config.text == "phrase":
            return expression.target.look or expression.referring
        return plain(expression.text)

    def target(self, expression: ReferringExpression) -> str:
        """The phrase whose synonyms are no distractors."""
        if self.config.text == "phrase":
            return expression.head_phrase or expression.referring
        return self.language.head_phrase(expression.text)

    def distractors(
        self, features: SceneFeatures, expression: ReferringExpression
    ) -> NDArray[np.int64]:
        """Rows of ``features.phrases`` that name something other than the target."""
        if self.config.distractor_filter:
            return proper_distractors(features.spoken, expression)
        target = self.target(expression)
        others = [not self.language.synonyms(phrase, target) for phrase in features.phrases]
        return np.flatnonzero(others)

    def score(
        self, features: SceneFeatures, expression: ReferringExpression, encoder: TextEncoder
    ) -> ScoreTable:
        """Score every proposal.

        Args:
            features: The features of N proposals.
            expression: With a non-empty referring part.
            encoder: The CLIP that made ``features``.

        Returns:
            Terms V, P and N (those switched on) and their weighted sum, in logits. Without a
            distractor N is 0 for all, where the released code gives NaN.
        """
        config, scale = self.config, features.logit_scale
        text = self.text(expression)
        meant, plainly = self._encoded(text, expression, encoder)
        distractors: tuple[str, ...] = ()
        terms = {"V": (scale * features.regions @ meant).double().numpy()}
        total = terms["V"].copy()
        for name, part in features.parts.items():
            terms[name] = (scale * part @ meant).double().numpy()
        if config.positive:
            terms["P"] = (scale * features.caption_features @ plainly).double().numpy()
            total += config.positive * terms["P"]
        if config.negative:
            rows = self.distractors(features, expression)
            distractors = tuple(features.phrases[row] for row in rows)
            terms["N"] = _negative(features, rows)
            total -= config.negative * terms["N"]
        if features.dense is not None:
            phrase = encoder.encode_texts([self.target(expression) or text])[0]
            terms[HEAT] = coherence(features.dense, phrase, self.heat.balance)
            total += self.heat.weight * terms[HEAT]
        weights = {
            HEAT: self.heat.weight,
            "P": config.positive,
            "N": -config.negative,
            **dict.fromkeys(features.parts, 0.0),
        }
        return ScoreTable(terms, total, weights, text, distractors)

    def _encoded(
        self, text: str, expression: ReferringExpression, encoder: TextEncoder
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(D,) unit features that crops and captions are compared with."""
        config = self.config
        if config.text == "both":
            pair = encoder.encode_texts([text, self.target(expression) or text], unit=False)
            both = mix(pair[0], pair[1], self.sentence)
            return both, both
        prompts = [template.replace("{}", text) for template in config.templates] or [text]
        plainly = [text] if config.positive and config.templates else []
        encoded = encoder.encode_texts(prompts + plainly)
        meant = averaged(encoded[: len(prompts)]) if config.templates else encoded[0]
        return meant, encoded[-1]


def averaged(features: torch.Tensor) -> torch.Tensor:
    """The direction of the mean of text features, as for an ensemble of prompts.

    Args:
        features: (K, D) L2-normalised, K ≥ 1.

    Returns:
        (D,) L2-normalised.
    """
    return functional.normalize(features.mean(0), dim=-1)


def _negative(features: SceneFeatures, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """N: the mean over distractors; 0 for all without any, where the released code gives NaN."""
    if not rows.size:
        return np.zeros(len(features.regions))
    logits = features.logit_scale * features.regions @ features.phrase_features[rows].T
    mean: NDArray[np.float64] = logits.mean(1).double().numpy()
    return mean
