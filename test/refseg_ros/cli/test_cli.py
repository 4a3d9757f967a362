# SPDX-License-Identifier: Apache-2.0
"""The refseg command: its words, exit codes and errors, without loading a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from dialogue_bench import MUGS
from PIL import Image
from typer.testing import CliRunner

import refseg_ros
from refseg_ros.cli.console import ExitCode
from refseg_ros.cli.main import app
from refseg_ros.cli.segment import OutputPaths
from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import ImageError, RefsegError, WeightsError
from refseg_ros.image_io import read_image
from refseg_ros.language import ReferringExpression
from refseg_ros.results import Candidate, Proposals, Selection, Status, boxes_from_masks

runner = CliRunner()
SIZE = (48, 64)


class TinyScene:
    """Answers by the words of the expression, with hand-made masks."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        masks = np.ones((3, *image.shape[:2]), bool)
        self.proposals = Proposals(masks, np.ones(3, np.float32))
        self.is_redrawn = False

    def asked(self, nouns: object) -> TinyScene:
        return self

    def holding(self, candidates: object) -> TinyScene:
        return self

    def resolve(self, said: ReferringExpression) -> Selection:
        return self.select(said.text)

    def select(self, text: str) -> Selection:
        if "absent" in text:
            size = self.image.shape[:2]
            return Selection.none(text, Status.NOT_FOUND, "there is none", size)
        mask = np.zeros(self.image.shape[:2], bool)
        mask[10:20, 5:25] = True
        box = boxes_from_masks(mask[None])[0]
        terms = {"V": 21.5, "N": float("-inf")}
        return Selection(
            text,
            Status.AMBIGUOUS if "either" in text else Status.SELECTED,
            "it leads",
            mask,
            box,
            0.75,
            0.5,
            2,
            (Candidate(2, 0.75, terms, True, box, 200, "a [red] mug"),),
            {"total": 0.01},
            warnings=("[odd] word",) if "odd" in text else (),
            question="The [red] one?" if "either" in text else "",
            options=("yes", "no") if "either" in text else (),
            tied=(2,) if "either" in text else (),
        )


class TinySegmenter:
    description = "tiny"
    config = SegmenterConfig()
    seen: list[np.ndarray]

    def observe(self, image: np.ndarray) -> TinyScene:
        self.seen.append(image)
        return TinyScene(image)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> TinySegmenter:
    """Takes the place of the models; the rest of the command is real."""
    import refseg_ros.segmenter as module

    tiny = TinySegmenter()
    tiny.seen = []
    monkeypatch.setattr(module.Segmenter, "from_preset", lambda name, device, method: tiny)
    return tiny


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(path)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = runner.invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, refseg_ros.cli.main\n"
        "try: refseg_ros.cli.main.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'numpy', 'rclpy', 'nicegui'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "segment" in done.stdout
    assert "demo" in done.stdout
    assert time.perf_counter() - began < 5.0  # generous: machines are busy; 0.3 s on a quiet one


def test_version() -> None:
    assert run("--version")[:2] == (0, f"refseg {refseg_ros.__version__}\n")


def test_presets_are_listed() -> None:
    code, out, _ = run("presets")
    assert code == 0
    assert all(name in out for name in ("tabletop", "paper"))


def test_selected_writes_picture_and_mask(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path
) -> None:
    picture, mask = tmp_path / "out.jpg", tmp_path / "mask.png"
    code, out, _ = run("segment", photo, "the red mug", "-o", picture, "--mask", mask)
    assert code == ExitCode.SELECTED
    assert "SELECTED" in out
    assert "box 5 10 25 20" in out
    assert Image.open(picture).size == (SIZE[1], SIZE[0])
    values = np.array(Image.open(mask))
    assert values.shape == SIZE
    assert set(np.unique(values)) == {0, 255}
    assert (values > 0).sum() == 200


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("the mug", ExitCode.SELECTED),
        ("either mug", ExitCode.AMBIGUOUS),
        ("the absent mug", ExitCode.NOT_FOUND),
    ],
)
def test_exit_codes_tell_the_outcome(
    segmenter: TinySegmenter, photo: Path, expression: str, code: ExitCode
) -> None:
    assert run("segment", photo, expression)[0] == code


def test_json_is_alone_on_stdout_and_strict(segmenter: TinySegmenter, photo: Path) -> None:
    code, out, _ = run("segment", photo, "die größere Tasse", "--json")
    assert code == 0
    answer = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert answer["expression"] == "die größere Tasse"
    assert answer["status"] == "SELECTED"
    assert answer["box"] == [5, 10, 25, 20]
    assert answer["area"] == 200
    assert answer["target"] == 3
    assert answer["candidates"][0]["terms"] == {"V": 21.5, "N": None}


