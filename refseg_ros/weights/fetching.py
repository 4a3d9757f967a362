# SPDX-License-Identifier: Apache-2.0
"""One file from its address to its place, over connections that break."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import safetensors

from refseg_ros.errors import WeightsError
from refseg_ros.weights.catalogue import HUB, File, Published

CHUNK = 1 << 20
Advance = Callable[[int, int], None]
"""Called with the bytes there are of a file, and its size or 0 while that is unknown."""
_REFUSALS = (401, 403, 404, 410)
_ASKED = (
    "; accept its licence on its page, signed in, and set HF_TOKEN to a read token of that account"
)


@dataclass(frozen=True)
class Patience:
    """How long a download bears with a bad connection.

    Attributes:
        timeout: Seconds without a byte after which a connection counts as stalled.
        attempts: Connections in a row that may bring nothing new.
        pause: Seconds before the second of them; doubled for each further one.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


def digest(path: Path) -> str:
    """SHA-256 of a file in lower-case hexadecimal.

    Args:
        path: A file of any size; it is read in pieces.
    """
    code = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            code.update(piece)
    return code.hexdigest()


def fault_of(path: Path, kind: str) -> str:
    """Why a file of no known checksum is not whole, by what its format says of its own length.

    Args:
        path: The file.
        kind: Ending of its name.

    Returns:
        The reason, or "".
    """
    try:
        if kind == ".safetensors":
            with safetensors.safe_open(path, "numpy") as tensors:
                tensors.keys()
        elif kind == ".json":
            json.loads(path.read_text("utf-8"))
        elif not path.stat().st_size:
            raise ValueError("no bytes")
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        return str(error)
    return ""


def beside(place: Path, ending: str) -> Path:
    """What lies beside a file while it comes and afterwards.

    Args:
        place: The file.
        ending: Added to its name.
    """
    return place.with_name(place.name + ending)


def _empty(part: IO[bytes]) -> None:
    part.seek(0)
    part.truncate()


