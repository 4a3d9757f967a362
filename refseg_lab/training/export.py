# SPDX-License-Identifier: Apache-2.0
"""Writes trained models in the formats in which the package ships them.

Each is the format of the library that loads it: segment-anything's state dict as safetensors
with a description, open_clip's `local-dir` folder, and what transformers' `save_pretrained` makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from refseg_lab.training import (
    latent,
    train_captioner,
    train_clip,
    train_diffusion,
    train_sam,
    vocabulary,
)
from refseg_lab.training.common import RUNS, command, logger, read_checkpoint
from refseg_ros.backbones.clip import MERGES
from refseg_ros.errors import WeightsError
from refseg_ros.proposals.familiarity import FAMILIAR
from refseg_ros.weights import BUNDLED as BUNDLED_NAME
from refseg_ros.weights import resolve

BUNDLED = resolve(BUNDLED_NAME)
"""Folder of the models that come with the package."""


def export_sam(run: Path, out: Path) -> None:
    """Write ``model.safetensors`` and ``config.json``.

    Args:
        run: Folder of the checkpoint.
        out: Folder to write.

    Raises:
        WeightsError: There is no checkpoint, or it is of another network.
    """
    sam = train_sam.build_sam()
    _load(sam, run, "sam")
    _write_tensors(sam, out / "model.safetensors")
    _write_json(train_sam.ARCHITECTURE, out / "config.json")
    # What the network knew before: `python -m refseg_lab.training.familiar` makes it anew.
    (out / FAMILIAR).unlink(missing_ok=True)


def export_clip(run: Path, out: Path) -> None:
    """Write ``open_clip_model.safetensors``, ``open_clip_config.json`` and the merges.

    Args:
        run: Folder of the checkpoint.
        out: Folder to write.

    Raises:
        WeightsError: There is no checkpoint, or it is of another network.
    """
    out.mkdir(parents=True, exist_ok=True)
    train_clip.write_merges(out / MERGES)
    vocabulary = train_clip.clip_tokenizer(out / MERGES).vocab_size
    model = train_clip.build_clip(vocabulary)
    _load(model, run, "model")
    _write_tensors(model, out / train_clip.WEIGHTS)
    config = {
        "model_cfg": train_clip.model_config(vocabulary),
        "preprocess_cfg": {"mean": list(train_clip.MEAN), "std": list(train_clip.STD)},
    }
    _write_json(config, out / "open_clip_config.json")


def export_captioner(run: Path, out: Path) -> None:
    """Write what ``save_pretrained`` of the model and of its processor write.

    Args:
        run: Folder of the checkpoint.
        out: Folder to write.

    Raises:
        WeightsError: There is no checkpoint, or it is of another network.
    """
    model = train_captioner.build_captioner()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    _load(model, run, "model")
    model.half().save_pretrained(out)
    train_captioner.build_processor().save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)


def export_diffusion(run: Path, out: Path) -> None:
    """Write the parts of a Stable Diffusion pipeline, each as ``save_pretrained`` does.

    Args:
        run: Folder of the UNet's checkpoint; the autoencoder's is beside it.
        out: Folder to write.

    Raises:
        WeightsError: There is no checkpoint, or it is of another network.
    """
    clip, encoder_run = resolve(f"{BUNDLED_NAME}clip"), run.parent / "autoencoder"
    text_encoder = latent.build_text_encoder(clip)
    unet = latent.build_unet(int(text_encoder.config.hidden_size))
    autoencoder = latent.build_autoencoder()
    _load(unet, run, "unet")
    _load(autoencoder, encoder_run, "model")
    autoencoder.register_to_config(scaling_factor=train_diffusion.latent_factor(encoder_run))
    networks = {"unet": unet, "vae": autoencoder, "text_encoder": text_encoder}
    for name, network in networks.items():
        network.half().save_pretrained(out / name)
    latent.diffusion_tokenizer(clip).save_pretrained(out / "tokenizer")
    latent.build_scheduler().save_pretrained(out / "scheduler")
    for path in out.rglob("*.safetensors"):
        path.chmod(0o644)


def averaged(begun: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Half of what a training began with and half of what it made (Wortsman et al., CVPR 2022).

    What is trained further for other pictures forgets a little of those that it knew; the mean of
    both weights knows both, as long as the second training was short.

    Args:
        begun: Tensors of the network before, by name.
        trained: Those of the same network after.

    Raises:
        WeightsError: They are not of the same network.
    """
    shapes = [{name: value.shape for name, value in item.items()} for item in (begun, trained)]
    if shapes[0] != shapes[1]:
        raise WeightsError("average: it is of another network than the training")
    return {
        name: ((begun[name].float() + value.float()) / 2).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in trained.items()
    }


def export_vocabulary(out: Path) -> None:
    """Write the names of things and colours that the models were trained on, one a line."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocabulary.txt").write_text(
        "\n".join(vocabulary.known_names()) + "\n", encoding="utf-8"
    )


def write_checksums(out: Path) -> None:
    """Write ``SHA256SUMS`` over all files, as ``sha256sum --check`` reads it."""
    sums = out / "SHA256SUMS"
    files = sorted(path for path in out.rglob("*") if path.is_file() and path != sums)
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}\n"
        for path in files
    ]
    sums.write_text("".join(lines), encoding="utf-8")


def _load(model: torch.nn.Module, run: Path, name: str) -> None:
    state = read_checkpoint(run)
    try:
        model.load_state_dict(state[name])
    except (KeyError, RuntimeError, TypeError) as error:
        raise WeightsError(f"{run} holds a checkpoint of another network: {error}") from error
    logger.info("%s: step %d, %.1f min", run, state["step"], state["used"] / 60)


def _write_tensors(model: torch.nn.Module, path: Path) -> None:
    """Half precision: half the size, and the loaders compute in float32 all the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = model.half().state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, part)
    part.chmod(0o644)  # safetensors makes files that only their owner can read
    os.replace(part, path)


def _write_json(values: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _tensors_in(folder: Path) -> dict[str, dict[str, Tensor]]:
    paths = [path for path in folder.rglob("*.safetensors") if path.name != FAMILIAR]
    if not paths:
        raise WeightsError(f"average: {folder} holds no exported model")
    return {str(path.relative_to(folder)): load_file(path) for path in paths}


EXPORTS = {
    "sam": export_sam,
    "clip": export_clip,
    "captioner": export_captioner,
    "diffusion": export_diffusion,
}


def main(arguments: list[str] | None = None) -> None:
    """The command ``python -m refseg_lab.training.export``."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument(
        "models",
        nargs="*",
        choices=[*EXPORTS, []],
        default=[],
        help="which to export; default: all",
    )
    made.add_argument("--runs", type=Path, default=RUNS, help="folder that contains the trainings")
    made.add_argument("--out", type=Path, default=BUNDLED, help="folder to write to")
    made.add_argument(
        "--average",
        type=Path,
        help="folder of exported models with which the trainings began: write the mean of both",
    )
    options = made.parse_args(arguments)

    def run() -> None:
        for name in options.models or EXPORTS:
            begun = _tensors_in(options.average / name) if options.average else {}
            EXPORTS[name](options.runs / name, options.out / name)
            for file, tensors in begun.items():
                path = options.out / name / file
                save_file(averaged(tensors, load_file(path)), path)
                path.chmod(0o644)
        export_vocabulary(options.out)
        write_checksums(options.out)

    command(run)


if __name__ == "__main__":
    main()
