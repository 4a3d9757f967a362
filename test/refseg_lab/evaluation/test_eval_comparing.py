# SPDX-License-Identifier: Apache-2.0
"""Rows beside each other: groups, differences and refusals, worked out by hand; and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from refseg_lab.evaluation.ablation import Ablation, read_ablation
from refseg_lab.evaluation.ablation_tables import (
    NARROWEST,
    ONE_TABLE,
    WITH_ECE,
    markdown,
    print_comparison,
    signed,
)
from refseg_lab.evaluation.bootstrap import Figure, Resampler
from refseg_lab.evaluation.comparing import Comparison, compare, difference
from refseg_lab.evaluation.grouping import GROUPS, SPATIAL, has_target, refusals
from refseg_lab.evaluation.records import (
    FAILED,
    FALSE_ACCEPT,
    NO_PROPOSAL,
    REFUSED,
    WRONG_PROPOSAL,
    Answer,
    SceneResult,
)
from refseg_lab.simulation.expressions import PHENOMENA


def answer(
    phenomenon: str, limit: str = "", *, score: float = 0.9, status: str = "SELECTED"
) -> Answer:
    """An answer that is right, or lost to a part; of 100 pixels all or none."""
    absent = phenomenon == "absent"
    right = not limit
    if absent and right:
        status = "NOT_FOUND"
    status = {REFUSED: "NOT_FOUND", FAILED: "ERROR"}.get(limit, status)
    return Answer(
        scene="a scene",
        expression=phenomenon,
        phenomenon=phenomenon,
        targets=() if absent else (0,),
        status=status,
        reason="it was asked for",
        score=score,
        margin=0.5,
        intersection=100 if right and not absent else 0,
        union=100,
        iou=None if absent else float(right),
        right=right,
        oracle=None if absent else float(limit != NO_PROPOSAL),
        chance_hit=None if absent else 0.5,
        chance_iou=None if absent else 0.5,
        limit=limit,
    )


def scenes(*answers: Sequence[Answer]) -> list[SceneResult]:
    return [SceneResult(f"scene_{n}", tuple(each), (), 3) for n, each in enumerate(answers)]


WRONG = WRONG_PROPOSAL
ONE = scenes(
    [answer("colour"), answer("position", WRONG), answer("absent", FALSE_ACCEPT)],
    [answer("size", NO_PROPOSAL), answer("ordinal", WRONG), answer("plural")],
)
TWO = scenes(
    [answer("colour"), answer("position"), answer("absent")],
    [answer("size", NO_PROPOSAL), answer("ordinal"), answer("plural", REFUSED)],
)


@pytest.fixture
def ablation(tmp_path: Path) -> Ablation:
    file = tmp_path / "two.yaml"
    file.write_text(
        "compare: {old: one, new: two}\n"
        "rows:\n"
        "- {name: one, what: a start}\n"
        "- {name: two, what: 'a [step]', changes: {score: {positive: 0.2}}}\n",
        encoding="utf-8",
    )
    return read_ablation(file)


@pytest.fixture
def comparison(ablation: Ablation) -> Comparison:
    return compare(ablation, "slice", [ONE, TWO])


def test_every_phenomenon_but_absent_has_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(set(PHENOMENA) - {"absent"})
    spatial = {"absolute", "relation", "3-D", "ordinal", "superlative"}
    assert set(SPATIAL) == {name for group in spatial for name in GROUPS[group]}


def test_a_row_has_its_figures_and_those_of_its_groups(comparison: Comparison) -> None:
    one, two = comparison.rows
    values = {name: figure.value for name, figure in one.figures.items()}
    # Right: colour and plural, of five; each of 100 pixels.
    assert (values["pr50"], values["miou"], values["oiou"]) == (0.4, 0.4, 0.4)
    assert (values["absent_refused"], values["false_accepts"], values["false_rejects"]) == (
        0,
        1,
        0,
    )
    shares = {name: figure.value for name, figure in one.groups.items()}
    assert shares == {
        "attribute": 0.5,
        "absolute": 0,
        "relation": None,
        "3-D": None,
        "ordinal": 0,
        "superlative": None,
        "negation": None,
        "plural": 1,
    }
    assert comparison.n == {"attribute": 2, "absolute": 1, "ordinal": 1, "plural": 1, "absent": 1}
    # The plural was refused; of the five the size has no proposal and cannot be.
    assert two.figures["false_rejects"].value == 0.25
    assert two.figures["absent_refused"].value == 1
    assert one.difference is None
    assert two.difference is not None
    assert two.difference.value == pytest.approx(0.6 - 0.4)


def test_two_rows_are_held_against_each_other(comparison: Comparison) -> None:
    spatial = comparison.spatial
    assert (spatial.n, spatial.first.value, spatial.second.value) == (2, 0, 1)
    assert spatial.difference == Figure(1.0, 1.0, 1.0)
    assert [item.name for item in comparison.groups] == [
        *("attribute", "absolute", "ordinal", "plural")
    ]
    assert comparison.worst is comparison.groups[-1]
    assert comparison.groups[-1].difference.value == -1
    assert comparison.overall.n == 5
    assert comparison.labels == ("old", "new")


def test_a_difference_is_paired() -> None:
    # Hard and easy scenes: each row alone is anywhere between 0 and 1, and the second is right
    # once more in every scene, whichever scenes are drawn.
    hard, easy = [WRONG, WRONG], ["", WRONG]
    better = {WRONG: [WRONG, ""], "": ["", ""]}
    first = scenes(*([answer("colour", limit) for limit in each] for each in (hard, easy) * 4))
    second = scenes(
        *([answer("colour", limit) for limit in better[each[0]]] for each in (hard, easy) * 4)
    )
    draws = Resampler(8)
    assert difference(first, second, has_target, draws) == Figure(0.5, 0.5, 0.5)
    assert difference(second, first, has_target, draws) == Figure(-0.5, -0.5, -0.5)
    assert difference(first, first, has_target, draws) == Figure(0.0, 0.0, 0.0)


def test_a_difference_that_depends_on_the_scene_is_uncertain() -> None:
    # One scene gained, one lost: of two draws a quarter holds only the one, a quarter only the
    # other.
    first = scenes([answer("colour")], [answer("colour", WRONG)])
    second = scenes([answer("colour", WRONG)], [answer("colour")])
    assert difference(first, second, has_target, Resampler(2)) == Figure(0.0, -1.0, 1.0)


def test_refusals_that_go_wrong_are_counted_where_they_could_go_right() -> None:
    results = scenes(
        [answer("absent"), answer("absent", FALSE_ACCEPT), answer("absent", FAILED)],
        [answer("colour", REFUSED), answer("colour", NO_PROPOSAL), answer("colour", FAILED)],
        [answer("colour"), answer("colour", WRONG)],
    )
    found = refusals(results, Resampler(3))
    assert found["false_accepts"].value == pytest.approx(1 / 3)
    assert found["false_rejects"].value == 0.25  # refused, failed, right, wrong
    nothing = refusals(scenes([]), Resampler(1))
    assert nothing["false_accepts"].value is None
    assert nothing["false_rejects"].value is None


def test_rows_that_answered_other_sentences_are_refused(ablation: Ablation) -> None:
    with pytest.raises(ValueError, match="expected 2 rows, got 1"):
        compare(ablation, "slice", [ONE])
    with pytest.raises(ValueError, match="did not answer the same sentences"):
        compare(ablation, "slice", [ONE, ONE[:1]])


@pytest.mark.parametrize("width", [NARROWEST, ONE_TABLE, 120, WITH_ECE, 200])
def test_no_figure_is_cut_off_at_any_width(comparison: Comparison, width: int) -> None:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        print_comparison(console, comparison)
    out = capture.get()
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= width
    assert out.count("Pr@50 %") >= 1
    assert ("ECE" in out) == (width < ONE_TABLE or width >= WITH_ECE)
    assert "new minus old on sentences with words of place: +100.0 (+100.0 +100.0)" in (
        " ".join(out.split())
    )
    assert "least gain of all groups: plural, -100.0" in out


def test_the_bundled_table_fits_into_120_and_80_columns() -> None:
    bundled = read_ablation()
    found = compare(bundled, "slice", [ONE, *([TWO] * (len(bundled.rows) - 1))])
    for width in (120, 80):
        console = Console(width=width, highlight=False)
        with console.capture() as capture:
            print_comparison(console, found)
        lines = capture.get().splitlines()
        assert "…" not in capture.get()
        tables = 1 if width == 120 else 2
        assert sum(line.startswith(bundled.rows[-1].name) for line in lines) == tables


def test_markdown_holds_the_same_figures(ablation: Ablation, comparison: Comparison) -> None:
    text = markdown(ablation, [comparison], "a run")
    lines = text.splitlines()
    assert lines[0] == "a run"
    assert "| two | a [step] | `score.positive: 0.2` |" in lines
    row = next(line for line in lines if line.startswith("| two | 60.0"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["60.0", "0.600", "0.600"]
    # One more of two, and one more and one less of three: draws of one scene alone, or of both.
    assert cells[-1] == "+20.0 (0.0 +50.0)"
    head = next(line for line in lines if line.startswith("| row | Pr@50"))
    assert len(head.strip("|").split("|")) == len(cells)
    assert "| words of place | 2 | 0.0 | 100.0 | +100.0 (+100.0 +100.0) |" in lines


def test_json_holds_everything_a_table_shows(comparison: Comparison) -> None:
    values = comparison.as_json()
    assert [row["name"] for row in values["rows"]] == ["one", "two"]
    assert values["rows"][1]["changes"] == {"score.positive": 0.2}
    assert values["rows"][1]["difference"]["value"] == pytest.approx(0.2)
    assert values["rows"][0]["groups"]["3-D"]["value"] is None
    assert values["summary"]["worst"] == "plural"
    assert values["summary"]["spatial"]["n"] == 2


def test_differences_are_signed() -> None:
    assert signed(Figure(0.031, -0.012, 0.0501)) == "+3.1 (-1.2 +5.0)"
    assert signed(Figure(0.0, -0.0004, 0.0004)) == "0.0 (0.0 0.0)"
    assert signed(None) == signed(Figure(None)) == "–"
