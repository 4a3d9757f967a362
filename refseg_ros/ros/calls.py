# SPDX-License-Identifier: Apache-2.0
"""The service and the action of the segmenter node: they wait, and the executor does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from refseg_ros.action import SegmentExpression
from refseg_ros.results import Status
from refseg_ros.ros import qos
from refseg_ros.ros.answering import to_response
from refseg_ros.ros.messages import StampedAnswer
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.worker import Call, Inbox
from refseg_ros.srv import Segment

_RESULT_SECONDS = 5
"""How long the result of a goal is kept for who did not ask for it yet; each holds two images."""

_BUSY = "too many calls are waiting; call again later"
_CANCELLED = "the goal was cancelled"


class Calls:
    """``~/segment`` as a service and ``~/segment_expression`` as an action.

    Args:
        node: What serves them.
        values: Its parameters.
        inbox: Gives the present inbox; None while the node is not active.
        loading: Whether the models are still being loaded.
        tell: Hears of goals that are rejected, which the action has no words for.
    """

    def __init__(
        self,
        node: Node,
        values: Parameters,
        inbox: Callable[[], Inbox | None],
        loading: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._node, self._values, self._inbox, self._loading = node, values, inbox, loading
        self._tell = tell
        name = node.get_fully_qualified_name()
        self._inactive = f"the node is not active: ros2 lifecycle set {name} activate"
        self._waiting: list[Call] = []
        self._goals: dict[bytes, Call] = {}
        # Reentrant: a call is waited for without holding up the next.
        group = ReentrantCallbackGroup()
        node.create_service(
            Segment, "~/segment", self._on_call, qos_profile=qos.SERVICE, callback_group=group
        )
        self._server = ActionServer(
            node,
            SegmentExpression,
            "~/segment_expression",
            self._on_goal,
            callback_group=group,
            goal_callback=self._on_goal_request,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=qos.SERVICE,
            result_service_qos_profile=qos.SERVICE,
            cancel_service_qos_profile=qos.SERVICE,
            result_timeout=_RESULT_SECONDS,
        )

    def close(self) -> None:
        """End the action server, which a node does not end by itself."""
        self._server.destroy()

    def expire(self) -> None:
        """Tell those that wait too long; to be called about once a second."""
        now = time.monotonic()
        loading = self._loading()
        reason = "the models are still being loaded" if loading else "the models are too busy"
        for call in self._waiting:
            if call.deadline < now:
                call.answer(call_refusal(call.request, f"no answer in time: {reason}"))

    def refuse(self) -> None:
        """Tell all calls, waiting or at work, that the node is not active any more."""
        for call in self._waiting:
            call.answer(call_refusal(call.request, self._inactive))

    async def _on_call(self, request: Any, response: Any) -> Segment.Response:
        return await self._answer(request)

    async def _answer(
        self, request: Any, tell: Callable[[str], None] = lambda stage: None, key: bytes = b""
    ) -> Segment.Response:
        inbox = self._inbox()
        if inbox is None:
            return call_refusal(request, self._inactive)
        deadline = time.monotonic() + self._values["service_timeout"]
        call = Call(request, Future(), deadline, tell)
        if not inbox.put_call(call):
            return call_refusal(request, _BUSY)
        self._waiting.append(call)
        if key:
            self._goals[key] = call
        call.future.add_done_callback(lambda _: self._wake())
        answer = await call.future
        self._waiting.remove(call)
        self._goals.pop(key, None)
        return answer

    def _wake(self) -> None:
        """Let the executor notice at once that another thread answered."""
        if self._node.executor is not None:
            self._node.executor.wake()

    def _on_goal_request(self, request: Any) -> GoalResponse:
        inbox = self._inbox()
        reason = self._inactive if inbox is None else _BUSY if inbox.full else ""
        if not reason:
            return GoalResponse.ACCEPT
        self._tell(f"a goal is rejected: {reason}")
        return GoalResponse.REJECT

    async def _on_goal(self, goal: Any) -> SegmentExpression.Result:
        def tell(stage: str) -> None:
            goal.publish_feedback(SegmentExpression.Feedback(stage=stage))

        if goal.is_cancel_requested:  # before its turn in the executor
            answer = call_refusal(goal.request, _CANCELLED)
        else:
            tell("loading" if self._loading() else "waiting")
            answer = await self._answer(goal.request, tell, bytes(goal.goal_id.uuid))
        if goal.is_cancel_requested:
            goal.canceled()
        elif answer.success:
            goal.succeed()
        else:
            goal.abort()
        return SegmentExpression.Result(
            success=answer.success,
            message=answer.message,
            result=answer.result,
            mask=answer.mask,
        )

    def _on_cancel(self, goal: Any) -> CancelResponse:
        """Let go of a goal at once; the observation that is made for it goes on unseen."""
        call = self._goals.get(bytes(goal.goal_id.uuid))
        if call is None or call.answer(call_refusal(call.request, _CANCELLED)):
            return CancelResponse.ACCEPT
        return CancelResponse.REJECT


def call_refusal(request: Any, reason: str) -> Segment.Response:
    """The response of a call that no image was looked at for."""
    return to_response(StampedAnswer.without_image(request.expression, Status.ERROR, reason))
