# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the segmenter node: looks at frames and answers what is asked of them."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from refseg_ros.errors import ImageError
from refseg_ros.language import parse
from refseg_ros.language.tokens import MAX_CHARS
from refseg_ros.results import Selection, Status
from refseg_ros.ros.conversions import (
    check_pixels,
    rgb_from_compressed,
    rgb_from_image,
    to_mask,
)
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.frames import ReferenceFrame
from refseg_ros.ros.health import Health, free_gpu_memory
from refseg_ros.ros.keyframes import Observation, Observer
from refseg_ros.ros.messages import Answer, to_segmentation
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.sharing import Turn
from refseg_ros.ros.worker import Call, Clear, Expired, Inbox, Look
from refseg_ros.spatial.phrases import tells_sides
from refseg_ros.srv import Segment

if TYPE_CHECKING:
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter
    from refseg_ros.spatial.viewpoint import Viewpoint

_WARNING_SECONDS = 5.0


class Answering:
    """Works off an inbox; all methods but the attributes are for one thread.

    Args:
        inbox: Where work comes from.
        depth: Depth images of the frames.
        frame: Whose left and right commands mean.
        outputs: Where answers go.
        values: Parameters of the node.
        health: Hears how it went.
        silence: Says that no image comes, and who should send some.
        logger: Of the node.

    Attributes:
        segmenter: The loaded models; None before `run` loaded them.
        command: The command in force; empty if there is none.
        observe_seconds: Duration of the last observation.
        select_seconds: Duration of the last selection.
        depth_problem: Why the last target has no position; empty if it has or needs none.
    """

    def __init__(
        self,
        inbox: Inbox,
        depth: DepthStore,
        frame: ReferenceFrame,
        outputs: Outputs,
        values: Parameters,
        health: Health,
        silence: Callable[[], str],
        logger: Any,
    ) -> None:
        self._inbox, self._depth, self._frame, self._outputs = inbox, depth, frame, outputs
        self._values, self._health, self._silence = values, health, silence
        self._logger = logger
        self.segmenter: Segmenter | None = None
        self.command = ""
        self.observe_seconds = self.select_seconds = 0.0
        self.depth_problem = ""
        self._answered: Observation | None = None
        self._asked = False  # whether the conversation heard the command in force
        self._taken = False  # whether the command of the work in hand left the inbox
        # Header and size of the image at work, for the answer if something goes wrong.
        self._header, self._size = Header(), (0, 0)

    def run(self, load: Callable[[], Segmenter], turn: Turn) -> None:
        """Load the models and work until the inbox is stopped.

        Args:
            load: Makes the segmenter.
            turn: Held while at work: other nodes may use the same models.

        Raises:
            Exception: Whatever ``load`` raises; nothing later does.
        """
        self._logger.info(f"loading the models of preset {self._values['preset']}")
        self.segmenter = load()
        self._logger.info(f"ready: {self.segmenter.description}")
        self._observer = Observer(self.segmenter)
        # Imports torch, which is for `load` to do first.
        from refseg_ros.dialogue import Conversation

        self._conversation = Conversation()
        while (work := self._inbox.take()) is not None:
            came = time.monotonic()
            with turn:
                self._health.took({"wait for the models": time.monotonic() - came})
                if (work := self._inbox.renewed(work)) is not None:
                    self._work(work)

    def _work(self, work: Clear | Look | Call | Expired) -> None:
        """Do a piece of work; nothing that goes wrong with it ends the worker."""
        self._header, self._size = Header(), (0, 0)
        self._taken = False
        try:
            self._do(work)
        except Exception as error:
            # After a stop the publishers are gone: whatever fails then is no news.
            if not self._inbox.stopped:
                self._report(work, error)

    def _do(self, work: Clear | Look | Call | Expired) -> None:
        if isinstance(work, Call):
            self._serve(work)
        elif isinstance(work, Clear):
            self._clear(work)
        elif isinstance(work, Expired):
            # In force for the first image that comes, like a command whose image was not readable.
            self._take(work.command)
            self._answered = None
            self._publish(self._failed(work.command, self._silence()))
        else:
            self._turn(work)

    def _turn(self, work: Look) -> None:
        """Look at a frame; answer the command that waits, or else the last one once a view."""
        observation, reused = self._look(work.frame)
        command = self._inbox.pop_command()
        self._taken = True
        if command is None and observation is self._answered:
            return
        self._answered = observation
        if command is not None:
            self._take(command)
        if self.command:
            selection = self._ask(observation.scene)
            self._publish(self._answer(observation, selection, reused))
            self._health.took({"image to result": time.monotonic() - work.time})
        elif command is not None:
            self._publish_idle(command, observation.header, observation.size)
        elif self._inbox.active:
            self._outputs.publish_candidates(observation)
            self._health.succeeded()

    def _publish(self, answer: Answer) -> None:
        """Publish an answer, unless the node was deactivated while it was made."""
        if not self._inbox.active:
            return
        self._outputs.publish(answer)
        self._count(answer)

    def _count(self, answer: Answer) -> None:
        if answer.selection.status is Status.ERROR:
            self._health.failed(answer.selection.reason)
        else:
            self._health.succeeded()

    def _take(self, command: str) -> None:
        """Put a command in force; a blank one ends the conversation."""
        self.command, self._asked = (command if command.strip() else ""), False
        if not self.command:
            self._conversation.clear()

    def _ask(self, scene: Scene) -> Selection:
        """Ask the command in force once; on later images follow what it meant."""
        if (refused := self._refusal(self.command)) is not None:
            return refused
        selection = self._conversation.follow(scene) if self._asked else None
        if selection is None:
            selection = self._conversation.ask(scene, self.command)
        self._asked = True
        return selection

    def _refusal(self, command: str) -> Selection | None:
        """An ERROR for a command that would be answered with another thing than it means.

        That is one whose end is not read, and one of left and right in a frame that cannot be had.
        """
        problem = self._frame.problem
        if len(command) > MAX_CHARS:
            problem = f"command: {len(command)} characters; at most {MAX_CHARS} are read"
        elif not (problem and tells_sides(parse(command))):
            return None
        self._logger.warning(problem, throttle_duration_sec=_WARNING_SECONDS)
        seconds = {"total": 0.0}
        return Selection.none(command, Status.ERROR, problem, self._size, seconds=seconds)

    def _clear(self, work: Clear) -> None:
        self._take("")
        if work.frame is not None:
            self._pixels(work.frame, work.frame.header)
        self._publish_idle(work.command, self._header, self._size)

    def _publish_idle(self, command: str, header: Header, size: tuple[int, int]) -> None:
        reason = "the command is empty: there is no target"
        selection = Selection.none(command, Status.IDLE, reason, size)
        self._publish(Answer(header, selection))

    def _pixels(self, message: Any, header: Header) -> NDArray[np.uint8]:
        """Read the image to work at."""
        self._header = header
        check_pixels(message, self._values["max_megapixels"])
        compressed = isinstance(message, CompressedImage)
        image = rgb_from_compressed(message) if compressed else rgb_from_image(message)
        self._size = (image.shape[0], image.shape[1])
        return image

    def _look(self, frame: Any) -> tuple[Observation, bool]:
        """The observation of a frame's view, and whether it was made earlier."""
        image = self._pixels(frame, frame.header)
        continuous = self._values["mode"] == "continuous"
        period = self._values["keyframe_period"] if continuous else 0.0
        known = self._observer.recall(image, self._values["keyframe_change"], period)
        if known is not None:
            return self._measured(known, frame.header, fresh=False), True
        self._depth.pin(frame.header)
        fresh = self._observer.observe(image, frame.header)
        observation = self._measured(fresh, frame.header, fresh=True)
        seconds = observation.scene.seconds
        self.observe_seconds = seconds["total"]
        stages = {name: value for name, value in seconds.items() if name != "total"}
        self._health.took({"observe": seconds["total"], **stages})
        return observation, False

    def _measured(self, observation: Observation, header: Header, fresh: bool) -> Observation:
        """An observation measured in space, anew if another left and right are meant by now."""
        wanted, matrix = self._viewpoint(header)
        known = observation.viewpoint
        agrees = wanted is None if known is None else known.agrees(wanted)
        if agrees and not fresh:
            return observation
        # By now the depth image has come that was on its way when the colour image was taken.
        slop = self._values["depth_slop"]
        measured, _ = self._depth.read(self._size, observation.header, slop)
        depth, matrix = measured or (None, matrix)
        if fresh and depth is None and wanted is None:
            return observation
        return self._observer.measure(depth, matrix, wanted)

    def _viewpoint(self, header: Header) -> tuple[Viewpoint | None, NDArray[np.float64] | None]:
        """Whose left and right are meant in an image, and its camera matrix."""
        name = self._values["reference_frame"]
        return self._frame.viewpoint(name, header, self._size, self._depth)

    def _answer(self, observation: Observation, selection: Selection, reused: bool) -> Answer:
        self.select_seconds = selection.seconds["total"]
        self._health.took({"select": self.select_seconds})
        target, self.depth_problem = None, ""
        if selection.status.has_target:
            target, self.depth_problem = self._depth.locate(
                selection.mask, observation.header, self._values["depth_slop"]
            )
        return Answer(observation.header, selection, observation.scene, reused, target)

    def _serve(self, call: Call) -> None:
        """Answer a call of the service or a goal of the action."""
        if call.answered:
            return
        image, expression = call.request.image, call.request.expression
        observation, reused = None, False
        call.tell("observing")
        if image.width or image.height:
            scene = self._scene_of(image)
        elif (newest := self._inbox.newest) is not None:
            observation, reused = self._look(newest)
            scene = observation.scene
        else:
            reason = self._silence()
            self._health.failed(reason)
            call.answer(to_response(self._failed(expression, reason)))
            return
        if call.answered:  # cancelled meanwhile, or too late
            return
        call.tell("selecting")
        selection = self._refusal(expression) or scene.select(expression)
        if observation is None:
            answer = Answer(image.header, selection, scene)
        else:
            answer = self._answer(observation, selection, reused)
        call.answer(to_response(answer))
        self._count(answer)

    def _scene_of(self, image: Any) -> Scene:
        """Observe an image that is not of the stream, which goes on undisturbed."""
        assert self.segmenter is not None
        scene = self.segmenter.observe(self._pixels(image, image.header))
        viewpoint, matrix = self._viewpoint(image.header)
        return scene if viewpoint is None else scene.measured(None, matrix, viewpoint)

    def _failed(self, command: str, reason: str) -> Answer:
        selection = Selection.none(command, Status.ERROR, reason, self._size)
        return Answer(self._header, selection)

    def _report(self, work: Clear | Look | Call | Expired, error: Exception) -> None:
        """Say what went wrong to whoever asked, and in the log."""
        text = str(error) or type(error).__name__
        if isinstance(error, ImageError):
            self._logger.warning(
                f"an image cannot be read: {error}", throttle_duration_sec=_WARNING_SECONDS
            )
        else:
            self._logger.error(
                f"an answer failed: {traceback.format_exc()}",
                throttle_duration_sec=_WARNING_SECONDS,
            )
        free_gpu_memory()
        command: str | None = None
        if isinstance(work, Call):
            work.answer(to_response(self._failed(work.request.expression, text)))
        elif isinstance(work, Look):
            command = self._command_failed()
        else:
            command = work.command
        if command is None:
            self._health.failed(text)
        else:
            self._publish(self._failed(command, text))

    def _command_failed(self) -> str | None:
        """The command that the failure of a frame is told to; None if nothing is asked."""
        waiting = None
        if not self._taken:
            # The frame failed. What is asked stays in force for the next one that can be seen,
            # also if it shows what was answered about before.
            self._answered = None
            waiting = self._inbox.pop_command()
            if waiting is not None:
                self._take(waiting)
        # A command that came after the one at work was taken has its own turn.
        return self.command or waiting


def to_response(answer: Answer) -> Segment.Response:
    """Make the response of the service of an answer."""
    selection = answer.selection
    return Segment.Response(
        success=selection.status is not Status.ERROR,
        message=selection.reason,
        result=to_segmentation(answer),
        mask=to_mask(selection.mask, answer.header),
    )
