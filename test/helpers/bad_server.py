# SPDX-License-Identifier: Apache-2.0
"""A file server on this machine that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Server:
    """What it serves and how badly.

    Attributes:
        files: Path to content.
        faults: Path to the faults of the next answers, one each; afterwards it behaves:
            ``cut:N`` sends N bytes and hangs up, ``stall:N`` sends N and then nothing,
            ``long:N`` and ``short:N`` tell N bytes too many or too few, ``slow:S`` waits S
            seconds a block, a number is a status, ``html`` a log-in page, ``whole`` ignores
            ranges.
        asked: (path, Range, Authorization) of each request.
        tags: Whether entity tags are sent.
        linked: Path that it sends on from, to path and checksum, as the hub does.
    """

    files: dict[str, bytes]
    faults: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    tags: bool = True
    linked: dict[str, tuple[str, str]] = field(default_factory=dict)
    url: str = ""


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """A server until the block ends."""
    server = Server(files)
    handler = type("Handler", (_Handler,), {"state": server})
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http_server.daemon_threads = True
    thread = threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http_server.server_address[1]}"
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        state, path = self.state, self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        state.asked.append((path, wanted, self.headers.get("Authorization", "")))
        if path in state.linked:
            target, checksum = state.linked[path]
            self.send_response(302)
            self.send_header("Location", f"{state.url}/{target}")
            self.send_header("X-Linked-ETag", f'"{checksum}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        faults = state.faults.get(path, [])
        kind, _, number = (faults.pop(0) if faults else "").partition(":")
        content = state.files.get(path)
        if kind.isdecimal() or content is None:
            self.send_error(int(kind) if kind.isdecimal() else 404)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if kind == "whole" or self.headers.get("If-Range", tag) != tag:
            start = 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(content, start, kind, float(number or 0), tag)

    def _send(self, content: bytes, start: int, kind: str, number: float, tag: str) -> None:
        body = content[start:]
        told = len(body) + {"long": int(number), "short": -int(number)}.get(kind, 0)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(told))
        page = kind == "html"
        self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
        if self.state.tags:
            self.send_header("ETag", tag)
        self.end_headers()
        if kind in ("cut", "stall"):
            body = body[: int(number)]
        step = 65536 if kind == "slow" else max(len(body), 1)
        with contextlib.suppress(OSError):  # the other side may have gone
            for place in range(0, len(body), step):
                self.wfile.write(body[place : place + step])
                self.wfile.flush()
                if kind == "slow":
                    time.sleep(number)
            if kind == "stall":
                time.sleep(2)
