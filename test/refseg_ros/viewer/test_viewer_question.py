# SPDX-License-Identifier: Apache-2.0
"""The page asks an unsure answer's question, and its buttons answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the page needs nicegui")

from refseg_ros.viewer import page as module
from refseg_ros.viewer.model import ViewerModel
from refseg_ros.viewer.page import Actions, Page


@dataclass
class Element:
    """As much of a NiceGUI element as a question needs."""

    text: str = ""
    value: str = ""
    visible: bool = True
    buttons: list[tuple[str, Callable[[Any], None]]] = field(default_factory=list)

    def set_text(self, text: str) -> None:
        self.text = text

    def set_visibility(self, visible: bool) -> None:
        self.visible = visible

    def clear(self) -> None:
        self.buttons.clear()

    def props(self, _: str) -> Element:
        return self

    classes = props

    def __enter__(self) -> Element:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_options_are_buttons_that_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    options, sent = Element(), list[str]()

    def button(text: str, on_click: Callable[[Any], None], color: None) -> Element:
        options.buttons.append((text, on_click))
        return Element(text)

    monkeypatch.setattr(module, "ui", SimpleNamespace(button=button, notify=lambda *_, **__: 0))
    model = ViewerModel()
    page: Any = Page(model, Actions(sent.append, lambda: None))
    page.question, page.options, page.text = Element(), options, Element()
    page._show_question("Two mugs: the left or the right one?", ("the left one", "the right one"))
    assert page.question.text == "Two mugs: the left or the right one?"
    assert page.question.visible
    assert [text for text, _ in options.buttons] == ["the left one", "the right one"]
    for _, click in list(options.buttons):
        click(None)
    assert sent == ["the left one", "the right one"]
    assert model.status().pending == "the right one"
    page._show_question("", ())
    assert options.buttons == []
    assert [options.visible, page.question.visible] == [False, False]
