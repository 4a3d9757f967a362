# SPDX-License-Identifier: Apache-2.0
"""Options that several commands take, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

PresetOption = Annotated[str, typer.Option(help="Preset (see `refseg presets`) or YAML file.")]
MethodOption = Annotated[
    str, typer.Option(help="Method to use instead of the preset's own (see `refseg methods`).")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")]
