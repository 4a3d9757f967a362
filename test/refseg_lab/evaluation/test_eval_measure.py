# SPDX-License-Identifier: Apache-2.0
"""Answers, oracle, chance and what was the limit, on a picture worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from eval_bench import LOWER, MASKS, OBJECTS, QUESTIONS, SIZE, STRIP, UPPER, ByWord, Hand
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from refseg_lab.evaluation import mean_iou, overall_iou, precision_at
from refseg_lab.evaluation.measure import (
    chance,
    filled_box,
    judge_selection,
    least_area,
    measure_scene,
    oracle_iou,
)
from refseg_lab.evaluation.metrics import THRESHOLDS
from refseg_lab.evaluation.records import Question, Sample, SceneResult
from refseg_lab.evaluation.runner import run_samples, threads
from refseg_lab.evaluation.summary import TOTAL, summarise
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_lab.evaluation.timing import DIFFUSION, bundled_bytes, machine, time_first_answers
from refseg_ros.errors import RefsegError
from refseg_ros.recordings.observed import packed_mask, unpacked_mask
from refseg_ros.results import Proposals, Selection, Status

PROPOSALS = Proposals(MASKS, np.ones(3, np.float32))


@pytest.fixture(scope="module")
def result() -> SceneResult:
    return measure_scene(ByWord(), Hand().open()[0])


def test_each_answer_is_judged_by_its_mask(result: SceneResult) -> None:
    pixels = [(answer.intersection, answer.union) for answer in result.answers]
    assert pixels[:6] == [(90, 110), (50, 100), (0, 104), (0, 100), (0, 150), (90, 210)]
    ious = [answer.iou for answer in result.answers]
    assert ious == pytest.approx([9 / 11, 0.5, 0, 0, 0, 3 / 7, None, None])
    rights = [answer.right for answer in result.answers]
    assert rights == [True, True, False, False, False, False, True, False]


def test_the_limit_names_the_part_that_failed(result: SceneResult) -> None:
    # The union of the best proposals of both, 140 of 210 pixels, would have been right.
    assert [answer.limit for answer in result.answers] == [
        "",
        "",
        "wrong proposal",
        "refused",
        "no proposal",
        "wrong proposal",
        "",
        "false accept",
    ]


def test_of_boxes_the_box_of_each_chosen_mask_is_compared() -> None:
    shape = (20, 30)
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[2:8, 2], first[7, 2:8] = True, True  # an L: its box is 6 × 6
    second[10:14, 20:26] = True
    truth = np.stack([filled_box(first), second])
    proposals = Proposals(np.stack([first, second]), np.ones(2, np.float32))
    question = Question("both", (0, 1), "target")
    image = np.zeros((*shape, 3), np.uint8)
    for boxes, iou in ((True, 1.0), (False, (11 + 24) / 60)):
        sample = Sample("a", image, truth, (question,), boxes=boxes)
        selection = Selection(
            "both", Status.SELECTED, "", first | second, np.zeros(4, np.float32), 1.0, 1.0, None,
            (), {}, indices=(0, 1),
        )  # fmt: skip
        answer = judge_selection(sample, question, proposals, selection)
        assert (answer.iou, answer.oracle) == pytest.approx((iou, iou))
    assert not filled_box(np.zeros(shape, bool)).any()


def test_the_oracle_takes_the_best_proposal_of_each_target() -> None:
    assert oracle_iou(PROPOSALS, UPPER[None]) == pytest.approx(9 / 11)
    assert oracle_iou(PROPOSALS, LOWER[None]) == 0.5
    assert oracle_iou(PROPOSALS, OBJECTS[:2]) == pytest.approx(140 / 210)
    assert oracle_iou(PROPOSALS, OBJECTS[:0]) == 0.0
    assert oracle_iou(Proposals.empty(*SIZE), UPPER[None]) == 0.0


def test_chance_is_the_mean_over_the_proposals() -> None:
    hit, iou = chance(PROPOSALS, UPPER)
    assert (hit, iou) == pytest.approx((1 / 3, (9 / 11) / 3))
    hit, iou = chance(PROPOSALS, LOWER)  # IoU of one half counts
    assert (hit, iou) == pytest.approx((1 / 3, 0.5 / 3))
    assert chance(Proposals.empty(*SIZE), UPPER) == (0.0, 0.0)


def test_every_large_object_gets_its_best_proposal(result: SceneResult) -> None:
    assert result.best == pytest.approx((9 / 11, 0.5, 0.0))
    assert result.proposals == 3


def test_what_is_large_scales_with_the_picture() -> None:
    assert least_area(480, 640) == 200
    assert least_area(240, 320) == 50
    objects = np.zeros((2, 480, 640), bool)
    objects[0].flat[:199] = True
    objects[1].flat[:200] = True
    sample = Sample("large", np.full((480, 640, 3), 9, np.uint8), objects, ())
    assert len(measure_scene(_NoProposals(), sample).best) == 1


class _NoProposals:
    description = "nothing"
    seen: tuple[object, ...] = ()

    def observe(self, image: np.ndarray, *depth: object) -> _NoProposals:
        self.seen = depth
        return self

    proposals = Proposals.empty(480, 640)


def test_depth_is_shown_if_the_sample_offers_it() -> None:
    image, observer = np.full((480, 640, 3), 9, np.uint8), _NoProposals()
    measure_scene(observer, Sample("plain", image, np.zeros((0, 480, 640), bool), ()))
    assert observer.seen == ()
    depth, matrix = np.ones((480, 640), np.float32), np.eye(3)
    sample = Sample(
        "deep", image, np.zeros((0, 480, 640), bool), (), depth=depth, intrinsics=matrix
    )
    measure_scene(observer, sample)
    assert observer.seen[0] is depth
    assert observer.seen[1] is matrix


def test_the_bundled_scenes_offer_depth_only_if_asked() -> None:
    assert TabletopSource(scenes=1).open()[0].depth is None
    deep = TabletopSource(scenes=1, depth=True).open()
    for sample in (deep[0], deep[:1][0], next(iter(deep))):
        assert sample.depth is not None
        assert sample.depth.shape == sample.image.shape[:2]
        assert sample.intrinsics is not None


def test_a_picture_that_fails_is_reported_and_all_its_answers_are_wrong() -> None:
    results = run_samples(ByWord, Hand(levels=(90, 0)))
    assert results[1].error == "ValueError: a black [picture]"
    assert len(results[1].answers) == len(QUESTIONS)
    assert {answer.limit for answer in results[1].answers} == {"error"}
    assert not any(answer.right for answer in results[1].answers)
    summary = summarise(results)
    assert summary.failures == (("scene_1", "ValueError: a black [picture]"),)
    assert summary.proposals["well_covered"].value == pytest.approx(1 / 6)
    assert summary.total is not None
    assert summary.total.limits["error"] == 0.5


def test_a_sentence_that_fails_costs_only_its_own_answer() -> None:
    questions = (Question("crash", (0,), "colour"), *QUESTIONS[:1])
    result = run_samples(ByWord, Hand(levels=(90,), questions=questions))[0]
    assert [answer.limit for answer in result.answers] == ["error", ""]
    assert result.answers[0].reason == "RuntimeError: a [bug]"
    assert result.answers[0].union == 100


def test_a_summary_adds_up() -> None:
    results = run_samples(ByWord, Hand())
    answers = [answer for result in results for answer in result.answers]
    summary = summarise(results, order=("position", "colour"))
    assert [row.phenomenon for row in summary.rows] == [
        "position",
        "colour",
        "category",
        "plural",
        "absent",
    ]
    colour, total, absent = (summary.row(name) for name in ("colour", TOTAL, "absent"))
    assert colour is not None
    assert total is not None
    assert absent is not None
    assert (colour.n, total.n, absent.n) == (4, 12, 4)
    values = {name: figure.value for name, figure in total.figures.items()}
    assert values["pr50"] == pytest.approx(2 / 6)
    assert values["pr80"] == pytest.approx(1 / 6)
    assert values["pr90"] == 0
    assert values["miou"] == pytest.approx((9 / 11 + 0.5 + 3 / 7) / 6)
    assert values["oiou"] == pytest.approx(230 / 774)
    assert values["oracle_pr50"] == pytest.approx(5 / 6)
    # One proposal of three fits in four of six questions; none is alone enough for a plural.
    assert values["chance_pr50"] == pytest.approx(4 / 18)
    assert values["refused"] == pytest.approx(1 / 6)
    assert absent.figures["refused_right"].value == 0.5
    assert colour.figures["oiou"].value == pytest.approx(50 / 204)
    for row in (*summary.rows[:-1], total):
        right = row.figures["pr50"].value
        assert right is not None
        assert sum(row.limits.values()) + right == pytest.approx(1)
    assert total.limits == pytest.approx(
        {"no proposal": 1 / 6, "refused": 1 / 6, "wrong proposal": 2 / 6, "error": 0}
    )
    assert summary.objects == 6
    asked = [item for item in answers if item.phenomenon != "absent"]
    ious = [item.iou for item in asked if item.iou is not None]
    assert values["miou"] == pytest.approx(mean_iou(ious))
    assert [values[f"pr{round(100 * level)}"] for level in THRESHOLDS] == pytest.approx(
        [precision_at(ious, level) for level in THRESHOLDS]
    )
    assert values["oiou"] == pytest.approx(
        overall_iou([item.intersection for item in asked], [item.union for item in asked])
    )
    assert summary.proposals["mean_best"].value == pytest.approx((9 / 11 + 0.5) / 3)
    assert summary.proposals["per_object"].value == 1.0


def test_single_networks_are_summed_over_the_scenes() -> None:
    def components(observer: object, sample: Sample) -> dict[str, tuple[int, int]]:
        return (
            {"crops": (3, 4)} if sample.name == "scene_0" else {"crops": (0, 1), "other": (0, 0)}
        )

    summary = summarise(run_samples(ByWord, Hand(), components=components))
    assert summary.components["crops"].value == 0.6
    assert summary.components["other"].value is None


def test_only_absent_objects_make_no_total() -> None:
    summary = summarise(run_samples(ByWord, Hand(questions=QUESTIONS[-2:])))
    assert summary.total is None
    assert [row.phenomenon for row in summary.rows] == ["absent"]


def test_no_results_have_no_summary() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        summarise([])


def test_workers_give_the_same_answers_in_the_same_order() -> None:
    levels = (90, 0, 120)
    alone, together = (run_samples(ByWord, Hand(levels=levels), workers=n) for n in (1, 2))
    assert alone == together
    assert [result.scene for result in together] == ["scene_0", "scene_1", "scene_2"]


def test_the_number_of_pictures_done_is_told() -> None:
    told: list[int] = []
    run_samples(ByWord, Hand(), progress=told.append)
    assert told == [1, 2]
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        run_samples(ByWord, Hand(), workers=0)


def test_a_worker_that_dies_is_told_of() -> None:
    with pytest.raises(RefsegError, match="workers: one of 2 processes ended early"):
        run_samples(_Dies, Hand(), workers=2)


class _Dies:
    description = "dies"

    def observe(self, image: np.ndarray) -> None:
        import os

        os._exit(1)


def test_threads_are_put_back() -> None:
    import torch

    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_a_packed_mask_comes_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(unpacked_mask(packed_mask(mask), mask.shape), mask)
    assert not unpacked_mask(b"", mask.shape).any()


def test_first_answers_are_timed_after_a_warm_up() -> None:
    class Counted(ByWord):
        seen = 0

        def observe(self, image: np.ndarray) -> object:
            self.seen += 1
            return super().observe(image)

    counted = Counted()
    seconds = time_first_answers(counted, Hand().open(), count=5, warm_up=3)
    assert len(seconds) == 5
    assert all(value > 0 for value in seconds)
    assert counted.seen == 8
    assert len(time_first_answers(counted, Hand().open(), count=5, limit=0.0)) == 1
    with pytest.raises(ValueError, match="none of them has a question"):
        time_first_answers(counted, Hand(questions=()).open())
    with pytest.raises(ValueError, match="count must be at least 1"):
        time_first_answers(counted, Hand().open(), count=0)


def test_the_machine_and_the_files_are_named() -> None:
    assert machine().endswith("cores")
    sizes = bundled_bytes()
    assert sizes["weights/bundled/clip"] > 1_000_000
    assert 1_000_000 < sizes[DIFFUSION] < 15_000_000


def test_the_strip_is_covered_by_no_proposal() -> None:
    assert oracle_iou(PROPOSALS, STRIP[None]) == 0.0
