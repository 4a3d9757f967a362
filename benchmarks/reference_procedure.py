# SPDX-License-Identifier: Apache-2.0
"""The procedure of TAS's released code, and how much faster the package answers: in one run.

:class:`Reference` does what that code does (suoych/TAS at 606bb7f, read and written again in our
words), step by step and in its order, on the bundled networks: segment-anything's own generator
with 8 by 8 points; areas and overlaps of all pairs in loops over whole pictures; the whole picture
blurred anew for each mask; each crop described alone, with five beams; and for each sentence the
picture prepared and encoded once for each mask (the "global" features, which are thrown away),
every crop encoded again, and all captions. The code observes anew for each referred object; a
command to a robot is one, so it is observed anew for each command. What the code reads from files
that were not released, the caption of the whole picture, is made once an observation.

It is not slower than it must be: nothing sleeps, pictures are in memory, one batch holds all
crops, and the masking within the last blocks of the global branch is left out.

Against it are run, taking turns with it on the same pictures and sentences:

* ``paper``: the same procedure by the package, beams and grid and all;
* ``tabletop_paper``: the preset, that is with prompts at seeds and greedy captions;
* ``tabletop``: what ``refseg`` uses unless told otherwise.

Each chosen mask is compared with the reference's; what differs is counted by its reason. Where
less is said of a picture than is asked for, its sentences come again.

Run: ``python benchmarks/reference_procedure.py [--frames 10] [--expressions 10] [--threads 2]``
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from refseg_lab.evaluation.runner import threads
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_lab.evaluation.timing import THREADS, cores, machine
from refseg_ros import Segmenter
from refseg_ros.backbones import torchvision_compat
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.device import Device
from refseg_ros.backbones.sam import load_sam
from refseg_ros.config import ProposalConfig, SegmenterConfig
from refseg_ros.language.tas.tools import LanguageTools
from refseg_ros.language.tokens import plain
from refseg_ros.spatial.rectifier import rectify_released
from refseg_ros.weights import resolve

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
SAME, ALIKE = 0.99, 0.5
"""IoU from which two masks are the same, and from which they are masks of one thing."""


def paper() -> SegmenterConfig:
    """The published procedure on the bundled networks, by the fast ways of the package."""
    config = SegmenterConfig.from_preset("tabletop_paper")
    proposals = replace(config.proposals, prompts="grid", generator="own")
    captions = replace(config.captions, num_beams=5)
    return replace(config, name="paper", proposals=proposals, captions=captions)


@dataclass
class Observed:
    """What the released code has of a referred object before it reads the sentence."""

    image: Image
    masks: list[Mask]
    crops: list[Image]
    captions: list[str]
    caption: str
    centres: list[tuple[int, int]]


class Reference:
    """The released procedure; its parts are in the order in which it runs them."""

    def __init__(
        self,
        generator: Any,
        clip: ClipEncoder,
        captioner: Captioner,
        language: LanguageTools,
        overlap: float,
        device: Device | None = None,
    ) -> None:
        """Put loaded parts together.

        Args:
            generator: With segment-anything's ``generate``.
            clip: Which remembers no texts.
            captioner: Of the released settings.
            language: Noun chunks, synonyms and entities.
            overlap: Share of the smaller of two masks from which it goes.
            device: In whose precision captions are made, as BLIP-2 was released in half; float32
                without one.
        """
        self._generator, self._clip, self._captioner = generator, clip, captioner
        self._language, self._overlap = language, overlap
        self._precision = device.precision if device else contextlib.nullcontext

    @classmethod
    def load(cls, config: SegmenterConfig) -> Reference:
        """Load the networks of a configuration, on the CPU."""
        device, found, options = torch.device("cpu"), config.proposals, config.captions
        sam = load_sam(str(resolve(found.architecture)), resolve(found.checkpoint), device)
        return cls(
            generator_of(sam, found),
            ClipEncoder.load(resolve(config.clip.model), device=device, remembered=0),
            Captioner.load(
                resolve(options.model),
                device=device,
                max_new_tokens=options.max_new_tokens,
                num_beams=options.num_beams,
                batch_size=1,
            ),
            LanguageTools.load(config.language),
            found.overlap,
        )

    def observe(self, image: Image) -> Observed:
        """What is done for each referred object."""
        with torch.inference_mode():
            records = self._generator.generate(image)
            records = without_overlaps(records, self._overlap)
            masks = [record["segmentation"] for record in records]
            boxes = [[int(value) for value in record["bbox"]] for record in records]
            crops = [
                padded(cropped(image * mask[..., None], box))
                for mask, box in zip(masks, boxes, strict=True)
            ]
            captions = []
            for mask, box in zip(masks, boxes, strict=True):
                behind = cv2.GaussianBlur(image, (75, 75), 0)
                blended = np.where(mask[..., None], image, behind)
                captions += self._described(padded(cropped(blended, box)))
            (caption,) = self._described(image)
        centres = [tuple(int(places.mean()) for places in np.nonzero(mask)) for mask in masks]
        return Observed(image, masks, crops, captions, caption, centres)  # type: ignore[arg-type]

    def _described(self, image: Image) -> list[str]:
        with self._precision():
            return self._captioner.caption([image])

    def choose(self, seen: Observed, sentence: str) -> Mask | None:
        """What is done for each sentence: the chosen mask; None if there is no candidate."""
        if not seen.masks:
            return None
        clip, text = self._clip, plain(sentence)
        phrases = self._distractors(seen.caption, sentence)
        with torch.inference_mode():
            clip.encode_images([seen.image] * len(seen.masks))  # never looked at
            meant = clip.encode_texts([text])[0]
            regions = clip.encode_images(seen.crops)
            match = clip.logit_scale * regions @ meant
            captions = clip.encode_texts(seen.captions)
            described = clip.logit_scale * captions @ clip.encode_texts([text])[0]
            against = torch.zeros(len(seen.masks))
            if phrases:
                others = clip.encode_texts([f"a photo of {phrase}" for phrase in phrases])
                against = (clip.logit_scale * regions @ others.T).mean(1)
        total = (match + 0.1 * described - 0.7 * against).double().numpy()
        span = total.max() - total.min()
        stretched = (total - total.min()) / span if span > 0 else np.zeros(len(total))
        weights = np.exp(stretched) / np.exp(stretched).sum()
        choice = rectify_released(weights, seen.centres, self._language.entity(sentence))
        return None if choice.index is None else seen.masks[choice.index]

    def _distractors(self, caption: str, sentence: str) -> list[str]:
        target = self._language.head_phrase(sentence)
        chunks = self._language.parser.noun_chunks(caption)
        return [chunk for chunk in chunks if not self._language.synonyms(chunk, target)]


def generator_of(sam: Any, config: ProposalConfig) -> Any:
    """segment-anything's own generator with the released settings."""
    torchvision_compat.ensure()
    from segment_anything import SamAutomaticMaskGenerator

    return SamAutomaticMaskGenerator(
        sam,
        points_per_side=config.points_per_side,
        pred_iou_thresh=config.pred_iou_thresh,
        stability_score_thresh=config.stability_score_thresh,
        min_mask_region_area=config.fill_area,
    )


