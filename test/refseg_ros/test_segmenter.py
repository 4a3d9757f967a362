# SPDX-License-Identifier: Apache-2.0
"""The whole method on the bundled models and the bundled rendered scenes."""

from __future__ import annotations

import dataclasses
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refseg_lab.evaluation import mask_iou
from refseg_lab.simulation.bundle import bundled_scenes
from refseg_lab.simulation.expressions import Referral
from refseg_ros import Segmenter, Status
from refseg_ros.backbones.device import Device
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ConfigError, ImageError, WeightsError
from refseg_ros.language import noun_chunks, noun_phrases
from refseg_ros.methods.tas import Captioned, Tas
from refseg_ros.scene import Scene


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_preset("tabletop", device="cpu")


@pytest.fixture(scope="module")
def scene(segmenter: Segmenter) -> Scene:
    return segmenter.observe(bundled_scenes()[0].frame.rgb)


def test_most_objects_of_the_bundled_scenes_are_proposed(segmenter: Segmenter) -> None:
    found = total = 0
    for bundled in bundled_scenes()[:4]:
        proposals = segmenter.observe(bundled.frame.rgb).proposals
        for number in np.unique(bundled.frame.instances)[1:]:
            truth = bundled.frame.instances == number
            if truth.sum() < 400:
                continue
            total += 1
            found += any(mask_iou(mask, truth) >= 0.5 for mask in proposals.masks)
    assert found >= 0.85 * total, f"{found} of {total}"


def test_most_colour_and_category_expressions_hit_their_object(segmenter: Segmenter) -> None:
    hits = total = 0
    for bundled in bundled_scenes()[:4]:
        observed = segmenter.observe(bundled.frame.rgb)
        for referral in bundled.referrals:
            if referral.phenomenon != "colour" or not referral.form.category:
                continue
            truth = bundled.frame.instances == referral.object_index + 1
            selection = observed.select(referral.expression)
            total += 1
            hits += mask_iou(selection.mask, truth) >= 0.5
    assert total >= 8
    assert hits >= 0.85 * total, f"{hits} of {total}"


def test_a_selection_agrees_with_itself(scene: Scene) -> None:
    selection = scene.select(bundled_scenes()[0].referrals[0].expression)
    assert selection.status.has_target
    assert selection.index is not None
    np.testing.assert_array_equal(selection.mask, scene.proposals.masks[selection.index])
    x0, y0, x1, y1 = selection.box.astype(int)
    assert selection.mask[y0:y1, x0:x1].sum() == selection.mask.sum() > 0
    assert 0 <= selection.margin <= selection.candidates[0].score <= 1
    assert 0 < selection.score <= 1
    assert sum(item.score for item in selection.candidates) == pytest.approx(1)
    assert {item.index for item in selection.candidates} == set(range(len(scene.proposals)))
    assert f"\n> {selection.index + 1:>2} " in selection.explain()
    assert selection.reason in selection.explain(200)


def test_selecting_again_gives_the_same_and_changes_nothing(scene: Scene) -> None:
    first, second = (scene.select("the object on the left") for _ in range(2))
    assert first.index == second.index
    assert first.score == second.score


def test_observing_again_gives_the_same(segmenter: Segmenter, scene: Scene) -> None:
    again = segmenter.observe(scene.image)
    np.testing.assert_array_equal(again.proposals.masks, scene.proposals.masks)
    assert again.captions == scene.captions


@pytest.mark.parametrize("text", ["", "   ", "\n", "please", "\u200b"])
def test_an_empty_expression_is_an_error_that_says_so(scene: Scene, text: str) -> None:
    selection = scene.select(text)
    assert selection.status is Status.ERROR
    assert re.search("empty|nothing to look for", selection.reason)
    assert not selection.mask.any()


def test_an_unknown_thing_is_not_found(scene: Scene) -> None:
    selection = scene.select("the helicopter")
    assert selection.status is Status.NOT_FOUND
    assert "helicopter" in selection.reason
    assert selection.warnings == ("the word 'helicopter' is not known to the bundled model",)
    assert not selection.mask.any()


def test_an_unknown_quality_is_warned_of(scene: Scene) -> None:
    item = scene.features.captions[0]
    assert scene.select(item).warnings == ()
    selection = scene.select(item.replace("a ", "the baroque ", 1))
    assert selection.warnings == ("the word 'baroque' is not known to the bundled model",)
    assert "warning: the word 'baroque' is not known" in selection.explain()


def test_threads_may_share_a_segmenter(segmenter: Segmenter, scene: Scene) -> None:
    images = [scene.image, np.ascontiguousarray(scene.image[:, ::-1])]
    with ThreadPoolExecutor(2) as pool:
        plain, mirrored = pool.map(segmenter.observe, images)
    np.testing.assert_array_equal(plain.proposals.masks, scene.proposals.masks)
    assert plain.captions == scene.captions
    assert not np.array_equal(mirrored.proposals.boxes, plain.proposals.boxes)


def test_a_plural_is_matched_as_its_singular_and_one_alone_is_unsure(scene: Scene) -> None:
    # "mugs" as such is a text that the bundled CLIP was never shown.
    referral = next(r for r in bundled_scenes()[0].referrals if r.phenomenon == "category")
    one, several = (
        scene.select(referral.expression),
        scene.select(f"all the {one_word(referral)}s"),
    )
    assert one.index is not None
    assert several.indices == (one.index,)
    assert several.status is Status.AMBIGUOUS
    assert "several" in several.reason


