# SPDX-License-Identifier: Apache-2.0
"""One expression on all images of a recording: masks, results and overlays with their stamps.

Answers are kept in ``NAME.part.jsonl`` as they come, so that a killed run goes on; the recording
is written from them at the end, under another name, and appears when it is whole.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refseg_ros.config import SegmenterConfig
from refseg_ros.errors import DatasetError, ImageError
from refseg_ros.image_decoding import MEGAPIXELS, check_megapixels
from refseg_ros.json_lines import JsonLines
from refseg_ros.methods.catalogue import with_method
from refseg_ros.recordings.draft import RecordingDraft
from refseg_ros.recordings.images import IMAGE, Recording, image_message, opened, rgb_of
from refseg_ros.recordings.observed import Observer, packed_mask, unpacked_mask
from refseg_ros.results import Selection, Status, boxes_from_masks

STORAGE = {".mcap": "MCAP", ".db3": "SQLITE3"}
"""Endings of recordings of one file, and the storage in which they are."""
MASK, RESULT, OVERLAY = "/segmenter/mask", "/segmenter/result", "/segmenter/overlay"
_TEXT = "std_msgs/msg/String"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BagTask:
    """What is asked of a recording.

    Attributes:
        recording: Folder, ``.mcap`` or ``.db3``.
        topic: The topic of its images.
        expression: What is meant.
        out: Recording to write: ``.mcap``, ``.db3``, or a folder in mcap. It must not exist.
        preset: Name or YAML file.
        method: Name; "" is the preset's own.
    """

    recording: Path
    topic: str
    expression: str
    out: Path
    preset: str = "tabletop"
    method: str = ""

    @property
    def config(self) -> SegmenterConfig:
        """The preset's configuration with the method.

        Raises:
            ConfigError: There is no such preset or method.
        """
        return with_method(SegmenterConfig.from_preset(self.preset), self.method)

    def as_json(self) -> dict[str, str]:
        """What tells this run from others."""
        return {
            "recording": str(self.recording),
            "topic": self.topic,
            "expression": self.expression,
            "preset": self.preset,
            "method": self.method,
            "settings": hashlib.sha256(repr(self.config).encode()).hexdigest(),
        }

    def check(self) -> None:
        """Make sure, before models are loaded, that the output can be written.

        Raises:
            DatasetError: It is there already, its ending is another, or its folder is missing.
        """
        if self.out.exists():
            raise DatasetError(f"{self.out}: exists already; choose another name")
        if self.out.suffix not in (*STORAGE, ""):
            raise DatasetError(
                f"{self.out}: the name must end in {', '.join(STORAGE)}, or be that of a folder"
            )
        if not self.out.parent.is_dir():
            raise DatasetError(f"{self.out}: the folder {self.out.parent} does not exist")
        RecordingDraft(self.out).check()


def segment_recording(
    task: BagTask,
    load: Callable[[], Observer],
    progress: Progress = lambda done, count: None,
) -> int:
    """Answer every image, and write the answers as a recording.

    Args:
        task: What is asked.
        load: Loads the segmenter; not called if all answers are there.
        progress: Called with the images done, and their number.

    Returns:
        The number of images.

    Raises:
        RefsegError: The recording is missing or damaged, the output is there already or cannot
            be written. What was answered is kept and gone on with.
    """
    task.check()
    part = task.out.with_name(task.out.name + ".part.jsonl")
    with opened(task.recording, task.topic) as recording:
        lines = JsonLines(part, task.as_json(), "-o")
        try:
            answers = _answers(task, recording, lines, load, progress)
        finally:
            lines.close()
        _write(task, recording, answers)
    part.unlink()
    return len(answers)


def _answers(
    task: BagTask,
    recording: Recording,
    lines: JsonLines,
    load: Callable[[], Observer],
    progress: Progress,
) -> list[dict[str, Any]]:
    answers = list(lines.found)
    observer: Observer | None = None
    for number, (time, message) in enumerate(recording.messages()):
        if number < len(answers):
            try:
                _check_answer(answers[number], time)
            # As many as there are ways in which a line may be changed.
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise lines.bad_line(number + 2, error) from None
            continue
        observer = observer or load()
        answers.append({"time": time, **_answer(observer, task.expression, message)})
        lines.add(answers[-1])
        progress(len(answers), recording.count)
    return answers


def _check_answer(line: Mapping[str, Any], time: int) -> None:
    """Refuse a line that is no answer to the image recorded at a time, or was changed."""
    values = line["answer"]
    if line["time"] != time:
        raise ValueError(f"not of the image at {time} ns")
    size = values["size"]["height"], values["size"]["width"]
    if not all(isinstance(side, int) and side >= 0 for side in size):
        raise ValueError(f"size {size}")
    check_megapixels(*size, "size", MEGAPIXELS)
    mask = unpacked_mask(base64.b64decode(line["mask"], validate=True), size)
    if Status[values["status"]].has_target != mask.any():
        raise ValueError(f"status {values['status']} with {mask.sum()} pixels")
    for key, kind in (("expression", str), ("reason", str), ("score", float), ("margin", float)):
        if not isinstance(values[key], kind):
            raise ValueError(f"{key} {values[key]!r}")


def _answer(observer: Observer, expression: str, message: Any) -> dict[str, Any]:
    """The answer to one image; what cannot be read is an ERROR, and the rest goes on."""
    try:
        selection = observer.observe(rgb_of(message)).select(expression)
    except ImageError as error:
        selection = Selection.none(expression, Status.ERROR, str(error), (0, 0))
    values = selection.to_dict()
    values.pop("seconds")  # of this run alone
    mask = base64.b64encode(packed_mask(selection.mask)) if selection.mask.any() else b""
    return {"answer": values, "mask": mask.decode("ascii")}


def _write(task: BagTask, recording: Recording, answers: list[dict[str, Any]]) -> None:
    """The whole recording beside its place, then there in one step."""
    from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    draft = RecordingDraft(task.out)
    plugin = StoragePlugin[STORAGE.get(task.out.suffix, "MCAP")]
    try:
        draft.begin()
        with Writer(draft.recording, version=9, storage_plugin=plugin) as writer:
            kinds = {MASK: IMAGE, RESULT: _TEXT, OVERLAY: IMAGE}
            topics = {
                name: writer.add_connection(name, kind, typestore=store)
                for name, kind in kinds.items()
            }
            for (time, message), answer in zip(recording.messages(), answers, strict=True):
                for name, made in _messages(store, message, answer).items():
                    writer.write(topics[name], time, store.serialize_cdr(made, kinds[name]))
        made = draft.recording
        if task.out.suffix:
            made = next(made.glob(f"*{task.out.suffix}"))
        made.rename(task.out)
        draft.clear()
    except (OSError, WriterError) as error:
        with contextlib.suppress(OSError, DatasetError):
            draft.clear()
        raise DatasetError(
            f"{task.out}: cannot be written ({error}); the answers are kept, run the same command "
            "again to continue"
        ) from error


def _messages(store: Any, message: Any, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The messages to write, by topic. An image that could not be read has a result alone."""
    from refseg_ros.viewer.overlay import draw_overlay

    values = answer["answer"]
    seconds, nanoseconds = divmod(answer["time"], 10**9)
    header: dict[str, Any] = {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": ""}
    if not isinstance(message, ImageError):
        stamp = message.header.stamp
        header = {
            "stamp": {"sec": stamp.sec, "nanosec": stamp.nanosec},
            "frame_id": message.header.frame_id,
        }
    text = json.dumps({"header": header, **values}, ensure_ascii=False)
    made = {RESULT: store.types[_TEXT](data=text)}
    size = (values["size"]["height"], values["size"]["width"])
    if not all(size):
        return made
    mask = unpacked_mask(base64.b64decode(answer["mask"]), size)
    shown = Selection(
        expression=values["expression"],
        status=Status[values["status"]],
        reason=values["reason"],
        mask=mask,
        box=boxes_from_masks(mask[None])[0],
        score=values["score"],
        margin=values["margin"],
        index=None,
        candidates=(),
        seconds={},
    )
    grey = mask.astype(np.uint8) * 255
    made[MASK] = image_message(store, message.header, grey)
    with contextlib.suppress(ImageError):  # what it cannot show is told by the result
        rgb = rgb_of(message)
        if rgb.shape[:2] == size:
            made[OVERLAY] = image_message(store, message.header, draw_overlay(rgb, shown))
    return made
