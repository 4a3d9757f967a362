# SPDX-License-Identifier: Apache-2.0
"""Recordings in and out: mcap and sqlite3, stamps, damage, kill -9."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("rosbags", reason="comes with the extra bag")

from bag_bench import IMAGE, STORE, TOPIC, contents, image, pictures, record, stamp_of
from bright_half import Bright
from killed import kill_after_three_of_eight

from refseg_ros.cli.main import app
from refseg_ros.errors import DatasetError
from refseg_ros.recordings import BagTask, segment_recording
from refseg_ros.recordings.images import image_message, rgb_of
from refseg_ros.recordings.segmenting import MASK, OVERLAY, RESULT


def _plain(found: dict[str, list[tuple[int, Any]]]) -> dict[str, list[tuple[int, bytes]]]:
    kinds = {MASK: IMAGE, OVERLAY: IMAGE, RESULT: "std_msgs/msg/String"}
    return {
        topic: [(when, bytes(STORE.serialize_cdr(item, kinds[topic]))) for when, item in items]
        for topic, items in found.items()
    }


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("ending", [".mcap", ".db3", ""])
def test_masks_results_and_overlays_have_the_stamps_of_their_images(
    tmp_path: Path, storage: str, ending: str
) -> None:
    shots = pictures(3)
    source = record(tmp_path / "in", [image(row, item) for row, item in enumerate(shots)], storage)
    out = tmp_path / f"out{ending}"
    given = source if ending else source.parent
    assert segment_recording(BagTask(given, TOPIC, "left", out), Bright) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", out.name])
    found = contents(out)
    assert set(found) == {MASK, RESULT, OVERLAY}
    for row, shot in enumerate(shots):
        seconds, nanoseconds = stamp_of(row)
        answers = {topic: items[row] for topic, items in found.items()}
        for topic, (when, message) in answers.items():
            assert when == seconds * 10**9 + nanoseconds + 5_000_000
            if topic == RESULT:
                header = json.loads(message.data)["header"]
                assert header["stamp"] == {"sec": seconds, "nanosec": nanoseconds}
                assert header["frame_id"] == "camera_optical"
            else:
                stamp = message.header.stamp
                assert (stamp.sec, stamp.nanosec) == (seconds, nanoseconds)
                assert message.header.frame_id == "camera_optical"
                assert (message.height, message.width) == shot.shape[:2]
        mask = answers[MASK][1]
        assert mask.encoding == "mono8"
        pixels = mask.data.reshape(shot.shape[:2])
        half = shot.shape[1] // 2
        assert (pixels[:, :half] == 255).all()
        assert not pixels[:, half:].any()
        result = json.loads(answers[RESULT][1].data)
        assert result["status"] == "SELECTED"
        assert result["area"] == shot.shape[0] * half
        overlay = answers[OVERLAY][1]
        assert overlay.encoding == "rgb8"
        assert (overlay.data.reshape(shot.shape) != shot).any()


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "jpeg"])
def test_encodings(encoding: str) -> None:
    rgb = pictures(1)[0][:20, :30]
    alpha = np.full((20, 30, 1), 7, np.uint8)
    sent = {
        "rgb8": rgb,
        "bgr8": rgb[..., ::-1],
        "rgba8": np.concatenate([rgb, alpha], 2),
        "bgra8": np.concatenate([rgb[..., ::-1], alpha], 2),
        "mono8": rgb[..., 0],
        "jpeg": rgb,
    }[encoding]
    read = rgb_of(image(0, sent, encoding, pad=5))
    assert (read == (rgb[..., :1] if encoding == "mono8" else rgb)).all()
    again = rgb_of(image_message(STORE, image(0, rgb).header, read))
    assert (again == read).all()


def test_an_image_that_cannot_be_read_is_an_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    shots = pictures(3)
    messages = [image(row, item) for row, item in enumerate(shots)]
    messages[1].encoding = "bayer_rggb8"
    messages[2].data = messages[2].data[:1000]
    source = record(tmp_path / "in", messages, "MCAP")
    out = tmp_path / "out.mcap"
    assert segment_recording(BagTask(source, TOPIC, "left", out), Bright) == 3
    found = contents(out)
    said = [json.loads(item.data) for _, item in found[RESULT]]
    assert [item["status"] for item in said] == ["SELECTED", "ERROR", "ERROR"]
    assert "bayer_rggb8" in said[1]["reason"]
    assert "1000 bytes" in said[2]["reason"]
    assert len(found[MASK]) == len(found[OVERLAY]) == 1


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    shots = pictures(4)
    source = record(tmp_path / "in", [image(row, item) for row, item in enumerate(shots)], "MCAP")
    segment_recording(BagTask(source, TOPIC, "left", tmp_path / "whole.mcap"), Bright)
    out, part = tmp_path / "out.mcap", tmp_path / "out.mcap.part.jsonl"
    task = BagTask(source, TOPIC, "left", out)

    def killed(done: int, count: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_recording(task, Bright, killed)
    assert not out.exists()
    part.write_bytes(part.read_bytes() + b'{"time": 17')
    (tmp_path / "out.mcap.part").mkdir()  # of a run that was killed while it wrote
    with pytest.raises(DatasetError, match="another run, with expression"):
        segment_recording(BagTask(source, TOPIC, "right", out), Bright)
    looked: list[int] = []
    segment_recording(task, Bright, lambda done, count: looked.append(done))
    assert looked == [4]
    assert _plain(contents(out)) == _plain(contents(tmp_path / "whole.mcap"))
    assert not part.exists()


def _spoilt(row: int) -> Any:
    """A compressed image whose bytes a decoder chokes on."""
    message = image(row, pictures(1)[0], "jpeg")
    message.data = message.data[: message.data.size // 3]
    return message


def test_no_image_ends_a_run_nor_the_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = pictures(4)
    messages = [image(row, item, "jpeg") for row, item in enumerate(shots)]
    messages[1] = _spoilt(1)
    source = record(tmp_path / "in", messages, "MCAP")
    out = tmp_path / "out.mcap"
    task = BagTask(source, TOPIC, "left", out)

    def third_is_no_message(self: Any, data: bytes, kind: str) -> Any:
        found = STORE.deserialize_cdr(data, kind)
        if found.header.stamp == messages[2].header.stamp:
            raise IndexError("index out of range")
        return found

    monkeypatch.setattr("rosbags.highlevel.AnyReader.deserialize", third_is_no_message)

    def killed(done: int, count: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_recording(task, Bright, killed)
    assert segment_recording(task, Bright) == 4
    monkeypatch.undo()
    found = contents(out)
    said = [json.loads(item.data) for _, item in found[RESULT]]
    assert [item["status"] for item in said] == ["SELECTED", "ERROR", "ERROR", "SELECTED"]
    assert "damaged or truncated" in said[1]["reason"]
    assert "not a message" in said[2]["reason"]
    assert len(found[MASK]) == len(found[OVERLAY]) == 2


def test_only_what_a_run_wrote_is_deleted(tmp_path: Path) -> None:
    source = record(tmp_path / "in", [image(0, pictures(1)[0])], "MCAP")
    out, folder = tmp_path / "out.mcap", tmp_path / "out.mcap.part"
    task = BagTask(source, TOPIC, "left", out)

    def never() -> Bright:
        raise AssertionError("loaded")

    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"holds thesis\.txt, which refseg did not write"):
        segment_recording(task, never)
    (folder / "written-by-refseg-bag").touch()
    with pytest.raises(DatasetError, match="thesis"):
        segment_recording(task, never)
    (folder / "thesis.txt").rename(tmp_path / "thesis.txt")
    (folder / out.name).mkdir()
    (folder / out.name / "photo.jpg").touch()
    with pytest.raises(DatasetError, match=r"photo\.jpg"):
        segment_recording(task, never)
    (folder / out.name / "photo.jpg").rename(folder / out.name / "out.mcap.mcap")
    assert segment_recording(task, Bright) == 1
    assert not folder.exists()
    (tmp_path / "two.mcap.part").symlink_to(tmp_path / "in")
    with pytest.raises(DatasetError, match="in the way"):
        segment_recording(BagTask(source, TOPIC, "left", tmp_path / "two.mcap"), never)
    assert source.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda head, line: ([], line),
        lambda head, line: ({"run": []}, line),
        lambda head, line: ({"run": "x"}, line),
        lambda head, line: (head, []),
        lambda head, line: (head, {"time": line["time"]}),
        lambda head, line: (head, {**line, "answer": None}),
        lambda head, line: (head, {**line, "answer": "SELECTED"}),
        lambda head, line: (head, {**line, "mask": None}),
        lambda head, line: (head, {**line, "mask": "AAAA"}),
        lambda head, line: (head, {**line, "mask": ""}),
        lambda head, line: (head, {**line, "mask": line["mask"][:20]}),
        *(
            lambda head, line, key=key, value=value: (
                head, {**line, "answer": {**line["answer"], key: value}},
            )
            for key, value in (
                ("status", "GREAT"), ("status", None), ("status", "NOT_FOUND"), ("size", None),
                ("size", {"height": "a", "width": 1}), ("size", {"height": 10**9, "width": 10**9}),
                ("size", {"height": 1, "width": 1}), ("score", "much"), ("expression", 7),
            )
        ),
    ],
)  # fmt: skip
def test_answers_that_were_changed_are_named(
    tmp_path: Path, change: Callable[[Any, Any], tuple[Any, Any]]
) -> None:
    shots = pictures(2)
    source = record(tmp_path / "in", [image(row, item) for row, item in enumerate(shots)], "MCAP")
    task = BagTask(source, TOPIC, "left", tmp_path / "out.mcap")

    def killed(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_recording(task, Bright, killed)
    part = tmp_path / "out.mcap.part.jsonl"
    lines = [json.loads(line) for line in part.read_text().splitlines()]
    part.write_text("".join(f"{json.dumps(line)}\n" for line in change(*lines)))
    with pytest.raises(DatasetError, match=r"out\.mcap\.part\.jsonl: "):
        segment_recording(task, Bright)


def test_pipes_are_not_waited_for_and_damage_has_a_remedy(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mcap")
    with pytest.raises(DatasetError, match="neither a folder nor a regular file"):
        segment_recording(
            BagTask(tmp_path / "pipe.mcap", TOPIC, "left", tmp_path / "o.mcap"), Bright
        )
    source = record(tmp_path / "in", [image(0, pictures(1)[0])], "MCAP")
    os.mkfifo(tmp_path / "o.mcap.part.jsonl")
    with pytest.raises(DatasetError, match="not a regular file"):
        segment_recording(BagTask(source, TOPIC, "left", tmp_path / "o.mcap"), Bright)
    _cut(source)
    with pytest.raises(DatasetError, match="mcap recover"):
        segment_recording(BagTask(source, TOPIC, "left", tmp_path / "p.mcap"), Bright)


@pytest.mark.slow
def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    shots = pictures(8)
    messages = [image(row, item) for row, item in enumerate(shots)]
    source = record(tmp_path / "in", messages, "SQLITE3")
    segment_recording(BagTask(source, TOPIC, "left", tmp_path / "whole.mcap"), Bright)
    out, part = tmp_path / "out.mcap", tmp_path / "out.mcap.part.jsonl"
    code = (
        "import sys; from pathlib import Path; from bright_half import Bright;"
        "from refseg_ros.recordings import BagTask, segment_recording;"
        f"task = BagTask(Path(sys.argv[1]), {TOPIC!r}, 'left', Path(sys.argv[2]));"
        "segment_recording(task, lambda: Bright(0.5))"
    )
    kept = kill_after_three_of_eight(code, [str(source), str(out)], part)
    looked: list[int] = []
    segment_recording(
        BagTask(source, TOPIC, "left", out), Bright, lambda done, count: looked.append(done)
    )
    assert looked == list(range(kept + 1, 9))
    assert _plain(contents(out)) == _plain(contents(tmp_path / "whole.mcap"))


# What is wrong is said


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("spoil", [_cut, _noise, lambda path: path.write_bytes(b"")])
def test_damaged_recordings(tmp_path: Path, storage: str, spoil: Callable[[Path], None]) -> None:
    shots = pictures(2)
    source = record(tmp_path / "in", [image(row, item) for row, item in enumerate(shots)], storage)
    spoil(source)
    arguments = ["bag", str(source), "the mug", "--image", TOPIC, "-o", str(tmp_path / "o.mcap")]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 1, answer.output
    assert "damaged, cut short, or no recording" in answer.output.replace("\n", " ")
    assert not (tmp_path / "o.mcap").exists()


def test_wrong_usage_is_said_before_models_are_loaded(tmp_path: Path) -> None:
    source = record(tmp_path / "in", [image(0, pictures(1)[0])], "MCAP")

    def never() -> Bright:
        raise AssertionError("loaded")

    there = tmp_path / "there.mcap"
    there.touch()
    for task, says in (
        (BagTask(source, "/other", "left", tmp_path / "o.mcap"), f"images on {TOPIC}"),
        (BagTask(source, "/chatter", "left", tmp_path / "o.mcap"), f"images on {TOPIC}"),
        (BagTask(tmp_path / "no.mcap", TOPIC, "left", tmp_path / "o.mcap"), "no such recording"),
        (BagTask(source, TOPIC, "left", there), "exists already"),
        (BagTask(source, TOPIC, "left", tmp_path / "o.avi"), r"must end in \.mcap"),
        (BagTask(source, TOPIC, "left", tmp_path / "no" / "o.mcap"), "does not exist"),
    ):
        with pytest.raises(DatasetError, match=says):
            segment_recording(task, never)


@pytest.mark.slow
def test_the_command_on_the_simulators_pictures(tmp_path: Path) -> None:
    shots = pictures(2)
    source = record(tmp_path / "in", [image(row, item) for row, item in enumerate(shots)], "MCAP")
    out = tmp_path / "out.mcap"
    arguments = ["bag", str(source), "the mug", "--image", TOPIC, "-o", str(out)]
    answer = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    assert answer.exit_code == 0, answer.output
    assert f"wrote {out}: 2 images" in answer.output
    assert {topic: len(items) for topic, items in contents(out).items()} == {
        MASK: 2,
        RESULT: 2,
        OVERLAY: 2,
    }
