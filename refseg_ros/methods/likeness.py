# SPDX-License-Identifier: Apache-2.0
"""How the candidates look beside landmarks, and beside what a thing must not be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from refseg_ros.language.caption_names import agreements
from refseg_ros.language.expression import NounPhrase
from refseg_ros.methods.names import NAMED, SURE_ENOUGH
from refseg_ros.methods.scoring import ATTENTION, SceneFeatures, TextEncoder, shares
from refseg_ros.spatial.likeness import Likeness, any_of, logistic

BASIC_COLOURS: Final = (
    "black", "white", "red", "green", "yellow", "blue", "brown", "purple", "pink", "orange",
    "grey",
)  # fmt: skip
"""The basic colour terms of English (Berlin and Kay, 1969)."""

Logits = NDArray[np.float64]
Value = TypeVar("Value", float, Logits)


def match(terms: Mapping[str, Value]) -> Value:
    """How well candidates, or one, match by all that was seen of them, in logits.

    Args:
        terms: V, or A where attention alone decides, or neither where names do; and C and D (what
            captions and given names add or take) where they are weighed: (N,) or a number each.
    """
    seen = looks(terms)
    for name in ("C", NAMED):
        if name in terms and terms[name] is not seen:
            seen = seen + terms[name]
    return seen


def looks(terms: Mapping[str, Value]) -> Value:
    """How candidates, or one, look beside what was said: V, or A or D where that alone decides.

    Args:
        terms: The terms from :func:`match`.
    """
    return next(terms[name] for name in ("V", ATTENTION, NAMED) if name in terms)


def plausible(logits: Logits, min_match: float) -> Logits:
    """Whether each candidate looks like a text at all: 0.5 at ``min_match`` logits.

    Args:
        logits: (N,) :func:`match` of the candidates.
        min_match: :attr:`DecisionConfig.min_match`; -inf for anything.
    """
    if math.isinf(min_match):
        return np.full(len(logits), float(min_match < 0))
    return logistic(logits - min_match)


def are_things(
    features: SceneFeatures, encoder: TextEncoder, caption_match: float = 0.0
) -> NDArray[np.bool_]:
    """Which candidates look like a thing rather than like background, or are called one.

    Args:
        features: The features of N candidates.
        encoder: The CLIP that made ``features``.
        caption_match: :attr:`DecisionConfig.caption_match`: logits by which one that no caption
            calls a thing must look more like one, and until there are captions may look less so.

    Returns:
        (N,) bool.
    """
    if not features.seen:
        return np.ones(len(features.regions), np.bool_)
    encoded = encoder.encode_texts(["the thing", "the background"])
    thing, background = (features.logit_scale * encoded @ features.regions.T).double().numpy()
    if not (features.captioned and caption_match):
        return np.asarray(thing - background >= -caption_match, np.bool_)
    named = np.array([item.thing is not None for item in features.named], np.bool_)
    return np.asarray(named | (thing - background >= caption_match), np.bool_)


def score_looks(
    wanted: Iterable[tuple[NounPhrase, bool]],
    features: SceneFeatures,
    encoder: TextEncoder,
    min_match: float,
    caption_match: float = 0.0,
) -> Mapping[str, Likeness]:
    """Compare the candidates with phrases by V and D; whether they fit at all, with captions too.

    Args:
        wanted: Phrases, and whether each is of something that must not be.
        features: The features of N candidates.
        encoder: The CLIP that made ``features``.
        min_match: Logits from which a candidate looks like a text.
        caption_match: :attr:`DecisionConfig.caption_match`.

    Returns:
        By :attr:`NounPhrase.look`: shares among the candidates, and how surely each fits. For what
        must not be a candidate's own colour decides, against the other basic colours: it is out
        if it is red, not only if it is the reddest. Without a colour the best alone is surely it.
    """
    asked = {phrase.look: (phrase, denied) for phrase, denied in wanted}
    phrases = {
        item.look: (item, denied)
        for phrase, denied in asked.values()
        for item in phrase.alternatives
    }
    if not phrases:
        return {}
    unknown = encoder.unknown_words(BASIC_COLOURS)
    others = [colour for colour in BASIC_COLOURS if colour not in unknown]
    contrasts = {
        look: _contrasts(phrase, others) for look, (phrase, denied) in phrases.items() if denied
    }
    texts = list(
        dict.fromkeys([*phrases, *(text for each in contrasts.values() for text in each)])
    )
    encoded = encoder.encode_texts(texts)
    logits = dict(zip(texts, features.looks_like(encoded), strict=True))
    looks = {}
    for look, (phrase, denied) in phrases.items():
        own = logits[look]
        named = features.by_name(phrase, encoder)
        if features.told_by_name(phrase):
            fits = plausible(named, SURE_ENOUGH)
            looks[look] = Likeness(shares(named, "logits"), fits)
            continue
        matched = own + named
        if caption_match:
            matched = matched + caption_match * agreements(features.named, phrase)
        fits = plausible(matched, min_match)
        if denied and contrasts[look]:
            columns = np.stack([own, *(logits[text] for text in contrasts[look])])
            fits = fits * np.exp(own - columns.max(0)) / np.exp(columns - columns.max(0)).sum(0)
        elif denied:
            fits = fits * np.exp(own - own.max())
        looks[look] = Likeness(shares(own + named, "logits"), fits)
    return {
        look: any_of([looks[item.look] for item in phrase.alternatives])
        for look, (phrase, _) in asked.items()
    }


def _contrasts(phrase: NounPhrase, colours: Sequence[str]) -> tuple[str, ...]:
    """The same look in the other colours; none where it says no or another colour."""
    if len(phrase.colours) != 1 or phrase.colours[0] not in colours:
        return ()
    said = phrase.colours[0]
    words = phrase.look.split()
    return tuple(
        " ".join(other if word == said else word for word in words)
        for other in colours
        if other != said
    )