def test_an_unsure_answer_asks(segmenter: TinySegmenter, photo: Path) -> None:
    code, out, _ = run("segment", photo, "either")
    assert code == ExitCode.AMBIGUOUS
    assert "?  The [red] one?" in out
    answer = json.loads(run("segment", photo, "either", "--json")[1])
    assert (answer["question"], answer["options"], answer["tied"]) == (
        "The [red] one?",
        ["yes", "no"],
        [3],
    )
    assert run("segment", photo, "either", "--ask")[:2] == (code, out)  # nobody is there to answer


@pytest.mark.parametrize(
    ("replies", "code", "asked"),
    [
        ("left\n", ExitCode.SELECTED, 1),
        ("yes\nleft\n", ExitCode.SELECTED, 2),
        ("neither\nthe book\n", ExitCode.SELECTED, 2),
        ("neither\n\n", ExitCode.NOT_FOUND, 2),
        ("\n", ExitCode.AMBIGUOUS, 1),
        ("", ExitCode.AMBIGUOUS, 1),
    ],
)
def test_asking_back_at_a_terminal(
    segmenter: TinySegmenter,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    replies: str,
    code: ExitCode,
    asked: int,
) -> None:
    monkeypatch.setattr("refseg_ros.cli.segment._at_terminal", lambda: True)
    monkeypatch.setattr(segmenter, "observe", lambda image: MUGS)
    mask = photo.with_name("mask.png")
    words = ["segment", str(photo), "the mug", "--ask", "-m", str(mask)]
    result = runner.invoke(app, words, input=replies)
    assert result.exit_code == code
    assert result.stdout.count("> ") == asked
    assert mask.exists()
    assert "Two red mugs: the left or the right one?" in result.stdout


def test_asking_back_does_not_go_with_json(photo: Path) -> None:
    assert run("segment", photo, "the mug", "--ask", "--json")[0] == ExitCode.USAGE


def test_warnings_are_shown(segmenter: TinySegmenter, photo: Path) -> None:
    assert "warning  [odd] word" in run("segment", photo, "the odd mug")[1]
    assert "warning" not in run("segment", photo, "the mug")[1]
    told = json.loads(run("segment", photo, "the odd mug", "--json")[1])
    assert told["warnings"] == ["[odd] word"]


def test_explain_prints_the_candidates(segmenter: TinySegmenter, photo: Path) -> None:
    _, out, _ = run("segment", photo, "the mug", "--explain")
    assert "a [red] mug" in out
    assert "21.50" in out
    assert "wrote" not in out


@pytest.mark.parametrize(
    "order",
    [
        "PHOTO SAID --explain WHY",
        "PHOTO SAID --explain=WHY",
        "PHOTO SAID --explain-to WHY",
        "--explain WHY PHOTO SAID",
        "PHOTO --explain WHY SAID --device cpu",
        "--device cpu --explain WHY -- PHOTO SAID",
    ],
)
def test_explain_with_a_name_draws_it_as_well(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path, order: str
) -> None:
    why = tmp_path / "why.png"
    words = {"PHOTO": photo, "SAID": "the mug"}
    arguments = [str(words.get(word, word)).replace("WHY", str(why)) for word in order.split()]
    code, out, err = run("segment", *arguments)
    assert code == ExitCode.SELECTED, err
    assert "a [red] mug" in out
    assert f"wrote {why}" in out.replace("\n", "")
    assert Image.open(why).size[0] == 1280


@pytest.mark.parametrize(
    "order", ["--explain PHOTO SAID", "PHOTO --explain SAID", "--explain -- PHOTO SAID"]
)
def test_explain_before_photo_or_sentence_draws_nothing(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path, order: str
) -> None:
    words = {"PHOTO": photo, "SAID": "the mug"}
    code, out, err = run("segment", *(words.get(word, word) for word in order.split()))
    assert code == ExitCode.SELECTED, err
    assert "a [red] mug" in out
    assert "wrote" not in out
    assert list(tmp_path.iterdir()) == [photo]


def test_json_may_be_had_with_the_picture_but_not_with_the_table(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path
) -> None:
    why = tmp_path / "why.png"
    code, out, _ = run("segment", photo, "the mug", "--json", "--explain", why)
    assert code == 0
    assert json.loads(out)["explanation"] is None
    assert why.exists()
    assert run("segment", photo, "the mug", "--json", "--explain")[0] == ExitCode.USAGE


