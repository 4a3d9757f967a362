# SPDX-License-Identifier: Apache-2.0
"""What a scripted run asks of the networks, counted: a guard of speed that needs no clock."""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils._python_dispatch import TorchDispatchMode

import refseg_ros
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Segmenter
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.methods import crops

WAITS = ("_local_scalar_dense", "is_nonzero", "nonzero", "_unique2")
"""Operations for whose numbers Python waits: on a GPU each is a synchronisation."""
ROOT = f"{Path(refseg_ros.__file__).parent}/"


class Waits(TorchDispatchMode):
    """Counts :data:`WAITS` by the file of ours that asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in WAITS:
            files = [item.filename for item in traceback.extract_stack()]
            ours = [name for name in files if name.startswith(ROOT)]
            self.found[ours[-1].removeprefix(ROOT)] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_preset("tabletop", "cpu")


@pytest.fixture
def asked(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """What the networks were asked for since the test began."""
    counts: Counter[str] = Counter()

    def counting(owner: Any, method: str, name: str) -> None:
        original = getattr(owner, method)

        def counted(self: Any, some: Any) -> Any:
            counts[name] += len(some)
            counts[f"{name}: batches"] += 1
            return original(self, some)

        monkeypatch.setattr(owner, method, counted)

    counting(ClipEncoder, "_encode_crops", "crops")
    counting(ClipEncoder, "_encode_new", "texts")
    counting(Captioner, "_describe", "captions")
    blur = crops.blur
    monkeypatch.setattr(
        crops, "blur", lambda *given: (counts.update({"blurs": 1}), blur(*given))[1]
    )
    encoder = segmenter.proposer._sam.image_encoder  # type: ignore[attr-defined]
    hook = encoder.register_forward_hook(lambda *_: counts.update({"images": 1}))
    segmenter.clip.forget()
    yield counts
    hook.remove()


def test_a_scripted_run_asks_no_more_than_it_must(
    segmenter: Segmenter, asked: Counter[str]
) -> None:
    item = bundled_scenes()[0]
    scene = segmenter.observe(item.frame.rgb)
    count = len(scene.proposals)
    assert asked["images"] == asked["blurs"] == 1
    assert asked["crops"] == asked["captions"] == count  # and not the whole image
    assert asked["crops: batches"] == math.ceil(count / 64)
    assert asked["captions: batches"] == math.ceil(count / 16)
    # Captions and their phrases, each text once.
    phrases = scene.features.kept.phrases  # type: ignore[attr-defined]
    assert asked["texts"] == len({*scene.captions, *(f"a photo of {it}" for it in phrases)})
    assert asked["texts: batches"] == 1
    asked.clear()
    said = [referral.expression for referral in item.referrals[:6]]
    for sentence in said:
        scene.select(sentence)
    assert set(asked) <= {"texts", "texts: batches"}
    assert asked["texts: batches"] <= 3 * len(said)  # looks, landmarks, and what is a thing
    asked.clear()
    for sentence in said:
        scene.select(sentence)
    assert not asked["texts"]
    # The next picture costs its image and its crops, and what was said before no text.
    segmenter.observe(item.frame.rgb)
    assert asked == {
        "images": 1,
        "blurs": 1,
        "crops": count,
        "crops: batches": math.ceil(count / 64),
        "captions": count,
        "captions: batches": math.ceil(count / 16),
    } | {key: 0 for key in ("texts",) if key in asked}


def test_an_image_is_kept_and_not_copied(segmenter: Segmenter) -> None:
    image = bundled_scenes()[0].frame.rgb
    scene = segmenter.observe(image)
    assert scene.image is image
    assert np.shares_memory(scene.measured(None).image, image)
    assert segmenter._levelled(image) is image  # light enough as it is


def test_python_waits_for_numbers_a_few_times_a_stage(segmenter: Segmenter) -> None:
    item = bundled_scenes()[0]
    scene = segmenter.observe(item.frame.rgb)
    with Waits() as waits:
        segmenter.observe(item.frame.rgb)
    found = waits.found
    tokens = 30  # the loop of the captioner asks after each whether all have ended
    assert found.pop("backbones/greedy.py", 0) <= tokens + 2
    # Crops are normalised on the CPU, where asking costs nothing.
    assert found.pop("backbones/clip.py", 0) <= len(scene.proposals)
    assert sum(found.values()) <= 8, found
    with Waits() as waits:
        scene.select(item.referrals[0].expression)
    assert sum(waits.found.values()) <= 2, waits.found
