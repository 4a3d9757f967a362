# SPDX-License-Identifier: Apache-2.0
"""What is said by topic: passed on to the worker, or answered at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from std_msgs.msg import String

from refseg_ros.results import Status
from refseg_ros.ros.following import Follower
from refseg_ros.ros.messages import StampedAnswer
from refseg_ros.ros.outputs import Outputs
from refseg_ros.ros.parameters import Parameters
from refseg_ros.ros.worker import Inbox

ON_SERVICE: Final = "mode is on_service: ask by ~/segment or ~/segment_expression, or set mode"
"""What a command by topic is told in that mode."""


class Commands:
    """Takes commands as they come; for the executor's thread.

    Args:
        values: Parameters of the node.
        outputs: Where answers go that need no image.
        follower: Ends with a blank command.
        inbox: Gives the present inbox.
    """

    def __init__(
        self,
        values: Parameters,
        outputs: Outputs,
        follower: Follower,
        inbox: Callable[[], Inbox],
    ) -> None:
        self._values, self._outputs, self._follower = values, outputs, follower
        self._inbox = inbox

    def hear(self, message: String) -> None:
        """Take a command."""
        self.ask(message.data)

    def ask(self, command: str, patient: bool = False) -> None:
        """Put a command into the inbox, unless only calls are answered.

        Args:
            command: What is meant; a blank one clears the target, in every mode.
            patient: Whether it waits for an image as long as that takes.
        """
        if not command.strip():
            self._follower.stop()
        elif self._values["mode"] == "on_service":
            self._say(command, Status.ERROR, ON_SERVICE)
            return
        replaced = self._inbox().put_command(command, patient)
        if replaced is not None:
            self.drop(replaced, "a newer command replaced it before its turn came")

    def drop(self, command: str, reason: str) -> None:
        """Say of a command that it will not be answered."""
        self._say(command, Status.IDLE, reason)

    def _say(self, command: str, status: Status, reason: str) -> None:
        self._outputs.publish_result(StampedAnswer.without_image(command, status, reason))
