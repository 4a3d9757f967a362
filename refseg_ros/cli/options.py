# SPDX-License-Identifier: Apache-2.0
"""Options that several commands take, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

PresetOption = Annotated[str, typer.Option(help="A preset (see `refseg presets`) or a YAML file.")]
MethodOption = Annotated[
    str, typer.Option(help="A method (see `refseg methods`) in place of the preset's own.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show what is done.")]
