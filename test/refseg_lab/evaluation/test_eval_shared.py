# SPDX-License-Identifier: Apache-2.0
"""Configurations that share networks and pictures answer what each answers alone."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from eval_bench import ByWord, Hand
from typer.testing import CliRunner

from refseg_lab.evaluation.ablation import read_ablation
from refseg_lab.evaluation.records import SceneResult
from refseg_lab.evaluation.runner import SegmenterLoader, over_samples, run_samples, threads
from refseg_lab.evaluation.side_by_side import Memory, Variants, VariantsLoader, digest
from refseg_lab.evaluation.tabletop_source import TabletopSource
from refseg_ros import networks
from refseg_ros.backbones.captioner import Captioner
from refseg_ros.backbones.clip import ClipEncoder
from refseg_ros.backbones.sam import load_sam
from refseg_ros.cli.main import app
from refseg_ros.config import SegmenterConfig
from refseg_ros.proposals.seeds import SeedProposer

SCENE = TabletopSource(scenes=1)


def without_masks(results: list[SceneResult]) -> list[SceneResult]:
    return [
        dataclasses.replace(
            result, answers=tuple(dataclasses.replace(item, mask=b"") for item in result.answers)
        )
        for result in results
    ]


def chosen() -> tuple[SegmenterConfig, ...]:
    """Configurations of two prunings, that differ in scores, words, space and refusal."""
    rows = {row.name: row.config for row in read_ablation().rows}
    return tuple(rows[name] for name in ("SAM+CLIP", "+ rectifier", "+ doubt"))


def test_each_configuration_answers_as_it_does_alone() -> None:
    configs = chosen()
    together = over_samples(VariantsLoader(configs, "cpu"), SCENE)
    for row, config in enumerate(configs):
        alone = without_masks(run_samples(SegmenterLoader(config, "cpu"), SCENE))
        assert [results[row] for results in together] == alone
    assert together[0][0] != together[0][-1]


def test_what_is_equal_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[str] = Counter()

    def counted(owner: type, name: str) -> None:
        inner: Callable[..., object] = getattr(owner, name)

        def call(self: object, *given: object) -> object:
            counts[name] += 1
            return inner(self, *given)

        monkeypatch.setattr(owner, name, call)

    _, paper, preset = chosen()
    selections = [
        dataclasses.replace(preset, spatial=dataclasses.replace(preset.spatial, relations=False)),
        dataclasses.replace(preset, score=dataclasses.replace(preset.score, text="sentence")),
        dataclasses.replace(preset, score=dataclasses.replace(preset.score, positive=0.3)),
    ]
    for owner, name in (
        (SeedProposer, "propose"),
        (ClipEncoder, "encode_images"),
        (Captioner, "caption"),
    ):
        counted(owner, name)
    loaded: list[Path] = []
    monkeypatch.setattr(
        networks, "load_sam", lambda *given: loaded.append(given[1]) or load_sam(*given)
    )
    with threads(1):
        measure = VariantsLoader((preset, *selections, paper), "cpu")()
        assert len(loaded) == 1
        measure(SCENE.open()[0])
        # Two prunings; of the paper's the whole image is captioned too.
        assert counts == {"propose": 2, "encode_images": 2, "caption": 3}
        measure(SCENE.open()[0])  # nothing is remembered of the picture before
    assert counts == {"propose": 4, "encode_images": 4, "caption": 6}


@dataclasses.dataclass(frozen=True)
class _ByWords:
    """Two observers of hand-made pictures."""

    def __call__(self) -> Variants:
        return Variants([ByWord(), ByWord()])


def test_workers_give_the_same_rows_in_the_same_order() -> None:
    source = Hand(levels=(90, 0, 120))
    alone, together = (over_samples(_ByWords(), source, workers=n) for n in (1, 2))
    assert alone == together
    assert [len(rows) for rows in alone] == [2, 2, 2]
    assert [rows[0] for rows in alone] == without_masks(run_samples(ByWord, source))


def test_pictures_are_told_apart_by_size_and_by_pixel() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    other = image.copy()
    other[3, 5, 2] = 1
    keys = {
        digest(images)
        for images in ([image], [other], [image.reshape(6, 4, 3)], [image, image], [])
    }
    assert len(keys) == 5
    assert digest([image]) == digest([image.copy()])
    memory = Memory()
    assert [memory.recall("a", lambda: 1), memory.recall("a", lambda: 2)] == [1, 1]
    memory.forget()
    assert memory.recall("a", lambda: 2) == 2


def ablate(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", "tabletop", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_an_ablation_of_ones_own_on_the_bundled_slice(tmp_path: Path) -> None:
    rows = tmp_path / "mine.yaml"
    rows.write_text(
        "base: tabletop_paper\ngoal: tabletop\nrows:\n"
        "- {name: start, what: the paper}\n"
        "- {name: + place, what: words of place, adopt: [spatial.absolute, spatial.relations]}\n",
        encoding="utf-8",
    )
    figures, text = tmp_path / "figures.json", tmp_path / "figures.md"
    code, out, err = ablate(
        *("--ablation", rows, "--scenes", 2, "--workers", 1, "--device", "cpu"),
        *("--json", figures, "--markdown", text),
    )
    assert code == 0, err
    data = json.loads(figures.read_text(encoding="utf-8"))
    start, place = data["splits"]["slice"]["rows"]
    assert place["changes"] == {"spatial.absolute": "extreme", "spatial.relations": True}
    assert data["configurations"]["start"]["decision.min_match"] is None
    asked, answers = data["expressions"]["slice"], data["answers"]["slice"]
    present = [row for row, item in enumerate(asked) if item["phenomenon"] != "absent"]
    for row in (start, place):
        right = [answers[row["name"]][index]["right"] for index in present]
        assert row["figures"]["pr50"]["value"] == pytest.approx(sum(right) / len(right))
        assert f"{100 * row['figures']['pr50']['value']:.1f}" in out
        assert f"| {row['name']} | {100 * row['figures']['pr50']['value']:.1f} |" in (
            text.read_text(encoding="utf-8")
        )
    assert place["difference"]["value"] == pytest.approx(
        place["figures"]["pr50"]["value"] - start["figures"]["pr50"]["value"]
    )
    # Without a head phrase as text and with no refusal, space alone gains on these two scenes.
    assert place["difference"]["value"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--ablation", "--preset", "tabletop"), 2, "--preset belongs to one preset"),
        (("--ablation", "--pictures", "out"), 2, "--pictures belongs to one preset"),
        (("--ablation", "--curve"), 2, "--curve belongs to one preset"),
        (("mine.yaml",), 2, "mine.yaml: a file of rows needs --ablation"),
        (("--markdown", "a.md"), 2, "--markdown needs --ablation"),
        (("--ablation", "nowhere.yaml"), 1, "ablation nowhere.yaml: cannot be read"),
        (("--ablation", "--markdown", "/nowhere/a.md"), 1, "--markdown: /nowhere/a.md cannot be"),
        (("--curve", "--preset", "tabletop_paper"), 1, "no threshold to move"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], code: int, message: str) -> None:
    got, _, err = ablate(*arguments)
    assert got == code
    assert message in " ".join(err.replace("│", " ").split())
