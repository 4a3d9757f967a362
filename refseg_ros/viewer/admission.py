# SPDX-License-Identifier: Apache-2.0
"""Who may use the live page: browsers that asked for it by a name of this machine, and itself.

A page elsewhere can point a name of its own at this machine (DNS rebinding), open a websocket to
it, or show it in a frame and have its buttons clicked. Each is refused here.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
)
_REFUSED = (
    "refused: this page answers to addresses and names of its machine, and to itself alone; "
    "see the viewer's parameter allowed_hosts\n"
)


class Admission:
    """The web application behind a look at Host and Origin, which no frame may hold.

    Args:
        app: The application.
        names: Names under which it may be asked for, beside those of this machine. Addresses are
            always allowed: a foreign page can only come by a name.
    """

    def __init__(self, app: App, names: Iterable[str] = ()) -> None:
        self._app = app
        own = socket.gethostname()
        self._given = frozenset(_bare(name) for name in names)
        self._names = self._given | {"localhost", _bare(own), _bare(f"{own}.local")}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif self.admits(_headers(scope, b"host"), _headers(scope, b"origin")):
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # a 403 before it is accepted
        else:
            text = _REFUSED.encode()
            head = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
            unframed = _unframed(send)
            await unframed({"type": "http.response.start", "status": 403, "headers": head})
            await unframed({"type": "http.response.body", "body": text})

    def admits(self, hosts: list[str], origins: list[str]) -> bool:
        """Whether a request is for this page, and from it or from no page.

        Args:
            hosts: Its Host headers.
            origins: Its Origin headers; browsers send one with every websocket and with what may
                change something.
        """
        if len(hosts) != 1 or len(origins) > 1:
            return False
        name = _name_of(hosts[0])
        if name is None or not (_is_address(name) or name in self._names):
            return False
        if not origins:
            return True
        try:
            origin = urlsplit(origins[0])
            asked_by = _name_of(origin.netloc)
        except ValueError:
            return False
        return asked_by is not None and (
            origin.netloc.lower() == hosts[0].lower() or asked_by in self._given
        )


def _headers(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _name_of(host: str) -> str | None:
    """The name or address in "name:port"; None if there is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    whole = parts.netloc == host and not (parts.path or parts.query or parts.username)
    return _bare(parts.hostname) if whole and parts.hostname else None


def _bare(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unframed(send: Send) -> Send:
    """Sends on, every answer with the headers that forbid frames."""

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sends
