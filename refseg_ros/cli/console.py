# SPDX-License-Identifier: Apache-2.0
"""What the commands share: exit codes, one-line errors, logging, a spinner."""

from __future__ import annotations

import contextlib
import enum
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from refseg_ros.errors import RefsegError


class ExitCode(enum.IntEnum):
    """What a command tells a shell."""

    SELECTED = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    AMBIGUOUS = 4


@contextlib.contextmanager
def spinner(text: str) -> Iterator[Any]:
    """A spinner on stderr, so that stdout stays clean; nothing where stderr is no terminal."""
    with Console(stderr=True).status(f"[bold]refseg[/bold] {text}…") as status:
        yield status


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns the errors that are raised on purpose into one line on stderr and exit code 1."""
    try:
        yield
    except RefsegError as error:
        line = " ".join(str(error).split())
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]refseg: error:[/bold red] {escape(line)}", highlight=False
        )
        raise typer.Exit(ExitCode.ERROR) from None


def set_up_logging(verbose: bool) -> None:
    """Logs to stderr: errors only, or what is done as well."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR,
        format="%(name)s: %(message)s",
        stream=sys.stderr,
    )
    if not verbose:  # the networks' libraries announce their deprecations to everyone
        warnings.simplefilter("ignore")
