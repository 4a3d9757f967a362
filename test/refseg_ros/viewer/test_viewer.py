# SPDX-License-Identifier: Apache-2.0
"""The viewer: its model, and its page over HTTP and in a browser."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from refseg_ros.results import Candidate, Selection, Status, boxes_from_masks
from refseg_ros.viewer.frames import FrameLog
from refseg_ros.viewer.model import MAX_COMMAND, ViewerModel, clean_command, same_view

SIZE = (120, 160)


def view(shade: int = 90) -> np.ndarray:
    image = np.full((*SIZE, 3), shade, np.uint8)
    image[40:80, 60:110] = (200, 40, 40)
    return image


def answer(
    text: str = "the red mug", status: Status = Status.SELECTED, size: tuple[int, int] = SIZE
) -> Selection:
    mask = np.zeros(size, bool)
    if status.has_target:
        mask[40:80, 60:110] = True
    terms = {"V": 20.0, "N": float("nan")}
    candidates = (Candidate(4, 0.75, terms, True, np.zeros(4, np.float32), 9, "<b>mug</b>"),)
    box = boxes_from_masks(mask[None])[0] if mask.size else np.zeros(4, np.float32)
    return Selection(text, status, "it leads", mask, box, 0.75, 0.5, 4, candidates, {})


def decoded(jpeg: bytes | None) -> np.ndarray:
    assert jpeg is not None
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


# The model ------------------------------------------------------------------------------------


def test_live_picture_carries_the_mask_while_the_view_is_the_same() -> None:
    model = ViewerModel()
    assert model.live_picture(False) is None
    model.add_frame(1, view())
    plain = decoded(model.live_picture(False))
    assert abs(plain[10, 10] - 90).max() < 6
    model.add_answer(1, answer(), 800.0, 9.0)
    model.add_frame(2, view(91))  # a little brighter: still the same view
    assert model.status().current == 1
    assert decoded(model.live_picture(False))[115, 150].max() < 75  # dimmed: the mask is shown
    model.add_frame(3, np.roll(view(), 40, axis=1))
    assert model.status().current == 0
    assert abs(decoded(model.live_picture(False))[115, 150] - 90).max() < 6
    assert decoded(model.answer_picture(1, False))[115, 150].max() < 75  # the past stays


def test_picture_version_changes_with_frames_and_answers() -> None:
    model = ViewerModel()
    versions = [model.live_version()]
    for stamp in (1, 2):
        model.add_frame(stamp, view())
        versions.append(model.live_version())
    model.add_answer(2, answer(), 1.0, 1.0)
    versions.append(model.live_version())
    assert versions[0] == ""
    assert len(set(versions)) == 4


def test_answers_find_their_frame_long_after_it_was_seen() -> None:
    model = ViewerModel()
    model.add_frame(1, view())
    model.add_answer(1, answer("a"), 800.0, 9.0)
    for stamp in range(2, 200):
        model.add_frame(stamp, view(120))
    model.add_answer(1, answer("b"), 0.0, 9.0)  # a node reuses what it observed
    newest = model.answer()
    assert newest is not None
    assert newest.image is not None
    assert (newest.image == view()).all()


def test_repeated_answers_take_one_place_in_the_history() -> None:
    model = ViewerModel()
    for stamp in range(3):
        model.add_frame(stamp, view())
        model.add_answer(stamp, answer("a"), 1.0, 1.0)
    model.add_answer(2, answer("b"), 1.0, 1.0)
    assert [a.selection.expression for a in model.history()] == ["b", "a"]


def test_what_is_followed_takes_the_place_of_its_answer() -> None:
    model = ViewerModel()
    for stamp, level in enumerate((0, 120, 240)):
        model.add_frame(stamp, np.full_like(view(), level))
        model.add_answer(stamp, answer("a"), 1.0, 1.0, followed=stamp > 0)
    (only,) = model.history()
    assert only.stamp == 2
    model.add_frame(3, view())
    model.add_answer(3, answer("a"), 1.0, 1.0)
    assert len(model.history()) == 2


def test_pending_command_ends_with_its_answer() -> None:
    model = ViewerModel()
    model.add_frame(1, view())
    model.sent("the mug")
    model.add_answer(1, answer("another"), 1.0, 1.0)
    assert model.status().pending == "the mug"
    model.add_answer(1, answer("the mug"), 1.0, 1.0)
    assert model.status().pending is None
    newest = model.answer()
    assert newest is not None
    assert newest.waited_ms is not None
    model.sent("")
    assert model.status().pending is None


@pytest.mark.parametrize(
    ("size", "status"),
    [((0, 0), Status.NOT_FOUND), ((0, 0), Status.ERROR), ((7, 9), Status.IDLE)],
)
def test_odd_answers_still_make_pictures(size: tuple[int, int], status: Status) -> None:
    model = ViewerModel()
    model.add_answer(99, answer(status=status, size=size), 1.0, 1.0)  # no such frame
    assert model.answer_picture(1, False) is None
    model.add_frame(1, view())
    model.add_answer(1, answer("x", status, size), 1.0, 1.0, np.zeros((3, 3), np.uint16))
    for numbered in (False, True):
        assert model.live_picture(numbered) is not None
        assert decoded(model.answer_picture(2, numbered, small=True)).shape[1] == 176
    assert model.answer_picture(77, False) is None


def test_commands_stay_as_typed_but_for_what_a_string_message_cannot_hold() -> None:
    assert clean_command("  Die größere 赤い Tasse?! ") == "  Die größere 赤い Tasse?! "
    assert clean_command("the\r\nred\nmug\0\ud800") == "the red mug"
    assert len(clean_command("x" * MAX_COMMAND)) == MAX_COMMAND
    with pytest.raises(ValueError, match=f"at most {MAX_COMMAND}"):
        clean_command("x" * (MAX_COMMAND + 1))


def test_same_view_ignores_noise_and_sees_a_moved_thing() -> None:
    noise = np.random.default_rng(0).normal(0, 4, (*SIZE, 3))
    noisy = np.clip(view() + noise, 0, 255).astype(np.uint8)
    moved = view()
    moved[40:80, 60:110] = 90
    moved[40:80, 70:120] = (200, 40, 40)
    assert same_view(view(), noisy)
    assert not same_view(view(), moved)
    assert not same_view(view(), view()[:-1])


def test_equal_frames_are_kept_once_and_lost_ones_between_them_are_known() -> None:
    frames = FrameLog(budget=2 * view().nbytes)
    for stamp in range(0, 5000, 10):
        frames.add(stamp, view())
    assert frames.find(0) is frames.find(4990)
    assert frames.find(15) is not None  # lost, but those around it are equal
    assert frames.find(4991) is None
    frames.add(5000, view(120))
    assert frames.find(4995) is None  # nobody knows what was seen in between
    frames.add(5010, view(150))
    assert frames.find(0) is None  # over the budget
    assert frames.find(5000) is not None
    frames.clear()
    assert frames.find(5010) is None


# The page over HTTP -----------------------------------------------------------------------------


@dataclass
class Served:
    model: ViewerModel
    address: str
    sent: list[str] = field(default_factory=list)
    scenes: int = 0

    def send(self, command: str) -> None:
        self.sent.append(command)
        self.model.add_answer(1, answer(command), 800.0, 9.0)

    def next_scene(self) -> None:
        self.scenes += 1

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    pytest.importorskip("nicegui", reason="the page needs nicegui")
    import uvicorn

    from refseg_ros.viewer.page import Actions, create_app

    opened = socket.create_server(("127.0.0.1", 0))
    served = Served(ViewerModel(), f"http://127.0.0.1:{opened.getsockname()[1]}")
    app = create_app(served.model, Actions(served.send, served.next_scene))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
    thread.start()
    yield served
    server.should_exit = True
    thread.join(10)


def test_pictures_are_served(served: Served) -> None:
    assert served.get("/picture/answer/1")[0] == 404
    assert served.get("/picture/answer/one")[0] == 422
    served.model.add_frame(1, view())
    code, data = served.get("/picture/live?numbered=1&v=3")
    assert code == 200
    assert decoded(data).shape == (*SIZE, 3)


def test_page_asks_nobody_else_for_anything(served: Served) -> None:
    code, html = served.get("/")
    assert code == 200
    text = html.decode()
    assert "refseg_ros" in text
    for mark in ('src="http', 'href="http', "url(http", 'from "http'):
        assert mark not in text


def asked(served: Served, lines: list[str], path: str = "/") -> tuple[int, str]:
    """Status and head of the answer to a request of these header lines."""
    port = int(served.address.rsplit(":", 1)[1])
    lines = [line.replace("PORT", str(port)) for line in lines]
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        text = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""])
        connection.sendall(text.encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
            head += more
    text = head.split(b"\r\n\r\n")[0].decode("latin-1").lower()
    return int(text.split()[1]), text


SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        (["Host: 127.0.0.1:PORT"], True),
        (["Host: localhost:PORT", "Origin: http://localhost:PORT"], True),
        (["Host: LOCALHOST.:PORT"], True),
        (["Host: [::1]:PORT", "Origin: http://[::1]:PORT"], True),
        (["Host: 192.168.1.20:PORT", "Origin: http://192.168.1.20:PORT"], True),
        ([f"Host: {socket.gethostname()}:PORT"], True),
        (["Host: evil.example:PORT", "Origin: http://evil.example:PORT"], False),  # rebinding
        (["Host: evil.example"], False),
        (["Host: localhost.evil.example:PORT"], False),
        (["Host: 127.0.0.1.evil.example"], False),
        (["Host: localhost@evil.example"], False),
        (["Host: localhost:PORT", "Origin: http://evil.example"], False),
        (["Host: localhost:PORT", "Origin: http://localhost:1"], False),
        (["Host: localhost:PORT", "Origin: null"], False),
        (["Host: localhost:PORT", "Origin: http://["], False),
        (["Host: localhost:PORT", "Origin: http://localhost:PORT", "Origin: http://evil"], False),
    ],
)
def test_only_the_page_itself_is_let_in(served: Served, lines: list[str], allowed: bool) -> None:
    status, head = asked(served, [*lines, "Connection: close"])
    assert status == (200 if allowed else 403)
    assert "content-security-policy: frame-ancestors 'none'" in head
    assert "x-frame-options: deny" in head
    # 400: two origins are no request at all.
    assert asked(served, [*lines, *UPGRADE], SOCKET)[0] in ((101,) if allowed else (400, 403))


def test_a_name_that_is_given_is_let_in() -> None:
    from refseg_ros.viewer.admission import Admission

    async def nothing(*_: Any) -> None:
        raise AssertionError

    guard = Admission(nothing, ["robot.example", " Kitchen "])
    assert guard.admits(["robot.example:8080"], ["http://robot.example:8080"])
    assert guard.admits(["kitchen"], [])
    # Behind a proxy that asks by another name.
    assert guard.admits(["127.0.0.1:8080"], ["https://robot.example"])
    assert not guard.admits(["127.0.0.1:8080"], ["https://other.example"])
    assert not guard.admits([], [])
    assert not guard.admits(["a", "a"], [])


def test_table_rows_are_plain_json() -> None:
    pytest.importorskip("nicegui", reason="the page needs nicegui")
    from refseg_ros.viewer.page import candidate_table

    columns, rows = candidate_table(answer())
    assert [c["name"] for c in columns] == ["id", "score", "V", "N", "caption"]
    assert rows[0]["id"] == 5
    assert rows[0]["chosen"]
    assert rows[0]["share"] == "75.0%"
    json.dumps((columns, rows), allow_nan=False)
    assert candidate_table(answer(status=Status.ERROR, size=(0, 0)))[1]


# The page in a browser --------------------------------------------------------------------------


class Tab:
    """A page in headless Chromium, through its DevTools protocol."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.count = 0
        self.requests: set[str] = set()

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.count += 1
        call = {"id": self.count, "method": method, "params": parameters}
        await self.connection.send(json.dumps(call))
        while True:
            message = json.loads(await asyncio.wait_for(self.connection.recv(), 20))
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.add(message["params"]["request"]["url"])
            if message.get("id") == self.count:
                return dict(message.get("result", {}))

    async def script(self, code: str) -> Any:
        result = await self.do("Runtime.evaluate", expression=code, returnByValue=True)
        return result["result"].get("value")

    async def until(self, code: str) -> None:
        for _ in range(150):
            if await self.script(code):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"never true on the page: {code}")

    async def type(self, text: str) -> None:
        await self.script("document.querySelector('.command input').select()")
        await self.do("Input.insertText", text=text)
        await asyncio.sleep(0.3)
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        await self.do("Input.dispatchKeyEvent", type="keyDown", text="\r", **enter)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **enter)


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[str]:
    """Starts a browser; gives the address of its DevTools."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium or google-chrome on this machine")
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --remote-debugging-port=0"
    )
    browser = subprocess.Popen(
        [program, *options.split(), f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = folder / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not (port_file.exists() and port_file.read_text().strip()):
            if time.monotonic() > deadline or browser.poll() is not None:
                pytest.skip("the browser does not start here")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port_file.read_text().split()[0]}"
    finally:
        browser.terminate()
        browser.wait(10)


def browse(folder: Path, address: str, steps: Callable[[Tab], Any]) -> Tab:
    """Opens a page and does something on it."""
    websockets = pytest.importorskip("websockets")

    async def work(devtools: str) -> Tab:
        with urllib.request.urlopen(f"{devtools}/json", timeout=10) as reply:
            pages = [p for p in json.load(reply) if p["type"] == "page"]
        url = pages[0]["webSocketDebuggerUrl"]
        async with websockets.connect(url, max_size=None) as connection:
            tab = Tab(connection)
            for part in ("Network", "Page", "Runtime"):
                await tab.do(f"{part}.enable")
            await tab.do("Page.navigate", url=address)
            await tab.until("!!document.querySelector('.command input')")
            await steps(tab)
            return tab

    with chromium(folder) as devtools:
        return asyncio.run(work(devtools))


def test_typed_command_reaches_ros_unchanged_and_changes_the_picture(
    served: Served, tmp_path: Path
) -> None:
    served.model.set_segmenter(True)
    served.model.set_problem("loading the <i>models</i>")
    served.model.set_scene("scene 5", ("the blue book",))
    served.model.add_frame(1, view())
    command = "  die größere <b>Tasse</b> 赤い "
    pixel = (
        "(() => { const c = document.createElement('canvas'), i = document.querySelector("
        "'.picture img'); c.width = i.naturalWidth; c.height = i.naturalHeight; const g = "
        "c.getContext('2d'); g.drawImage(i, 0, 0); return g.getImageData(150, 8, 1, 1).data[0]"
        " })()"
    )

    async def steps(tab: Tab) -> None:
        await tab.until(f"document.querySelector('.picture img').naturalWidth == {SIZE[1]}")
        await tab.until(f"Math.abs({pixel} - 90) < 8")
        words = "segmenter: loading the <i>models</i>"
        await tab.until(f"document.body.innerText.includes('{words}')")
        await tab.type(command)
        await tab.until(f"{pixel} < 75")  # dimmed, because the mask is drawn
        await tab.until("document.querySelector('.badge').innerText == 'Selected'")
        shown = await tab.script("document.querySelector('.expression').textContent")
        assert shown == command
        assert "<b>mug</b>" in await tab.script("document.querySelector('tbody').innerText")
        await tab.script("document.querySelector('.suggestion').click()")
        await tab.until("document.querySelectorAll('.past').length >= 2")
        await tab.type("x" * (MAX_COMMAND + 1))
        await tab.until("document.body.innerText.includes('Not sent')")
        shot = await tab.do("Page.captureScreenshot")
        assert len(base64.b64decode(shot["data"])) > 10_000

    tab = browse(tmp_path, served.address, steps)
    assert served.sent == [command, "the blue book"]
    foreign = [u for u in tab.requests if not u.startswith((served.address, "data:", "about:"))]
    assert foreign == []