def one_word(referral: Referral) -> str:
    return referral.expression.split()[-1].rstrip("?,.")


def test_a_set_is_the_union_of_its_masks(scene: Scene) -> None:
    selection = scene.select("the two biggest things")
    assert len(selection.indices) == 2
    np.testing.assert_array_equal(
        selection.mask, scene.proposals.masks[list(selection.indices)].any(0)
    )
    assert sum(item.eligible for item in selection.candidates) >= 2


def test_a_colour_after_is_counts_like_one_before_the_noun(scene: Scene) -> None:
    before, after = (scene.select(text) for text in ("the red heart", "the heart that is red"))
    assert before.status is after.status
    assert [item.score for item in before.candidates] == [item.score for item in after.candidates]


def test_the_biggest_thing_is_the_one_of_the_largest_mask(scene: Scene) -> None:
    selection = scene.select("the biggest thing")
    # Of several masks of the largest thing the best outlined one counts, not the largest.
    sizes = scene.layout.sizes
    assert sizes[selection.index] >= 0.9 * sizes.max()


def test_a_size_is_no_part_of_what_a_crop_is_compared_with(scene: Scene) -> None:
    terms = [
        {item.index: item.terms["V"] for item in scene.select(text).candidates}
        for text in ("the red mug", "the biggest red mug")
    ]
    assert terms[0] == terms[1]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=300))
def test_any_text_gives_a_status_with_a_reason(scene: Scene, text: str) -> None:
    selection = scene.select(text)
    assert selection.expression == text
    assert selection.reason
    assert selection.mask.any() == selection.status.has_target


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (480, 640, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_are_answered(
    segmenter: Segmenter, shape: tuple[int, int, int], value: int
) -> None:
    selection = segmenter.observe(np.full(shape, value, np.uint8)).select("the red mug")
    assert selection.status is Status.NOT_FOUND
    assert selection.mask.shape == shape[:2]
    assert not selection.mask.any()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        [[1, 2, 3]],
        None,
    ],
)
def test_what_is_no_image_is_refused(segmenter: Segmenter, image: object) -> None:
    with pytest.raises(ImageError, match="image"):
        segmenter.observe(image)  # type: ignore[arg-type]


def test_without_captions_only_v_is_scored(segmenter: Segmenter) -> None:
    preset = SegmenterConfig.from_preset("tabletop")
    score = dataclasses.replace(preset.score, positive=0.0, negative=0.0)
    decision = dataclasses.replace(preset.decision, caption_match=0.0)
    config = dataclasses.replace(preset, score=score, decision=decision)
    plain = Segmenter.from_config(config, Device.from_name("cpu"))
    selection = plain.observe(bundled_scenes()[0].frame.rgb).select("the mug")
    assert list(selection.candidates[0].terms) == ["V"]
    assert selection.candidates[0].caption == ""


def test_the_paper_preset_says_what_is_missing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFSEG_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"sam_vit_h_4b8939\.pth.*https://"):
        Segmenter.from_preset("paper", device="cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "CPU"])
def test_an_unknown_device_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        Device.from_name(name)


def test_the_description_says_what_it_took(segmenter: Segmenter) -> None:
    assert segmenter.description == (
        "tabletop on cpu (float32), noun chunks by own rules, synonyms by own groups"
    )


def test_distractors_come_from_the_regions_or_from_the_whole_image(segmenter: Segmenter) -> None:
    preset = segmenter.config
    assert preset.score.distractors == "regions"
    image = bundled_scenes()[0].frame.rgb
    by_region = segmenter.observe(image)
    assert by_region.features.caption == ""  # no score needs it
    assert by_region.caption.split()[0] in {"a", "an", "two", "three", "four"}
    assert isinstance(by_region.features.kept, Captioned)
    assert by_region.features.kept.phrases == noun_phrases(", ".join(by_region.captions))
    own = segmenter.matcher
    segmenter.matcher = Tas(dataclasses.replace(preset.score, distractors="caption"))
    try:
        scene = segmenter.observe(image)
    finally:
        segmenter.matcher = own
    assert isinstance(scene.features.kept, Captioned)
    assert scene.features.kept.phrases == noun_chunks(scene.features.caption)
    assert scene.caption == scene.features.caption == by_region.caption


def test_half_precision_selects_the_same_object(segmenter: Segmenter, scene: Scene) -> None:
    # What CUDA is given, run on the CPU: numpy takes no bfloat16, which a generator hands it.
    halved = Segmenter.from_config(segmenter.config, Device(torch.device("cpu"), torch.bfloat16))
    expression = next(
        r for r in bundled_scenes()[0].referrals if r.phenomenon == "colour"
    ).expression
    expected = scene.select(expression).mask
    assert expected.any()
    assert mask_iou(halved.observe(scene.image).select(expression).mask, expected) > 0.9


def test_threads_that_load_at_once_all_get_their_networks() -> None:
    # Loads side by side left torch changed, and every later one of the process failed.
    loaded: list[Segmenter] = []
    threads = [
        threading.Thread(target=lambda: loaded.append(Segmenter.from_preset("tabletop", "cpu")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(loaded) == 3
    assert Segmenter.from_preset("tabletop", "cpu").description == loaded[0].description
