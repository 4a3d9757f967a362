# SPDX-License-Identifier: Apache-2.0
"""The live page, built on NiceGUI: camera with the mask, candidates, command box, history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Response
from nicegui import ui

from refseg_ros.results import Selection, Status
from refseg_ros.viewer.admission import Admission
from refseg_ros.viewer.model import (
    MAX_COMMAND,
    GraphStatus,
    ShownAnswer,
    ViewerModel,
    clean_command,
)
from refseg_ros.viewer.overlay import STATUS_COLOURS
from refseg_ros.viewer.style import CSS

_PICTURE_PERIOD = 0.1  # seconds: at most 10 pictures a second for each browser
_TEXT_PERIOD = 0.25
_SUGGESTIONS = 8
_PATIENCE = 30.0  # seconds after which a missing answer is spoken of
_NO_CACHE = {"Cache-Control": "no-store"}
_BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@dataclass(frozen=True)
class Actions:
    """What the page can ask of ROS.

    Attributes:
        send: Publishes a command exactly as given; an empty one clears the target.
        next_scene: Asks the simulated camera for its next scene.
    """

    send: Callable[[str], None]
    next_scene: Callable[[], None]


def create_app(model: ViewerModel, actions: Actions, names: Iterable[str] = ()) -> FastAPI:
    """The web application: pictures at ``/picture/…``, everything else is the page.

    Args:
        model: What is shown.
        actions: What the buttons do; called on the web server's thread.
        names: The page's host names beside those of this machine; see :class:`Admission`.
    """
    app = FastAPI(openapi_url=None)

    def picture(data: bytes | None) -> Response:
        if data is None:
            return Response(status_code=404, headers=_NO_CACHE)
        return Response(data, media_type="image/jpeg", headers=_NO_CACHE)

    # Plain functions: FastAPI runs them on worker threads, so drawing never stalls the page.
    @app.get("/picture/live")
    def live(numbered: bool = False) -> Response:
        return picture(model.live_picture(numbered))

    @app.get("/picture/answer/{number}")
    def answer(number: int, numbered: bool = False, small: bool = False) -> Response:
        return picture(model.answer_picture(number, numbered, small))

    ui.run_with(app, root=lambda: Page(model, actions).build(), title="refseg_ros", dark=None)
    app.add_middleware(Admission, names=tuple(names))
    return app


class Page:
    """One browser's page."""

    def __init__(self, model: ViewerModel, actions: Actions) -> None:
        self.model = model
        self.actions = actions
        self.frozen: int | None = None  # number of the answer that is looked at; None is live
        self.numbered = False
        self._shown_picture = ""
        self._shown_revision = -1
        self._shown_answer: tuple[int | None, int | None] = (-1, -1)

    def build(self) -> None:
        """Makes the elements and starts the timers that keep them true."""
        ui.add_css(CSS)
        self.dark = ui.dark_mode(None)
        self._build_head()
        with ui.element("main").classes("board"):
            with ui.element("section").classes("left"):
                self._build_picture()
                self._build_command()
            with ui.element("section").classes("right"):
                self._build_answer()
                self._build_history()
        ui.timer(_PICTURE_PERIOD, self._update_picture)
        ui.timer(_TEXT_PERIOD, self._update_text)

    def _build_head(self) -> None:
        with ui.element("header").classes("head"):
            ui.label("refseg_ros").classes("brand")
            self.scene = ui.label().classes("quiet")
            ui.element("div").classes("spacer")
            self.camera = ui.label().classes("chip")
            self.segmenter = ui.label().classes("chip")
            ui.button(icon="contrast", on_click=self._switch_dark).props(
                'flat round dense aria-label="light or dark"'
            )

    def _build_picture(self) -> None:
        with ui.element("div").classes("card picture-card"):
            self.image = ui.interactive_image(_BLANK).classes("picture")
            self.waiting = ui.label("Waiting for the camera…").classes("waiting")
            with ui.element("div").classes("toolbar"):
                self.mode = ui.label().classes("mode")
                self.live_button = ui.button("Back to live", on_click=self._go_live).props(
                    "dense flat no-caps"
                )
                ui.element("div").classes("spacer")
                ui.switch("Candidates", on_change=self._switch_numbers).props("dense")
                self.next_button = ui.button(
                    "Next scene", icon="skip_next", on_click=self._next_scene
                ).props("dense flat no-caps")

    def _build_command(self) -> None:
        with ui.element("div").classes("card command-card"):
            with ui.element("div").classes("command-row"):
                self.text = (
                    ui.input(
                        placeholder="What do you mean?  e.g. the red mug left of the book",
                        validation={
                            f"At most {MAX_COMMAND} characters": lambda v: len(v) <= MAX_COMMAND
                        },
                    )
                    .props('outlined dense autofocus hide-bottom-space aria-label="command"')
                    .classes("command")
                    .on("keydown.enter", self._send_typed)
                )
                ui.button("Find", on_click=self._send_typed).props("unelevated no-caps")
                ui.button("Clear", on_click=self._clear).props("flat no-caps")
            self.chips = ui.element("div").classes("chips")

    def _build_answer(self) -> None:
        with ui.element("div").classes("card"):
            with ui.element("div").classes("answer-head"):
                self.badge = ui.label().classes("badge")
                self.expression = ui.label().classes("expression")
            self.question = ui.label().classes("question")
            self.options = ui.element("div").classes("chips")
            self._show_question("", ())
            self.reason = ui.label().classes("reason")
            self.figures = ui.label().classes("quiet figures")
        with ui.element("div").classes("card table-card") as self.table_card:
            self.table = ui.table(columns=[], rows=[], row_key="id").props(
                'flat dense hide-pagination :pagination="{rowsPerPage: 0}"'
            )
            self.table.add_slot("body", _TABLE_BODY)
        self.table_card.set_visibility(False)

    def _build_history(self) -> None:
        with ui.element("div").classes("card history-card"):
            ui.label("History").classes("title")
            self.history = ui.element("div").classes("history")

    def _switch_dark(self) -> None:
        # From "as the system says", which the server does not know, the first step is dark.
        self.dark.value = not self.dark.value

    def _switch_numbers(self, event: Any) -> None:
        self.numbered = bool(event.value)

    def _go_live(self) -> None:
        self.frozen = None
        self._update_text()

    def _freeze(self, number: int) -> None:
        self.frozen = number
        self._update_text()

    def _next_scene(self) -> None:
        self.frozen = None
        self.actions.next_scene()

    def _clear(self) -> None:
        self.text.value = ""
        self._send("")

    def _send_typed(self) -> None:
        if not (self.text.value or "").strip():
            ui.notify("Say what is meant, for example: the red mug on the left", type="info")
            return
        self._send(self.text.value)

    def _use_suggestion(self, text: str) -> None:
        self.text.value = text
        self._send(text)

    def _send(self, text: str) -> None:
        try:
            command = clean_command(text)
        except ValueError as error:
            ui.notify(f"Not sent: {error}", type="warning")
            return
        if not self.model.status().segmenter:
            ui.notify("No segmenter is on the graph yet: the command may be lost", type="warning")
        self.frozen = None
        self.model.sent(command)
        self.actions.send(command)

    def _update_picture(self) -> None:
        """Names a new picture for the browser to fetch; it fetches one at a time."""
        numbered = "1" if self.numbered else "0"
        if self.frozen is not None:
            source = f"/picture/answer/{self.frozen}?numbered={numbered}"
        else:
            version = self.model.live_version()
            source = f"/picture/live?numbered={numbered}&v={version}" if version else ""
        if source and source != self._shown_picture:
            self._shown_picture = source
            self.waiting.set_visibility(False)
            self.image.set_source(source)

    def _update_text(self) -> None:
        status = self.model.status()
        fps = status.camera_fps
        self.camera.set_text(f"camera {fps:.0f} fps" if fps else "camera: no images")
        self.camera.classes(remove="good bad", add="good" if fps else "bad")
        trouble = status.problem if status.segmenter else "not there yet"
        self.segmenter.set_text(f"segmenter: {trouble}" if trouble else "segmenter")
        self.segmenter.classes(remove="good bad", add="bad" if trouble else "good")
        self.scene.set_text(status.scene)
        self.next_button.set_visibility(bool(status.scene))  # only the simulated camera has any
        if self.frozen is not None and self.model.answer(self.frozen) is None:
            self.frozen = None  # it fell out of the history
        revision = self.model.revision
        if revision != self._shown_revision:
            self._shown_revision = revision
            self._update_chips()
            self._update_history()
        newest = self.model.answer(self.frozen)
        self._update_mode(status.current, newest)
        self._update_answer(newest, status)

    def _update_mode(self, current: int, answer: ShownAnswer | None) -> None:
        self.live_button.set_visibility(self.frozen is not None)
        if self.frozen is not None:
            text = f"Answer {self.frozen}, as it was seen"
        elif answer is not None and answer.selection.status.has_target and not current:
            text = "Live · the view has changed since the answer"
        else:
            text = "Live"
        self.mode.set_text(text)

    def _update_chips(self) -> None:
        self.chips.clear()
        with self.chips:
            for text in self.model.suggestions[:_SUGGESTIONS]:
                ui.button(
                    text, on_click=lambda _, t=text: self._use_suggestion(t), color=None
                ).props("dense flat no-caps").classes("suggestion")

    def _update_answer(self, answer: ShownAnswer | None, graph: GraphStatus) -> None:
        if self.frozen is None and graph.pending is not None:
            late = graph.pending_seconds > _PATIENCE
            self._show_badge("No answer yet" if late else "Looking…", Status.IDLE)
            self.expression.set_text(graph.pending)
            hint = graph.problem or ("is the segmenter running?" if late else "")
            self.reason.set_text(f"{graph.pending_seconds:.1f} s  {hint}")
            self.figures.set_text("")
            self._show_question("", ())
            self._shown_answer = (-1, -1)
            return
        key = (self.frozen, answer.number if answer else None)
        if key == self._shown_answer:
            return
        self._shown_answer = key
        if answer is None:
            self._show_badge("Ready", Status.IDLE)
            self.expression.set_text("")
            self.reason.set_text("Type what you mean, or take a suggestion.")
            return
        selection = answer.selection
        self._show_badge(_words(selection.status), selection.status)
        self.expression.set_text(selection.expression or "(cleared)")
        # Only the newest answer's question can still be answered.
        self._show_question(selection.question, () if self.frozen else selection.options)
        self.reason.set_text("; ".join((selection.reason, *selection.warnings)))
        self.figures.set_text(_figures(answer))
        columns, rows = candidate_table(selection)
        self.table.columns, self.table.rows = columns, rows
        self.table.update()
        self.table_card.set_visibility(bool(rows))

    def _show_question(self, question: str, options: tuple[str, ...]) -> None:
        """The question of an unsure answer, and buttons that answer it."""
        self.question.set_text(question)
        self.options.clear()
        with self.options:
            for text in options:
                ui.button(
                    text, on_click=lambda _, t=text: self._use_suggestion(t), color=None
                ).props("dense flat no-caps").classes("suggestion option")
        self.question.set_visibility(bool(question))
        self.options.set_visibility(bool(options))

    def _show_badge(self, text: str, status: Status) -> None:
        red, green, blue = STATUS_COLOURS[status]
        self.badge.set_text(text)
        self.badge.style(f"--status: {red} {green} {blue}")

    def _update_history(self) -> None:
        self.history.clear()
        with self.history:
            for answer in self.model.history():
                self._add_history_item(answer)

    def _add_history_item(self, answer: ShownAnswer) -> None:
        red, green, blue = STATUS_COLOURS[answer.selection.status]
        number = answer.number
        with (
            ui.element("button")
            .classes("past")
            .on("click", lambda _: self._freeze(number))
            .style(f"--status: {red} {green} {blue}")
        ):
            if answer.image is not None:
                ui.element("img").props(
                    f'src="/picture/answer/{number}?small=1" alt="" loading="lazy"'
                )
            with ui.element("div").classes("past-text"):
                ui.label(answer.selection.expression or "(cleared)").classes("past-expression")
                ui.label(_words(answer.selection.status)).classes("past-status")


