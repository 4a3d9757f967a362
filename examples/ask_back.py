# SPDX-License-Identifier: Apache-2.0
"""A sentence that fits two things, the question about it, and the answer.

python examples/ask_back.py
"""

from __future__ import annotations

from refseg_lab.simulation.bundle import bundled_scenes
from refseg_ros import Conversation, Segmenter


def main() -> None:
    """Ask for one of two teapots, answer the question, then go on with "the other one"."""
    scene = Segmenter.from_preset("tabletop").observe(bundled_scenes()[5].frame.rgb)
    conversation = Conversation()
    unsure = conversation.ask(scene, "the teapot")
    print(f"the teapot: {unsure.status.name}")
    print(f"  asks: {unsure.question}  takes: {', '.join(unsure.options)}")
    for sentence in (unsure.options[0], "the other one"):
        answer = conversation.ask(scene, sentence)
        print(f"{sentence}: {answer.status.name}, box {answer.box.tolist()}")


if __name__ == "__main__":
    main()