def without_overlaps(records: list[dict[str, Any]], most: float) -> list[dict[str, Any]]:
    """Records of at least 2000 pixels; of two that share much the smaller one goes."""
    large = [record for record in records if record["segmentation"].sum() >= 2000]
    gone = set()
    for one, other in itertools.combinations(range(len(large)), 2):
        mine, its = large[one]["segmentation"], large[other]["segmentation"]
        shared = np.logical_and(mine, its).sum()
        if shared / min(mine.sum(), its.sum()) > most:
            gone.add(one if mine.sum() < its.sum() else other)
    return [record for number, record in enumerate(large) if number not in gone]


def cropped(image: Image, box: Sequence[int]) -> Image:
    """The part of an image in a box x, y, width, height, at least one pixel of it."""
    x, y, width, height = box
    return image[y : y + max(1, height), x : x + max(1, width)]


def padded(image: Image) -> Image:
    """An image with black on both sides of the shorter side."""
    height, width = image.shape[:2]
    across, down = max(0, height - width) // 2, max(0, width - height) // 2
    return np.pad(image, ((down, down), (across, across), (0, 0)))


@dataclass
class Tally:
    """What was measured of one contender; seconds of each frame."""

    first: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)


def by_reference(
    reference: Reference, image: Image, sentences: Sequence[str], tally: Tally
) -> tuple[list[Mask | None], Observed]:
    """Answer as the released code does, observing anew for each sentence."""
    looks, answers, chosen = [], [], []
    for sentence in sentences:
        began = time.perf_counter()
        seen = reference.observe(image)
        looked = time.perf_counter()
        chosen.append(reference.choose(seen, sentence))
        looks.append(looked - began)
        answers.append(time.perf_counter() - looked)
    tally.first.append(looks[0] + answers[0])
    tally.second += [look + answer for look, answer in zip(looks, answers, strict=True)][1:]
    tally.all.append(sum(looks) + sum(answers))
    # Had all sentences been of one referred object, the code would have observed it once.
    tally.kept.append(looks[0] + sum(answers))
    return chosen, seen