def candidate_table(selection: Selection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Columns and rows of the candidates table, best first.

    Returns:
        Columns and rows as Quasar's table takes them; every value is a text or a number that
        JSON knows.
    """
    names = list(dict.fromkeys(n for c in selection.candidates for n in c.terms))
    columns = [
        {"name": "id", "label": "#", "field": "id", "align": "right"},
        {"name": "score", "label": "score", "field": "score", "align": "left"},
        *({"name": n, "label": n, "field": n, "align": "right"} for n in names),
        {"name": "caption", "label": "caption", "field": "caption", "align": "left"},
    ]
    rows = [
        {
            "id": c.index + 1,
            "score": f"{c.score:.3f}",
            "share": f"{100 * min(max(c.score, 0.0), 1.0):.1f}%" if c.score == c.score else "0%",
            "terms": [f"{c.terms[n]:.2f}" if n in c.terms else "" for n in names],
            "caption": c.caption,
            "chosen": c.index in selection.indices,
            "eligible": c.eligible,
        }
        for c in selection.candidates
    ]
    return columns, rows


def _words(status: Status) -> str:
    return status.name.replace("_", " ").capitalize()


def _figures(answer: ShownAnswer) -> str:
    """Score, margin and times in one line."""
    selection, parts = answer.selection, []
    if selection.status.has_target:
        parts += [f"score {selection.score:.2f}", f"margin {selection.margin:.2f}"]
    observed = f"{answer.observe_ms:.0f} ms" if answer.observe_ms else "reused"
    parts += [f"observe {observed}", f"select {answer.select_ms:.0f} ms"]
    if answer.waited_ms is not None:
        parts.append(f"answered in {answer.waited_ms:.0f} ms")
    return "  ·  ".join(parts)


_TABLE_BODY = """
<q-tr :props="props" :class="{chosen: props.row.chosen, out: !props.row.eligible}">
  <q-td class="text-right">{{ props.row.id }}</q-td>
  <q-td><div class="score"><span>{{ props.row.score }}</span>
    <i :style="{width: props.row.share}"></i></div></q-td>
  <q-td v-for="(term, i) in props.row.terms" :key="i" class="text-right">{{ term }}</q-td>
  <q-td class="caption">{{ props.row.caption }}
    <em v-if="!props.row.eligible">out of the choice</em></q-td>
</q-tr>
"""
