# SPDX-License-Identifier: Apache-2.0
"""Chooses weights, temperature and thresholds of the tabletop preset on validation scenes.

Observes scenes once, then answers the expressions that a benchmark would ask of them: as the
preset stands, and under other settings, one row each: share of expressions with IoU >= 0.5 by
group of phenomena, and how well the V logit tells present from absent things. Then the temperature
at which the shares of the matcher are probabilities. The preset is edited by hand from what this
prints; `refseg eval tabletop --split val --curve` moves its threshold.

    python -m refseg_lab.training.calibrate --data build/data/val --scenes 60
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from refseg_lab.evaluation import mask_iou, mask_ious
from refseg_lab.evaluation.calibration import BINS, calibration_error
from refseg_lab.simulation import Frame, SceneSpec
from refseg_lab.simulation.expressions import PHENOMENA, benchmark_referrals
from refseg_lab.training.confidence import best_line
from refseg_lab.training.temperature import best_temperature, mean_nll, shares_at
from refseg_ros import Segmenter
from refseg_ros.decision.choice import confidence
from refseg_ros.language import parse
from refseg_ros.methods.tas import Tas
from refseg_ros.results import Status
from refseg_ros.scene import Scene

ABSENT = "absent"
GROUPS = {
    "look": ("category", "colour"),
    "size": ("size",),
    "place": ("position", "ordinal", "superlative"),
    "relation": ("relation", "relation_3d", "between", "containment"),
    "other": ("negation", "plural"),
}
"""Phenomena that share a column."""


@dataclass(frozen=True)
class Case:
    """One expression with what is true of it.

    Attributes:
        scene: The observed scene.
        text: The expression.
        kind: Its phenomenon.
        truth: (H, W) bool; all false when nothing is meant.
    """

    scene: Scene
    text: str
    kind: str
    truth: NDArray[np.bool_]


def load_cases(segmenter: Segmenter, data: Path, count: int) -> list[Case]:
    """Observe scenes of a data set and list their expressions."""
    images = np.load(data / "images.npy", mmap_mode="r")
    instances = np.load(data / "instances.npy", mmap_mode="r")
    cases = []
    with (data / "scenes.jsonl").open(encoding="utf-8") as lines:
        for index, line in track(itertools.islice(enumerate(lines), count), total=count):
            record = json.loads(line)
            scene = segmenter.observe(np.array(images[index]))
            spec = SceneSpec.from_json(json.dumps(record["spec"]))
            frame = Frame(
                rgb=scene.image,
                depth=np.full(scene.size, np.nan, np.float32),
                instances=np.array(instances[index]),
                intrinsics=np.array(record["intrinsics"]),
                camera_pose=spec.camera.pose(),
                full_areas=tuple(record["full_areas"]),
            )
            cases += [
                Case(
                    scene,
                    referral.expression,
                    referral.phenomenon,
                    np.isin(frame.instances, [target + 1 for target in referral.targets]),
                )
                for referral in benchmark_referrals(spec, frame, "val")
            ]
    return cases


def answer_cases(
    segmenter: Segmenter, cases: list[Case]
) -> dict[str, list[tuple[bool, float, float]]]:
    """Answer all cases: kind to (hit, V logit of the best, margin)."""
    rows: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for case in cases:
        selection = dataclasses.replace(case.scene, models=segmenter).select(case.text)
        if not selection.candidates:
            rows[case.kind].append((not case.truth.any(), -99.0, 0.0))
            continue
        hit = mask_iou(selection.mask, case.truth) >= 0.5
        match = float(selection.candidates[0].terms["V"])
        rows[case.kind].append((hit, match, selection.margin))
    return rows


def best_threshold(
    present: NDArray[np.float64], absent: NDArray[np.float64]
) -> tuple[float, float, float]:
    """The threshold with the best mean of (present kept, absent refused), and both shares."""
    grid = np.unique(np.concatenate([present, absent]))
    kept = np.array([(present >= value).mean() for value in grid])
    refused = np.array([(absent < value).mean() for value in grid])
    index = int(np.argmax(kept + refused))
    return float(grid[index]), float(kept[index]), float(refused[index])


def _share(rows: Mapping[str, list[tuple[bool, float, float]]], kinds: Iterable[str]) -> str:
    """Share of hits among expressions of some phenomena; a dash if there are none."""
    hits = [hit for kind in kinds for hit, _, _ in rows.get(kind, ())]
    return f"{np.mean(hits):.3f}" if hits else "–"


def settings_table(segmenter: Segmenter, cases: list[Case]) -> Table:
    """Hits under several score weights, and the V threshold that would be best with each."""
    preset = segmenter.config
    decision = dataclasses.replace(preset.decision, min_match=-np.inf, min_margin=0.0)
    table = Table("P", "N", "text", "absolute", *GROUPS, "all", "V threshold", "kept", "refused")
    for positive, negative, text, absolute in (
        *itertools.product((0.0, 0.1, 0.3), (0.0, 0.1, 0.3), ("phrase",), ("extreme",)),
        (0.1, 0.1, "sentence", "extreme"),
        (0.1, 0.1, "phrase", "rectifier"),
    ):
        score = dataclasses.replace(preset.score, positive=positive, negative=negative, text=text)
        spatial = dataclasses.replace(preset.spatial, absolute=absolute)
        config = dataclasses.replace(preset, score=score, spatial=spatial, decision=decision)
        segmenter.config, segmenter.matcher = config, Tas(score)
        rows = answer_cases(segmenter, cases)
        hits = [_share(rows, kinds) for kinds in GROUPS.values()]
        everything = _share(rows, [kind for kind in PHENOMENA if kind != ABSENT])
        simple = [row for kind in GROUPS["look"] for row in rows[kind] if row[0]]
        present = np.array([match for _, match, _ in simple])
        absent = np.array([row[1] for row in rows[ABSENT]])
        limits = (f"{value:.3f}" for value in best_threshold(present, absent))
        table.add_row(f"{positive:g}", f"{negative:g}", text, absolute, *hits, everything, *limits)
    segmenter.config, segmenter.matcher = preset, Tas(preset.score)
    return table


def look_cases(
    segmenter: Segmenter, cases: Iterable[Case]
) -> list[tuple[NDArray[np.float64], int]]:
    """Logits of the candidates, and the true one, of sentences that looks alone decide.

    Several masks of the true thing are one candidate, the best of them, as they are no rivals of
    one another. Sentences whose target no proposal covers with IoU >= 0.5 are left out: none of
    the candidates is the true one.
    """
    found = []
    for case in cases:
        if case.kind not in GROUPS["look"] or not len(case.scene.proposals):
            continue
        right = mask_ious(case.scene.proposals.masks, case.truth) >= 0.5
        if not right.any():
            continue
        with torch.inference_mode():
            features, expression = case.scene.features, parse(case.text)
            total = segmenter.matcher.score(features, expression, segmenter.clip).total
        found.append((np.append(total[~right], total[right].max()), int((~right).sum())))
    return found


def temperature_table(cases: list[tuple[NDArray[np.float64], int]]) -> Table:
    """How good probabilities the shares are, as logits are and over the best temperature."""
    table = Table("temperature", "NLL", "ECE", "mean share of the first", "first is right", "n")
    for name, temperature in (("1", 1.0), ("best", best_temperature(cases))):
        shares = [(shares_at(logits, temperature), truth) for logits, truth in cases]
        first = np.array([item.max() for item, _ in shares])
        right = np.array([float(item.argmax() == truth) for item, truth in shares])
        error = calibration_error(first, right, np.linspace(0.0, 1.0, BINS + 1))
        table.add_row(
            name if temperature == 1 else f"{temperature:.3f} ({name})",
            *(f"{value:.4f}" for value in (mean_nll(cases, temperature), error)),
            *(f"{value:.3f}" for value in (first.mean(), right.mean())),
            str(len(cases)),
        )
    return table


def confidence_table(segmenter: Segmenter, cases: list[Case]) -> Table:
    """The line that makes the score of an answer a probability, and what it mends."""
    plain = dataclasses.replace(segmenter.config.decision, score_slope=1.0, score_offset=0.0)
    segmenter.config = dataclasses.replace(preset := segmenter.config, decision=plain)
    shares, right = [], []
    for case in cases:
        selection = case.scene.select(case.text)
        if case.kind not in (ABSENT, "plural") and selection.status.has_target:
            shares.append(selection.score)
            right.append(mask_iou(selection.mask, case.truth) >= 0.5)
    segmenter.config = preset
    table = Table("score_slope", "score_offset", "ECE", "Brier", "n")
    told = np.array(right)
    lines = [(1.0, 0.0), (preset.decision.score_slope, preset.decision.score_offset)]
    if told.any() and not told.all():
        lines.append(best_line(np.array(shares), told))
    for slope, offset in lines:
        decision = dataclasses.replace(plain, score_slope=slope, score_offset=offset)
        scores = np.array([confidence(share, decision) for share in shares])
        error = calibration_error(scores, told.astype(float), np.linspace(0.0, 1.0, BINS + 1))
        brier = float(np.mean((scores - told) ** 2))
        table.add_row(
            f"{slope:.3f}", f"{offset:.3f}", f"{error:.4f}", f"{brier:.4f}", str(len(told))
        )
    return table


def preset_table(segmenter: Segmenter, cases: list[Case]) -> Table:
    """The preset as it is: share of right answers by kind; of what is absent, of refusals."""
    table = Table("expression", "n", "right", "what counts")
    right: dict[str, list[bool]] = defaultdict(list)
    for case in cases:
        selection = case.scene.select(case.text)
        if case.kind == ABSENT:
            right[case.kind].append(selection.status is Status.NOT_FOUND)
        else:
            right[case.kind].append(mask_iou(selection.mask, case.truth) >= 0.5)
    for kind in (name for name in PHENOMENA if name in right):
        counts = "NOT_FOUND" if kind == ABSENT else "IoU >= 0.5"
        table.add_row(kind, str(len(right[kind])), f"{np.mean(right[kind]):.3f}", counts)
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path("build/data/val"), help="folder of scenes"
    )
    parser.add_argument("--scenes", type=int, default=60, help="number of scenes")
    parser.add_argument("--only-preset", action="store_true", help="only the preset as it is")
    options = parser.parse_args()
    segmenter = Segmenter.from_preset("tabletop", "cpu")
    cases = load_cases(segmenter, options.data, options.scenes)
    console = Console(width=150)
    console.print(preset_table(segmenter, cases))
    console.print(confidence_table(segmenter, cases))
    if not options.only_preset:
        console.print(settings_table(segmenter, cases))
    looks = look_cases(segmenter, cases)
    if looks:
        console.print(temperature_table(looks))


if __name__ == "__main__":
    main()
