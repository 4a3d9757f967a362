# SPDX-License-Identifier: Apache-2.0
"""Following blocks whose places are known, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_made import Blocks, segmenter
from numpy.typing import NDArray

from refseg_lab.simulation.benchmark import bundled_slice
from refseg_ros import Segmenter
from refseg_ros.config.fields import build
from refseg_ros.errors import ConfigError, ImageError
from refseg_ros.results import Selection, Status, boxes_from_masks
from refseg_ros.scene import Scene
from refseg_ros.tracking import State, Tracked, Tracker, TrackingConfig
from refseg_ros.tracking.motion import (
    corner_points,
    followed,
    grey,
    motion,
    moved,
    shift,
    similarity,
)
from refseg_ros.tracking.outline import fresh, overlap, part_around

Block = tuple[str, tuple[int, int, int, int]]


def observed(*blocks: Block) -> Scene:
    drawn = Blocks(*blocks)
    return segmenter(drawn, "tabletop").observe(drawn.image)


def red(x: int, y: int = 40) -> Block:
    return "red", (x, y, x + 30, y + 24)


def started(scene: Scene, config: TrackingConfig | None = None) -> Tracker:
    tracker = Tracker(config)
    selection = scene.select("the red block")
    assert selection.status is Status.SELECTED
    first = tracker.start(scene, selection)
    assert first.state is State.FOLLOWING
    assert np.array_equal(first.mask, selection.mask)
    return tracker


def where(answer: Tracked) -> list[float]:
    return [float(value) for value in answer.box]


def test_a_block_is_followed_to_the_pixel() -> None:
    blue = ("blue", (150, 10, 180, 34))
    tracker = started(observed(red(20), blue))
    for x in range(23, 60, 3):
        answer = tracker.update(Blocks(red(x), blue).image)
        assert answer.state is State.FOLLOWING, answer.reason
        assert where(answer) == pytest.approx([x, 40, x + 30, 64], abs=1.5)
        assert answer.confidence > 0.6
        assert answer.state.status is Status.SELECTED


def test_without_a_clip_colours_tell_what_it_looks_like() -> None:
    def named(*blocks: Block) -> Scene:
        drawn = Blocks(*blocks)
        given = replace(drawn.proposals, names=tuple("mug" for _ in blocks))
        return Segmenter.from_preset("given", "cpu").observe(drawn.image, proposals=given)

    scene = named(red(20))
    tracker = Tracker()
    tracker.start(scene, scene.select("the mug"))
    answer = tracker.update(Blocks(red(23)).image)
    assert answer.state is State.FOLLOWING, answer.reason
    assert where(answer) == pytest.approx([23, 40, 53, 64], abs=1.5)
    green = Blocks(("green", (23, 40, 53, 64))).image
    for _ in range(TrackingConfig().patience):
        answer = tracker.update(green)
    assert (answer.state, answer.reason) == (State.LOST, "what is there looks different")
    assert not tracker.reobserved(named(("green", (23, 40, 53, 64))))
    tracker.update(Blocks(red(23)).image)
    assert tracker.reobserved(named(red(23)))


def test_what_is_gone_is_lost_and_found_where_it_comes_back() -> None:
    tracker = started(observed(red(20)))
    black = np.zeros((100, 200, 3), np.uint8)
    states = [tracker.update(black).state for _ in range(3)]
    assert states == [State.UNSURE, State.LOST, State.LOST]
    answer = tracker.update(black)
    assert not answer.mask.any()
    assert not answer.box.any()
    assert answer.reobserve
    assert answer.state.status is Status.LOST
    assert answer.reason
    there = observed(red(100, 60))
    assert not tracker.reobserved(observed(("blue", (20, 40, 50, 64))))
    tracker.update(there.image)
    assert tracker.reobserved(there)
    again = tracker.update(there.image)
    assert again.state is State.FOLLOWING
    assert where(again) == pytest.approx([100, 60, 130, 84], abs=1.5)


def test_another_thing_in_its_place_is_not_it() -> None:
    tracker = started(observed(red(20)))
    blue = Blocks(("blue", (20, 40, 50, 64))).image
    assert [tracker.update(blue).state for _ in range(2)] == [State.UNSURE, State.LOST]


def test_which_of_two_alike_came_back_is_left_open() -> None:
    tracker = started(observed(red(20)), TrackingConfig(patience=1))
    assert tracker.update(np.zeros((100, 200, 3), np.uint8)).state is State.LOST
    assert not tracker.reobserved(observed(red(90, 10), red(150, 60)))
    assert tracker.update(Blocks(red(90, 10), red(150, 60)).image).state is State.LOST


def test_a_lost_one_of_two_is_not_taken_for_the_other() -> None:
    drawn = Blocks(red(20), red(120))
    scene = segmenter(drawn, "tabletop").observe(drawn.image)
    tracker = Tracker(TrackingConfig(patience=1))
    tracker.start(scene, scene.select("the red block on the left"))
    assert tracker.update(np.zeros((100, 200, 3), np.uint8)).state is State.LOST
    assert not tracker.reobserved(observed(red(20)))
    assert tracker.reobserved(observed(red(20), red(120)))


def test_an_observation_of_the_past_is_brought_to_the_present() -> None:
    tracker = started(observed(red(20)))
    for x in (24, 28, 32):
        tracker.update(Blocks(red(x)).image)
    assert tracker.reobserved(observed(red(24)), ago=2)
    answer = tracker.update(Blocks(red(36)).image)
    assert where(answer) == pytest.approx([36, 40, 66, 64], abs=1.5)
    assert not tracker.reobserved(observed(red(24)), ago=99)
    with pytest.raises(ValueError, match="ago: -1"):
        tracker.reobserved(observed(red(24)), ago=-1)


def test_an_observation_is_asked_for_after_a_while_and_in_doubt() -> None:
    tracker = started(observed(red(20)), TrackingConfig(period=3))
    image = Blocks(red(20)).image
    assert [tracker.update(image).reobserve for _ in range(4)] == [False, False, True, True]
    assert tracker.reobserved(observed(red(20)))
    assert not tracker.update(image).reobserve
    # What is observed without it is doubted first, and lost if it goes on.
    assert not tracker.reobserved(observed(("blue", (150, 10, 180, 34))))
    assert tracker.update(np.zeros_like(image)).reobserve


def test_leaving_the_picture() -> None:
    tracker = started(observed(red(20)))
    for x in (15, 10, 5, 0, -5, -10, -15, -20):
        answer = tracker.update(Blocks(("red", (max(x, 0), 40, x + 30, 64))).image)
    assert answer.mask.sum() <= 24 * 12
    black = np.zeros((100, 200, 3), np.uint8)
    assert [tracker.update(black).state for _ in range(2)][-1] is State.LOST
    back = observed(red(60, 20))
    tracker.update(back.image)
    assert tracker.reobserved(back)


def test_what_was_hidden_is_seen_again_where_it_was() -> None:
    blue = ("blue", (150, 10, 180, 34))
    tracker = started(observed(red(20), blue), TrackingConfig(patience=1))
    image, hidden = Blocks(red(20), blue).image, Blocks(("green", (10, 30, 60, 74)), blue).image
    assert tracker.update(hidden).state is State.LOST
    back = tracker.update(image)
    assert back.state is State.UNSURE
    assert back.reobserve
    assert where(back) == pytest.approx([20, 40, 50, 64], abs=1.5)
    assert tracker.update(image).state is State.FOLLOWING


@pytest.mark.parametrize("shape", [(100, 100, 3), (100, 200), (100, 200, 4)])
def test_pictures_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    tracker = started(observed(red(20)))
    with pytest.raises(ImageError, match=r"expected \(100, 200, 3\) uint8"):
        tracker.update(np.zeros(shape, np.uint8))
    with pytest.raises(ImageError, match="float64"):
        tracker.update(np.zeros((100, 200, 3)))  # type: ignore[arg-type]


def test_nothing_is_followed_before_the_start() -> None:
    scene = observed(red(20))
    with pytest.raises(ValueError, match="nothing is followed yet"):
        Tracker().update(scene.image)
    with pytest.raises(ValueError, match="nothing is followed yet"):
        Tracker().reobserved(scene)
    with pytest.raises(ValueError, match="one with a target is needed, got ERROR"):
        Tracker().start(scene, scene.select(""))


def test_a_configuration_is_checked() -> None:
    assert build(TrackingConfig, {"period": 0}, "tracking.").period == 0
    with pytest.raises(ConfigError, match=r"tracking\.least: 2\.0 is out of range"):
        build(TrackingConfig, {"least": 2.0}, "tracking.")


def noise(seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (30, 40, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8)).astype(np.uint8)


def test_a_shift_is_measured() -> None:
    image = noise()
    after = np.roll(image, (3, 5), (0, 1))
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[40:80, 50:100] = True
    by = motion(grey(image), grey(after), mask, 60, 1.0)
    assert by is not None
    assert by == pytest.approx(np.array([[1, 0, 5], [0, 1, 3]]), abs=0.1)
    assert overlap(moved(mask, by), np.roll(mask, (3, 5), (0, 1))) > 0.97


def test_a_pattern_is_found_where_no_corners_are() -> None:
    before, after = Blocks(red(60)).image, Blocks(red(90, 20)).image
    mask = before[..., 0] > 0
    by = shift(grey(before), grey(after), mask)
    assert by is not None
    assert by[:, 2] == pytest.approx([30, -20])
    assert shift(grey(before), np.zeros_like(grey(after)), mask) is None
    assert shift(grey(before), grey(noise())[:100, :160], mask[:, :160]) is None


def test_nothing_moves_where_nothing_is_seen() -> None:
    black = np.zeros((60, 80), np.uint8)
    mask = np.ones(black.shape, np.bool_)
    assert motion(black, black, mask, 40, 1.0) is None
    none = corner_points(black, mask, 40)
    assert none.shape == (0, 2)
    assert len(followed(black, black, none, 1.0)[0]) == 0
    assert similarity(none, none, 2) is None


def test_an_outline_comes_to_where_the_colours_change() -> None:
    image = Blocks(red(20)).image
    expected = np.zeros((100, 200), np.bool_)
    expected[42:66, 21:51] = True
    mask, fit = fresh(image, expected, expected, None, 64)
    assert boxes_from_masks(mask[None])[0] == pytest.approx([20, 40, 50, 64], abs=1)
    assert fit == pytest.approx(overlap(mask, expected))


def test_the_bundled_network_follows_through_a_moving_view() -> None:
    picture = bundled_slice()[0].frame.rgb
    tabletop = Segmenter.from_preset("tabletop", "cpu")
    start = np.ascontiguousarray(picture[40:400, 40:520])
    scene = tabletop.observe(start)
    index = int(scene.proposals.areas.argmax())
    none = Selection.none("", Status.SELECTED, "", scene.size)
    tracker = Tracker()
    mask = scene.proposals.masks[index]
    tracker.start(scene, replace(none, index=index, mask=mask))
    for step in range(1, 5):
        view = np.ascontiguousarray(picture[40 + 6 * step :, 40 + 9 * step :][:360, :480])
        answer = tracker.update(view)
        assert answer.state is State.FOLLOWING, answer.reason
    kept = mask[24:, 36:]
    assert overlap(answer.mask[: kept.shape[0], : kept.shape[1]], kept) > 0.8


def test_the_part_about_a_mask_lies_in_the_picture() -> None:
    mask = np.zeros((100, 200), np.bool_)
    mask[90:100, 0:8] = True
    rows, columns = part_around(mask, 64)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (36, 100, 0, 64)
    assert part_around(np.ones((100, 200), np.bool_), 64) == (slice(0, 100), slice(0, 200))
    assert overlap(np.zeros_like(mask), np.zeros_like(mask)) == 0.0
