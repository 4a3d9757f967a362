# SPDX-License-Identifier: Apache-2.0
"""Why an answer is what it is: as values, as text, as plain JSON and as a picture.

The stages of :meth:`refseg_ros.segmenter.Scene.select` leave what they computed in an
:class:`Explanation` on the selection; nothing is computed again for it. ``text``, ``plain`` and
``picture`` show it.
"""

from refseg_ros.explain.explanation import (
    Check,
    Condition,
    ConditionKind,
    Explanation,
    Landmark,
    Term,
    Weighing,
)

__all__ = [
    "Check",
    "Condition",
    "ConditionKind",
    "Explanation",
    "Landmark",
    "Term",
    "Weighing",
]
