# SPDX-License-Identifier: Apache-2.0
"""Dialogue: the question that an unsure answer asks, and what a follow-up makes of it."""

from __future__ import annotations

from refseg_ros.decision.questions import Question
from refseg_ros.dialogue.conversation import Conversation
from refseg_ros.spatial.context import Context

__all__ = ["Context", "Conversation", "Question"]
