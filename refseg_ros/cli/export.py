# SPDX-License-Identifier: Apache-2.0
"""``refseg export``: image encoders as ONNX files beside their weights."""

from __future__ import annotations

from typing import Annotated

import typer

from refseg_ros.cli.console import one_line_errors


def export(preset: Annotated[str, typer.Argument(help="A preset or a YAML file.")]) -> None:
    """Write a preset's image encoders as ONNX files beside the weights (extra onnx).

    A preset with onnx: true loads them on a CPU. Each is checked against torch and timed.
    """
    with one_line_errors():
        from refseg_ros.backbones.device import Device
        from refseg_ros.backbones.exported import gained, write_onnx
        from refseg_ros.config import SegmenterConfig
        from refseg_ros.networks import Networks

        config = SegmenterConfig.from_preset(preset)
        towers, left_out = Networks(Device.from_name("cpu")).towers(config)
        for name in left_out:
            typer.echo(f"left out: {name}", err=True)
        for tower in towers:
            write_onnx(tower)
            torch_ms, onnx_ms, difference = gained(tower)
            slower = "; slower here, so delete it" if onnx_ms > torch_ms else ""
            typer.echo(
                f"wrote {tower.path}: torch {torch_ms:.1f} ms, ONNX Runtime {onnx_ms:.1f} ms, "
                f"difference {difference:.1e}{slower}"
            )
