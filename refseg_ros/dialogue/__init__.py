# SPDX-License-Identifier: Apache-2.0
"""Dialogue: the question that an unsure answer asks, and what a follow-up makes of it."""

from __future__ import annotations

from refseg_ros.dialogue.asking import Question
from refseg_ros.dialogue.context import Context
from refseg_ros.dialogue.conversation import Conversation

__all__ = ["Context", "Conversation", "Question"]
