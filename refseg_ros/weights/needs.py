# SPDX-License-Identifier: Apache-2.0
"""Which published checkpoints a preset names, so that one word fetches them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from refseg_ros.config import SegmenterConfig, preset_names
from refseg_ros.config.uses import uses_captions, uses_diffusion, uses_proposals
from refseg_ros.errors import WeightsError
from refseg_ros.weights import cache_folder
from refseg_ros.weights.catalogue import CATALOGUE, Published, find


def names_of(config: SegmenterConfig) -> tuple[str, ...]:
    """Weights as a configuration names them, of the networks that it uses.

    Args:
        config: A preset's configuration.
    """
    found = (config.proposals.checkpoint, config.proposals.detector)
    names = [name for name in found if name and uses_proposals(config)]
    names += [config.clip.checkpoint or config.clip.model] if config.clip.model else []
    if uses_captions(config):
        names.append(config.captions.model)
    if uses_diffusion(config):
        names.append(config.diffusion.model)
    if config.judge.model:
        names.append(config.judge.model)
    return tuple(names)


def needed(config: SegmenterConfig) -> tuple[Published, ...]:
    """Published checkpoints of a configuration; none for what is bundled or the user's own.

    Args:
        config: A preset's configuration.
    """
    found = (find(name) for name in names_of(config))
    return tuple(dict.fromkeys(item for item in found if item is not None))


@contextmanager
def naming_all_missing(config: SegmenterConfig) -> Iterator[None]:
    """Adds to an error of loading what else is missing, so that one command mends all.

    Args:
        config: Whose networks are loaded meanwhile.

    Raises:
        WeightsError: One was raised; with every published file of the configuration that is not
            there, and the command that gets them.
    """
    try:
        yield
    except WeightsError as error:
        cache = cache_folder()
        missing = {
            item: [item.place(file, cache) for file in item.missing(cache) if not file.optional]
            for name in names_of(config)
            # What is at a path of the user's own is not ours to list.
            if (item := find(name)) and not Path(name).expanduser().exists()
        }
        places = [
            str(place)
            for item, gone in missing.items()
            for place in (gone if (cache / item.name).exists() else [cache / item.name])
        ]
        if not places:
            raise
        names = [item.name for item, gone in missing.items() if gone]
        whole = config.name in preset_names()
        raise WeightsError(
            f"{error}; missing are {', '.join(places)}: `refseg weights download "
            f"{config.name if whole else ' '.join(names)}` gets all"
        ) from error


def users(item: Published) -> tuple[str, ...]:
    """Presets of the package that name a checkpoint.

    Args:
        item: A checkpoint of the catalogue.
    """
    return tuple(
        name for name in preset_names() if item in needed(SegmenterConfig.from_preset(name))
    )


def chosen(names: Sequence[str]) -> tuple[Published, ...]:
    """Checkpoints by their own names, or all of a preset by its name.

    Args:
        names: Names of checkpoints or presets, mixed.

    Raises:
        WeightsError: A name is neither; the message lists those that there are.
        ConfigError: A YAML file that is named is no preset.
    """
    found: list[Published] = []
    for name in names:
        item = next((item for item in CATALOGUE if item.name == name), None)
        if item is not None:
            found.append(item)
        elif name in preset_names() or name.endswith((".yaml", ".yml")):
            found.extend(needed(SegmenterConfig.from_preset(name)))
        else:
            raise WeightsError(
                f"weights: no {name!r}; there are the presets {', '.join(preset_names())}, and "
                f"the checkpoints {', '.join(item.name for item in CATALOGUE)}"
            )
    return tuple(dict.fromkeys(found))