class _Transient(Exception):
    """A fault of the connection: worth another attempt."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keeps the checksum that the hub publishes with the address that it sends on to."""

    sha256 = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        tag = headers.get("X-Linked-ETag", "").strip('"').lower()
        if re.fullmatch("[0-9a-f]{64}", tag):
            self.sha256 = tag
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Fetcher:
    """One file, from its address to its place."""

    def __init__(
        self,
        item: Published,
        file: File,
        cache: Path,
        advance: Advance,
        patience: Patience,
        stop: threading.Event,
    ) -> None:
        """Connect to nothing yet.

        Args:
            item: The checkpoint.
            file: One of its files.
            cache: Folder that it is put below.
            advance: Told about the progress.
            patience: With bad connections.
            stop: Ends it when it is set.
        """
        self._sha256 = file.sha256
        self._redirects = _Redirects()
        self._opener = urllib.request.build_opener(self._redirects)
        self._url = file.url(item.name)
        self._place = item.place(file, cache)
        self._part = beside(self._place, ".part")
        self._tag = beside(self._place, ".part.etag")
        self._advance, self._patience, self._stop = advance, patience, stop

    def fetch(self) -> Path:
        """Fetch the file, or what is missing of it.

        Returns:
            Its place.

        Raises:
            WeightsError: See :func:`refseg_ros.weights.downloading.download`.
        """
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            with self._alone() as part:
                if not self._place.is_file():  # another process may have been faster
                    self._fetch_into(part)
        except OSError as error:
            raise WeightsError(
                f"{self._place}: cannot be written ({error.strerror}); what was received stays in "
                f"{self._part.name}"
            ) from error
        return self._place

    @contextmanager
    def _alone(self) -> Iterator[IO[bytes]]:
        """The open part, locked against other processes; the lock ends with the process."""
        with self._part.open("ab") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WeightsError(
                    f"{self._place}: another process is downloading it; wait for that one"
                ) from None
            try:
                yield part
            finally:  # still locked: nobody else's part is removed
                if self._part.is_file() and not self._part.stat().st_size:
                    self._part.unlink()
                    self._tag.unlink(missing_ok=True)

    def _fetch_into(self, part: IO[bytes]) -> None:
        resumed = part.tell() > 0
        self._receive(part)
        found = digest(self._part)
        if self._sha256 and found != self._sha256:
            _empty(part)
            self._tag.unlink(missing_ok=True)
            if not resumed:
                raise WeightsError(
                    f"{self._url}: is not the published file: its SHA-256 is {found}, published "
                    f"is {self._sha256}; nothing was kept"
                )
            self._fetch_into(part)  # the part may have been another file's: once, from nothing
            return
        if not self._sha256:
            self._check_whole(part)
        part.flush()
        os.fsync(part.fileno())
        # The checksum first: a file that bears its name has one, whenever the power goes.
        record = beside(self._place, ".sha256")
        record.write_text(f"{found}  {self._place.name}\n", "ascii")
        self._part.replace(self._place)
        self._tag.unlink(missing_ok=True)

    def _receive(self, part: IO[bytes]) -> None:
        """Connect until the file is whole, or until nothing new comes any more."""
        idle, have = 0, part.tell()
        while True:
            try:
                self._connect(part)
                return
            except _Transient as error:
                idle, have = (0 if part.tell() > have else idle + 1), part.tell()
                if idle >= self._patience.attempts:
                    raise WeightsError(
                        f"{self._url}: {error}; {have} bytes are kept, run the same command again "
                        "to continue"
                    ) from error
                if self._stop.wait(self._patience.pause * 2 ** max(0, idle - 1)):
                    raise WeightsError(f"{self._url}: broken off") from None

    def _connect(self, part: IO[bytes]) -> None:
        have = self._resumable(part)
        try:
            answer = self._opener.open(self._request(have), timeout=self._patience.timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416:
                if error.headers.get("Content-Range") == f"bytes */{have}":
                    return  # the part is whole
                _empty(part)
                raise _Transient("the server has no bytes after those of the part") from None
            if error.code in _REFUSALS:
                raise WeightsError(
                    f"{self._url}: the server answers {error.code} {error.reason}"
                    + (_ASKED if error.code in (401, 403) else "")
                ) from None
            raise _Transient(f"the server answers {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Transient(f"no connection ({getattr(error, 'reason', error)})") from None
        self._sha256 = self._sha256 or self._redirects.sha256
        with answer:
            self._copy(answer, part, have)

    def _resumable(self, part: IO[bytes]) -> int:
        """Bytes of the part that may stay: a checksum or an entity tag tells whether they fit."""
        have = part.tell()
        if have and not self._sha256 and not self._tag.is_file():
            _empty(part)
            return 0
        return have

    def _request(self, have: int) -> urllib.request.Request:
        headers = {"User-Agent": "refseg_ros", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self._tag.is_file():
                headers["If-Range"] = self._tag.read_text("latin-1")
        request = urllib.request.Request(self._url, headers=headers)
        hub = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        token = os.environ.get("HF_TOKEN", "")
        if token and self._url.startswith(f"{hub}/"):
            # Not for the host that the hub sends us on to.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        return request

    def _copy(self, answer: Any, part: IO[bytes], have: int) -> None:
        if answer.status != 206 and have:
            _empty(part)  # the whole file comes, whatever we have
            have = 0
        total = self._total(answer, have)
        self._remember_tag(answer)
        part.seek(0, os.SEEK_END)
        self._advance(have, total)
        while piece := self._read(answer):
            if self._stop.is_set():
                part.flush()
                raise WeightsError(f"{self._url}: broken off")
            part.write(piece)
            have += len(piece)
            self._advance(have, total)
        part.flush()
        if total and have != total:
            raise _Transient(f"the connection ended after {have} of {total} bytes")

    def _read(self, answer: Any) -> bytes:
        try:
            piece: bytes = answer.read1(CHUNK)
        except TimeoutError:
            raise _Transient(f"nothing came for {self._patience.timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise _Transient(f"the connection broke ({error})") from None
        return piece

    def _check_whole(self, part: IO[bytes]) -> None:
        if fault := fault_of(self._part, self._place.suffix):
            _empty(part)
            raise WeightsError(
                f"{self._url}: is damaged or a different file ({fault}); nothing was kept"
            )

    def _total(self, answer: Any, have: int) -> int:
        """Size of the whole file as the server has it.

        Raises:
            WeightsError: It is a web page.
        """
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else 0
        if answer.status == 206:
            span = answer.headers.get("Content-Range", "")
            fits = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", span)
            if fits is None or int(fits[1]) != have:
                raise _Transient(f"the server continues at {span!r} instead of at byte {have}")
            total = int(fits[2]) if fits[2] != "*" else total
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise WeightsError(f"{self._url}: is a web page, not a file; does it need a log-in?")
        return total

    def _remember_tag(self, answer: Any) -> None:
        tag = answer.headers.get("ETag", "")
        if tag and not tag.startswith("W/"):
            self._tag.write_text(tag, "latin-1")
        else:
            self._tag.unlink(missing_ok=True)
