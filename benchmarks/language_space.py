#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far language and space alone reach: true masks and names as candidates, no networks.

Expressions of RefTabletop are parsed and placed as by the ``tabletop`` preset; only how the
candidates look beside a phrase comes from their true categories and colours. What is wrong here no
better network could mend. Instance masks come from the integer rasteriser, so nothing is rendered.

    python benchmarks/language_space.py --split val --scenes 60
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from refseg_lab.simulation.benchmark import SIZE
from refseg_lab.simulation.counts import unlit_frame
from refseg_lab.simulation.expressions import PHENOMENA, Referral, benchmark_referrals
from refseg_lab.simulation.sampling import sample_scene
from refseg_lab.simulation.scene import ObjectSpec
from refseg_lab.simulation.splits import SPLITS, get_split
from refseg_lab.simulation.thing_names import COLOUR_NAMES, NAMES
from refseg_ros.config import SegmenterConfig
from refseg_ros.language import parse
from refseg_ros.language.expression import NounPhrase
from refseg_ros.language.usable import has_look, looks_of
from refseg_ros.results import Proposals
from refseg_ros.spatial import Layout, place
from refseg_ros.spatial.likeness import Likeness

SMALLEST = 60
"""Pixels below which an object is no candidate."""
_CATEGORY_LOGITS, _COLOUR_LOGITS = 8.0, 6.0
HEADS = {name.split()[-1]: category for category, names in NAMES.items() for name in names}
"""Head noun to category."""
COLOURS = {name: colour for colour, names in COLOUR_NAMES.items() for name in names}


def true_look(phrase: NounPhrase, objects: Sequence[ObjectSpec]) -> Likeness:
    """How objects look beside a phrase, by their true categories and colours."""
    head = HEADS.get(phrase.head, phrase.head)
    wanted = {COLOURS.get(word, word) for word in phrase.colours}
    kind = np.array([not head or item.category == head for item in objects], np.float64)
    hue = np.array([not wanted or wanted == {item.colour} for item in objects], np.float64)
    shares = np.exp(_CATEGORY_LOGITS * (kind - 1) + _COLOUR_LOGITS * (hue - 1))
    return Likeness(shares / shares.sum(), kind * hue)


def answer(
    text: str, objects: Sequence[ObjectSpec], layout: Layout, config: SegmenterConfig
) -> tuple[tuple[int, ...], str]:
    """Rows of the candidates that a sentence means, and why; none where nothing is meant."""
    expression = parse(text)
    phrase = expression.target
    if expression.is_empty:
        return (), "empty"
    looks = {item.look: true_look(item, objects) for item, _ in looks_of(phrase, HEADS)}
    target = true_look(phrase, objects)
    spatial = config.spatial
    found = place(target, expression, looks, layout, spatial.absolute, spatial.closeness)
    if has_look(phrase) and target.fits[found.index] < 0.5:
        return (), "nothing looks like it"
    if found.missing or found.truth < config.decision.min_truth:
        return (), f"holds to {found.truth:.2f}, missing {found.missing}; {found.reason}"
    return tuple(sorted(found.chosen)), found.reason


def scenes(
    split: str, count: int
) -> Iterator[tuple[int, list[ObjectSpec], list[int], Layout, list[Referral]]]:
    """Seed, candidates, their indices among the objects, layout and expressions of scenes."""
    chosen = get_split(split)
    for seed in chosen.seeds()[:count]:
        spec = sample_scene(seed, chosen.profile)
        frame = unlit_frame(spec, *SIZE)
        areas = frame.areas(len(spec.objects))
        rows = [index for index, area in enumerate(areas) if area >= SMALLEST]
        if not rows:
            continue
        masks = np.stack([frame.instances == index + 1 for index in rows])
        layout = Layout(Proposals(masks, np.ones(len(rows), np.float32)))
        referrals = benchmark_referrals(spec, frame, split)
        yield seed, [spec.objects[index] for index in rows], rows, layout, referrals


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the share right of each phenomenon, then what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--split", default="val", choices=sorted(SPLITS))
    parser.add_argument("--scenes", type=int, default=60, help="so many, the first ones")
    parser.add_argument("--failures", type=int, default=40, help="so many are printed")
    options = parser.parse_args(arguments)
    if options.scenes < 1:
        parser.error(f"--scenes: {options.scenes} is less than 1")
    config = SegmenterConfig.from_preset("tabletop")
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    failures, seconds = [], []
    for seed, objects, rows, layout, referrals in scenes(options.split, options.scenes):
        for referral in referrals:
            before = time.perf_counter()
            found, why = answer(referral.expression, objects, layout, config)
            seconds.append(time.perf_counter() - before)
            meant = tuple(sorted(rows[row] for row in found))
            asked[referral.phenomenon] += 1
            right[referral.phenomenon] += meant == referral.targets
            if meant != referral.targets:
                failures.append((seed, referral, meant, why))
    for name in PHENOMENA:
        if asked[name]:
            share = right[name] / asked[name]
            print(f"{name:<12} {right[name]:>5} of {asked[name]:>5}  {share:7.1%}")
    single = [name for name in asked if name != "plural"]
    total, hits = sum(asked[name] for name in single), sum(right[name] for name in single)
    print(f"{'non-plural':<12} {hits:>5} of {total:>5}  {hits / max(total, 1):7.1%}")
    print(f"{1e3 * float(np.median(seconds)):.2f} ms an expression (median)")
    for seed, referral, meant, why in failures[: options.failures]:
        print(f"{seed} {referral.phenomenon}: {referral.expression!r}")
        print(f"    chose {meant}, meant {referral.targets}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