def by_package(
    segmenter: Segmenter, image: Image, sentences: Sequence[str], tally: Tally
) -> tuple[list[Mask | None], list[Mask], list[str]]:
    """Answer by observing once, of texts nothing remembered from other pictures."""
    segmenter.clip.forget()
    began = time.perf_counter()
    scene = segmenter.observe(image)
    selections = [scene.select(sentences[0])]
    tally.first.append(time.perf_counter() - began)
    for sentence in sentences[1:]:
        before = time.perf_counter()
        selections.append(scene.select(sentence))
        tally.second.append(time.perf_counter() - before)
    tally.all.append(time.perf_counter() - began)
    tally.kept.append(tally.all[-1])
    masks = [item.mask if item.status.has_target else None for item in selections]
    return masks, list(scene.proposals.masks), list(scene.captions)


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union of two masks that are not both empty."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def verdict(theirs: Mask | None, ours: Mask | None, seen: Observed, candidates: list[Mask]) -> str:
    """Whether two answers are the same, and if not why."""
    if theirs is None or ours is None:
        return "same" if theirs is ours else "refused"
    overlap = iou(theirs, ours)
    if overlap >= SAME:
        return "same"
    if overlap >= ALIKE:
        return "other outline"
    found = any(iou(theirs, mask) >= ALIKE for mask in candidates)
    rivals = any(iou(ours, mask) >= ALIKE for mask in seen.masks)
    if not (found and rivals):
        return "other candidates"
    return "other choice"


REASONS = ("same", "other outline", "other candidates", "other choice", "refused")


def main(arguments: list[str] | None = None) -> None:
    """The command ``python benchmarks/reference_procedure.py``."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--frames", type=int, default=10, help="pictures that are timed")
    made.add_argument("--expressions", type=int, default=10, help="sentences of each")
    made.add_argument("--threads", type=int, default=min(THREADS, cores()), help="of torch")
    made.add_argument("--json", type=Path, help="write all seconds here")
    options = made.parse_args(arguments)
    for name in ("frames", "expressions", "threads"):
        if getattr(options, name) < 1:
            made.error(f"--{name}: {getattr(options, name)} is less than 1")
    load = os.getloadavg()[0]
    reference = Reference.load(paper())
    device = Device.from_name("cpu")
    ours = {
        config.name: Segmenter.from_config(config, device)
        for config in (paper(), *map(SegmenterConfig.from_preset, ("tabletop_paper", "tabletop")))
    }
    tallies = {name: Tally() for name in ("reference", *ours)}
    samples = [sample for sample in TabletopSource().open() if sample.questions]
    with threads(options.threads):
        for number in range(-1, options.frames):
            sample = samples[(number + 1) % len(samples)]
            sentences = [question.expression for question in sample.questions]
            wanted = list(itertools.islice(itertools.cycle(sentences), options.expressions))
            if number < 0:  # first calls allocate and import
                compare(reference, ours, sample.image, wanted[:1], {n: Tally() for n in tallies})
                continue
            compare(reference, ours, sample.image, wanted, tallies)
            print(f"{number + 1} of {options.frames}", end="\r", file=sys.stderr, flush=True)
    report(tallies, options, f"{machine()}; {options.threads} threads; load {load:.1f} before")


def compare(
    reference: Reference,
    ours: dict[str, Segmenter],
    image: Image,
    sentences: Sequence[str],
    tallies: dict[str, Tally],
) -> None:
    """One picture by all of them, the package before and after the reference by turns."""
    chosen, seen = by_reference(reference, image, sentences, tallies["reference"])
    for name, segmenter in ours.items():
        masks, candidates, _ = by_package(segmenter, image, sentences, tallies[name])
        for theirs, mine in zip(chosen, masks, strict=True):
            tallies[name].verdicts[verdict(theirs, mine, seen, candidates)] += 1


def report(tallies: dict[str, Tally], options: argparse.Namespace, where: str) -> None:
    """Print medians, ratios and agreement; write everything as JSON if asked to."""
    count = options.expressions
    table = Table("", box=None, header_style="bold")
    rows = ("first", "all", "kept", "second")
    heads = ("first answer", f"{count} commands", f"{count}, observed once", "a further one")
    for head in heads:
        table.add_column(f"{head} ms", justify="right", no_wrap=True)
        table.add_column("×", justify="right", no_wrap=True)
    base = tallies["reference"]
    for name, tally in tallies.items():
        cells = [name]
        for row in rows:
            seconds, theirs = getattr(tally, row), getattr(base, row)
            if not seconds:  # one expression has no further one
                cells += ["", ""]
                continue
            cells.append(_spread(seconds))
            ratio = statistics.median(theirs) / statistics.median(seconds)
            cells.append("" if tally is base else f"{ratio:.1f}")
        table.add_row(*cells)
    agreement = Table("answers beside the reference's", *REASONS, box=None, header_style="bold")
    for name, tally in tallies.items():
        if tally is not base:
            agreement.add_row(name, *(str(tally.verdicts[reason]) for reason in REASONS))
    console = Console(highlight=False, width=160)
    console.print(table)
    console.print(agreement)
    console.print(f"medians (10 % to 90 %) of {options.frames} frames; {where}")
    if options.json:
        values = {
            name: {**{row: getattr(tally, row) for row in rows}, "answers": dict(tally.verdicts)}
            for name, tally in tallies.items()
        }
        options.json.write_text(json.dumps({"where": where, **values}, indent=1) + "\n", "utf-8")


def _spread(seconds: Sequence[float]) -> str:
    low, middle, high = 1e3 * np.quantile(seconds, (0.1, 0.5, 0.9))
    digits = 0 if middle >= 100 else 1
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


if __name__ == "__main__":
    main()