def test_the_explanation_is_as_wide_as_is_asked_and_ends_no_line_with_blanks(
    segmenter: TinySegmenter, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    out = run("segment", photo, "the mug", "--explain")[1]
    assert all(line == line.rstrip() and len(line) <= 70 for line in out.splitlines())


def test_no_two_outputs_are_one_file(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.png"
    for first, second in (("-o", "--mask"), ("-o", "--explain"), ("--mask", "--explain")):
        code, _, err = run("segment", photo, "the mug", first, path, second, path)
        assert code == ExitCode.ERROR
        assert "name the same file" in err
    assert segmenter.seen == []
    assert not path.exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_text("hello"), "not an image"),
        (lambda path: path.write_bytes(b""), "not an image"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "input.png"
    make(path)  # type: ignore[operator]
    code, out, err = run("segment", path, "the mug")
    assert code == ExitCode.ERROR
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_truncated_image_is_named(photo: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (80, 80, 3), dtype=np.uint8)).save(photo)
    photo.write_bytes(photo.read_bytes()[:2000])
    code, _, err = run("segment", photo, "the mug")
    assert code == ExitCode.ERROR
    assert "truncated" in err


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("missing/out.png", "does not exist"),
        ("out.xyz", "must end in"),
        ("out", "must end in"),
        ("photo.png", "overwrite the input"),
    ],
)
@pytest.mark.parametrize("option", ["-o", "--explain"])
def test_bad_output_is_found_before_the_models_load(
    segmenter: TinySegmenter, photo: Path, tmp_path: Path, option: str, output: str, message: str
) -> None:
    code, _, err = run("segment", photo, "the mug", option, tmp_path / output)
    assert code == ExitCode.ERROR
    assert message in err
    assert segmenter.seen == []


def test_library_errors_are_one_line(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import refseg_ros.segmenter as module

    def fail(name: str, device: str, method: str) -> None:
        raise WeightsError("clip: file\nis [not] there")

    monkeypatch.setattr(module.Segmenter, "from_preset", fail)
    code, _, err = run("segment", photo, "the mug")
    assert code == ExitCode.ERROR
    assert err == "refseg: error: clip: file is [not] there\n"


@pytest.mark.parametrize(
    "arguments",
    [["segment"], ["segment", "x.png", "  "], ["segment", "x.png", "a", "--nope"], ["nothing"]],
)
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    assert run(*arguments)[0] == ExitCode.USAGE


def test_unknown_preset_lists_the_known(photo: Path) -> None:
    code, _, err = run("segment", photo, "the mug", "--preset", "nope")
    assert code == ExitCode.ERROR
    assert "tabletop" in err


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:, :10] = 255
    turned = Image.fromarray(np.rot90(upright).copy())  # stored a quarter turn to the left
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn it to the right to see it"
    turned.save(tmp_path / "turned.png", exif=exif)
    assert (read_image(tmp_path / "turned.png") == upright).all()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.tif" if mode in ("CMYK", "YCbCr") else "image.png")
    if mode == "I;16":
        image = Image.fromarray(np.full(SIZE, 52428, np.uint16))
    else:
        image = Image.new("RGB", (SIZE[1], SIZE[0]), (204, 204, 204)).convert(mode)
    image.save(path)
    pixels = read_image(path)
    assert pixels.shape == (*SIZE, 3)
    assert pixels.dtype == np.uint8
    if mode != "1":  # black and white is dithered
        assert np.abs(pixels.astype(int) - 204).max() <= 2
    pixels[0] = 0  # writable


def test_transparency_becomes_white_and_floats_are_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 3), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ImageError, match="floating-point"):
        read_image(tmp_path / "float.tif")


def test_a_hard_link_is_the_input_and_a_pipe_is_no_output(tmp_path: Path) -> None:
    photo, link, pipe = (tmp_path / name for name in ("photo.png", "link.png", "pipe.png"))
    Image.new("RGB", (8, 8)).save(photo)
    os.link(photo, link)
    os.mkfifo(pipe)
    for given, words in (
        (OutputPaths(link), "overwrite the input"),
        (OutputPaths(pipe), "not a regular file"),
    ):
        with pytest.raises(RefsegError, match=words):
            given.check(photo)


def test_a_command_for_the_arm_needs_the_arm() -> None:
    done = runner.invoke(app, ["demo", "--say", "the mug"])
    assert done.exit_code == ExitCode.USAGE
    assert "--pick" in done.output


def test_the_command_for_language_models_is_there_with_its_package() -> None:
    shown = runner.invoke(app, ["--help"]).output
    assert (find_spec("mcp") is not None) == (" mcp " in shown)
