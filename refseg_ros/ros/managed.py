# SPDX-License-Identifier: Apache-2.0
"""What rclpy's managed nodes lack: their state in public, and patience with wrong requests."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn as Return

_Impossible = rclpy_implementation.RCLError


def state_of(node: LifecycleNode) -> int:
    """A node's state, as in lifecycle_msgs/State."""
    return int(node._state_machine.current_state[0])


def unconfigure(node: LifecycleNode) -> None:
    """Bring a node back to where a manager can configure it again."""
    if state_of(node) == State.PRIMARY_STATE_ACTIVE:
        node.trigger_deactivate()
    if state_of(node) == State.PRIMARY_STATE_INACTIVE:
        node.trigger_cleanup()


def reported(change: Callable[[Any, LifecycleState], Return]) -> Callable[[Any, Any], Return]:
    """Log what goes wrong in a method that changes the state: rclpy keeps it to itself."""

    @functools.wraps(change)
    def logged(node: Any, state: LifecycleState) -> Return:
        try:
            return change(node, state)
        except Exception:
            node.get_logger().error(f"{change.__name__} failed: {traceback.format_exc()}")
            return Return.ERROR

    return logged


def survive_wrong_transitions(node: LifecycleNode) -> None:
    """Answer a request for a transition that is not possible now with ``success: false``.

    rclpy lets the error out of the service's callback, which ends the process.
    """
    service = node._service_change_state
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except _Impossible as error:
            wanted = request.transition.label or request.transition.id
            state = node._state_machine.current_state[1]
            node.get_logger().warning(f"transition {wanted!r} is not possible in {state}: {error}")
            response.success = False
            return response

    service.callback = guarded
