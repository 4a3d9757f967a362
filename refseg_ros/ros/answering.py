# SPDX-License-Identifier: Apache-2.0
"""The worker's side of the segmenter node: looks at frames and answers what is asked of them."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header

from refseg_ros.answer import STRANGE_PICTURE
from refseg_ros.backbones.remembered import Remembered
from refseg_ros.errors import ImageError
from refseg_ros.language import parse
from refseg_ros.language.tokens import MAX_CHARS
from refseg_ros.language.usable import tells_sides
from refseg_ros.loading import LOADING
from refseg_ros.results import Selection, Status
from refseg_ros.ros.conversions import to_mask
from refseg_ros.ros.depth import DepthStore
from refseg_ros.ros.detections import Detections
from refseg_ros.ros.following import Follower
from refseg_ros.ros.frames import Connection, ReferenceFrame
from refseg_ros.ros.health import Health, free_gpu_memory
from refseg_ros.ros.keyframes import Observation
from refseg_ros.ros.looking import Looking
from refseg_ros.ros.messages import StampedAnswer, to_segmentation
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.sharing import FairLock
from refseg_ros.ros.space import Place, Places
from refseg_ros.ros.worker import Again, Call, Clear, Expired, Inbox, LookJob, Rest, Work
from refseg_ros.srv import Segment

if TYPE_CHECKING:
    from refseg_ros.dialogue import Conversation
    from refseg_ros.scene import Scene
    from refseg_ros.segmenter import Segmenter

_WARNING_SECONDS = 5.0
_CONVERSATIONS = 8
"""Of calls that name one; each holds the scene that was spoken of last."""
_NOTHING_ASKED = "the command is empty: there is no target"


class Answering:
    """Works off an inbox; all methods but the attributes are for one thread.

    Args:
        inbox: Where work comes from.
        depth: Depth images of the frames.
        detections: What was found in them elsewhere.
        connection: How frames of the robot lie.
        frame: Whose left and right commands mean.
        places: Where things are.
        follower: Gets what was answered, to follow it.
        outputs: Where answers go.
        values: Parameters of the node.
        health: Hears how it went.
        silence: Says that no image comes, and who should send some.
        logger: The node's logger.

    Attributes:
        segmenter: The loaded models; None before `run` loaded them.
        command: The command in force; empty if there is none.
        select_seconds: Duration of the last selection.
        depth_problem: Why the last target has no position; empty if it has or needs none.
    """

    def __init__(
        self,
        inbox: Inbox,
        depth: DepthStore,
        detections: Detections,
        connection: Connection,
        frame: ReferenceFrame,
        places: Places,
        follower: Follower,
        outputs: Outputs,
        values: Parameters,
        health: Health,
        silence: Callable[[], str],
        logger: Any,
    ) -> None:
        self._inbox, self._frame, self._outputs = inbox, frame, outputs
        self._looking = Looking(depth, detections, connection, frame, values, health)
        self._places, self._follower = places, follower
        self._values, self._health, self._silence = values, health, silence
        self._logger = logger
        self.segmenter: Segmenter | None = None
        self.command = ""
        self.select_seconds = 0.0
        self.depth_problem = ""
        self._answered: Observation | None = None
        self._conversations: Remembered[Conversation] = Remembered(_CONVERSATIONS)
        self._asked = False  # whether the conversation heard the command in force
        self._taken = False  # whether the command of the work in hand left the inbox

    @property
    def observe_seconds(self) -> float:
        """Duration of the last observation."""
        return self._looking.seconds

    def forget(self) -> None:
        """Look anew at the next frame, whatever it shows; any thread may call."""
        self._looking.forget()

    def run(self, load: Callable[[], Segmenter], turn: FairLock) -> None:
        """Load the models and work until the inbox is stopped.

        Args:
            load: Makes the segmenter; not asked if the inbox is stopped before its turn to load.
            turn: Held while at work: other nodes may use the same models.

        Raises:
            Exception: Whatever ``load`` raises; nothing later does.
        """
        with LOADING:
            if self._inbox.stopped:
                return
            self._logger.info(f"loading the models of preset {self._values['preset']}")
            self.segmenter = load()
        self._logger.info(f"ready: {self.segmenter.description}")
        self._looking.use(self.segmenter)
        # Imports torch, which is for `load` to do first.
        from refseg_ros.dialogue import Conversation

        self._conversation = Conversation()
        while (work := self._inbox.take()) is not None:
            came = time.monotonic()
            with turn:
                self._health.took({"wait for the models": time.monotonic() - came})
                if (work := self._inbox.renewed(work)) is not None:
                    self._work(work)

    def _work(self, work: Work) -> None:
        """Do a piece of work; nothing that goes wrong with it ends the worker."""
        self._looking.begin()
        self._taken = False
        try:
            self._do(work)
            self._inbox.set_rest(self._looking.captions_left)
        except Exception as error:
            self._inbox.set_rest(False)  # until something else went well
            # After a stop the publishers are gone: whatever fails then is no news.
            if not self._inbox.stopped:
                self._report(work, error)

    def _do(self, work: Work) -> None:
        if isinstance(work, Call):
            self._serve(work)
        elif isinstance(work, Again):
            self._observe_again(work)
        elif isinstance(work, Rest):
            self._looking.caption_some()
        elif isinstance(work, Clear):
            self._clear(work)
        elif isinstance(work, Expired):
            # In force for the first image that comes, like a command whose image was not readable.
            self._take(work.command)
            self._answered = None
            self._publish(self._failed(work.command, self._silence()))
        else:
            self._turn(work)

    def _turn(self, work: LookJob) -> None:
        """Look at a frame; answer the command that waits, or else the last one once a view."""
        if self._inbox.pending is None and self._follower.following:
            return  # the last one is answered on every picture, and observed when that needs it
        early, seen = self._wants_early(), self._follower.mask
        observation, reused = self._looking.look(work.frame, early=early)
        command = self._inbox.pop_command()
        self._taken = True
        if command is None and observation.same_view(self._answered):
            return
        if command is not None:
            self._take(command)
            if seen is not None and seen.shape == observation.frame.size:
                self._conversation.carry(observation.scene, seen)
        if early and not reused:
            observation = self._answer_early(observation)
        self._answered = observation
        if self.command:
            selection = self._ask(observation.scene)
            answer = self._answer(observation, selection, reused)
            self._publish(answer)
            if self._inbox.active:
                self._follower.start(answer, work.time, self._inbox.put_again)
            self._health.took({"image to result": time.monotonic() - work.time})
        elif command is not None:
            self._publish_idle(command, observation.frame.header, observation.frame.size)
        elif self._inbox.active:
            self._outputs.publish_candidates(observation)
            self._health.succeeded()

    def _wants_early(self) -> bool:
        """Whether someone waits for an answer that captions would hold up."""
        assert self.segmenter is not None
        asked = self._inbox.pending is not None and bool(self._values["anytime"])
        return asked and self.segmenter.has_captions

    def _answer_early(self, observation: Observation) -> Observation:
        """Answer from an observation without captions, if something is asked; and complete it."""
        if self.command:
            # On a copy: the conversation is to hear the sentence once.
            said = copy.copy(self._conversation)
            refused = self._refusal(self.command)
            selection = refused or said.ask(observation.scene, self.command)
            answer = self._answer(observation, selection, reused=False)
            self._publish(replace(answer, is_final=False))
        return self._looking.complete()

    def _publish(self, answer: StampedAnswer) -> None:
        """Publish an answer, unless the node was deactivated while it was made."""
        self._follower.stop()
        if not self._inbox.active:
            return
        self._outputs.publish(answer)
        self._count(answer)

    def _count(self, answer: StampedAnswer) -> None:
        if answer.selection.status is Status.ERROR:
            self._health.failed(answer.selection.reason)
        else:
            self._health.succeeded()
        if STRANGE_PICTURE in answer.selection.warnings:
            self._health.trouble(STRANGE_PICTURE)
            self._logger.warning(STRANGE_PICTURE, throttle_duration_sec=_WARNING_SECONDS)

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
        return Selection.none(command, Status.ERROR, problem, self._looking.size, seconds=seconds)

    def _clear(self, work: Clear) -> None:
        self._take("")
        if work.frame is not None:
            self._looking.pixels(work.frame, work.frame.header)
        self._publish_idle(work.command, self._looking.header, self._looking.size)

    def _publish_idle(self, command: str, header: Header, size: tuple[int, int]) -> None:
        selection = Selection.none(command, Status.IDLE, _NOTHING_ASKED, size)
        self._publish(StampedAnswer(header, selection))

    def _observe_again(self, work: Again) -> None:
        """Observe a picture for the tracker, unless it has gone on to something else."""
        if self._follower.wants(work):
            observation, _ = self._looking.look(work.frame, anew=work.in_doubt)
            self._follower.learn(work, observation.scene)

    def _answer(
        self, observation: Observation, selection: Selection, reused: bool
    ) -> StampedAnswer:
        self.select_seconds = selection.seconds["total"]
        self._health.took({"select": self.select_seconds})
        place, seen, scene = Place(), observation.frame, observation.scene
        if selection.status.has_target:
            place = self._places.of(selection.mask, seen.header, seen.frames)
        self.depth_problem = place.problem
        method = scene.models.config.name
        return StampedAnswer(seen.header, selection, scene, reused, place, seen.image, method)

    def _serve(self, call: Call) -> None:
        """Answer a call of the service or a goal of the action."""
        if call.answered:
            return
        image, expression = call.request.image, call.request.expression
        if not expression.strip():
            self._serve_blank(call)
            return
        observation, reused = None, False
        call.tell("observing")
        if image.width or image.height:
            scene = self._looking.scene_of(call.request)
        elif (newest := self._inbox.newest) is not None:
            observation, reused = self._looking.look(newest)
            scene = observation.scene
        else:
            reason = self._silence()
            self._health.failed(reason)
            call.answer(to_response(self._failed(expression, reason)))
            return
        if call.answered:  # cancelled meanwhile, or too late
            return
        call.tell("selecting")
        selection = self._refusal(expression) or self._select(call, scene)
        if observation is None:
            answer = StampedAnswer(image.header, selection, scene, method=scene.models.config.name)
        else:
            answer = self._answer(observation, selection, reused)
        call.answer(to_response(answer))
        self._count(answer)

    def _select(self, call: Call, scene: Scene) -> Selection:
        """What a call means, after what was asked before under the same name, if it has one."""
        from refseg_ros.dialogue import Conversation

        name, expression = call.request.conversation, call.request.expression
        if not name:
            return scene.select(expression)
        said = self._conversations.recall([name], lambda _: [Conversation()])
        return said[name].ask(scene, expression)

    def _serve_blank(self, call: Call) -> None:
        """End the conversation; answer that nothing is asked, with the size of an image."""
        self._conversations.forget(call.request.conversation)
        image = call.request.image
        frame = image if image.width or image.height else self._inbox.newest
        if frame is not None:
            self._looking.pixels(frame, frame.header)
        selection = Selection.none(
            call.request.expression, Status.IDLE, _NOTHING_ASKED, self._looking.size
        )
        call.answer(to_response(StampedAnswer(self._looking.header, selection)))

    def _failed(self, command: str, reason: str) -> StampedAnswer:
        selection = Selection.none(command, Status.ERROR, reason, self._looking.size)
        return StampedAnswer(self._looking.header, selection)

    def _report(self, work: Work, error: Exception) -> None:
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
        elif isinstance(work, LookJob):
            command = self._command_failed()
        elif isinstance(work, Again):
            self._follower.learn(work, None)
        elif not isinstance(work, Rest):
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


def to_response(answer: StampedAnswer) -> Segment.Response:
    """Make the response of the service of an answer."""
    selection = answer.selection
    return Segment.Response(
        success=selection.status is not Status.ERROR,
        message=selection.reason,
        result=to_segmentation(answer),
        mask=to_mask(selection.mask, answer.header),
    )
