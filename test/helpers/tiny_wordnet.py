# SPDX-License-Identifier: Apache-2.0
"""A WordNet of a few synsets, in the format of Princeton's files."""

from __future__ import annotations

from pathlib import Path

# name: lexicographer file, words, names of those above, gloss
SYNSETS = {
    "entity": (3, ["entity"], [], "what is"),
    "artefact": (6, ["artefact"], ["entity"], "a man-made object"),
    "instrument": (6, ["instrument"], ["artefact"], "a device"),
    "rubber": (6, ["rubber", "eraser"], ["instrument"], "an implement used to erase something"),
    "chisel": (6, ["chisel"], ["edge_tool"], 'a tool for carving wood; "he saw the chisel"'),
    "edge_tool": (6, ["edge_tool"], ["instrument"], "any cutting tool"),
    "beaker": (6, ["beaker"], ["artefact"], "a vessel intended for drinking"),
    "novel": (6, ["novel"], ["artefact"], "a printed and bound written work"),
    "mug": (6, ["mug"], ["artefact"], "with handle and usually cylindrical"),
    "fool": (18, ["mug", "fool"], ["person"], "a person who is gullible"),
    "person": (18, ["person"], ["entity"], "a human being"),
    "saying": (10, ["beaker", "words"], ["entity"], "nothing that can be seen"),
    "rome": (15, ["rome"], [], "a town"),
}


def written(folder: Path, synsets: dict[str, tuple[int, list[str], list[str], str]]) -> Path:
    """The files of WordNet 3 with these synsets; offsets are those of the lines' first bytes."""
    licence = "  1 This software and database is being provided to you, the LICENSEE  \n"

    def lines(offsets: dict[str, int]) -> dict[str, str]:
        return {
            name: f"{offsets[name]:08d} {file:02d} n {len(words):02x} "
            + "".join(f"{word} 0 " for word in words)
            + f"{len(above):03d} "
            + "".join(f"@ {offsets[item]:08d} n 0000 " for item in above)
            + f"| {gloss}  \n"
            for name, (file, words, above, gloss) in synsets.items()
        }

    offsets, at = dict.fromkeys(synsets, 0), len(licence)
    for name, line in lines(offsets).items():
        offsets[name] = at
        at += len(line)
    (folder / "data.noun").write_text(licence + "".join(lines(offsets).values()))
    senses: dict[str, list[int]] = {}
    for name, (_, words, _, _) in synsets.items():
        for word in words:
            senses.setdefault(word, []).append(offsets[name])
    index = (
        f"{word} n {len(found)} 1 @ {len(found)} 0 "
        + " ".join(f"{item:08d}" for item in found)
        + "  \n"
        for word, found in sorted(senses.items())
    )
    (folder / "index.noun").write_text(licence + "".join(index))
    verbs = ("carve", "cut", "drink", "erase", "write")
    (folder / "index.verb").write_text(
        licence + "".join(f"{verb} v 1 1 @ 1 0 00000100  \n" for verb in verbs)
    )
    (folder / "verb.exc").write_text("cutting cut\nwritten write\n")
    for name in ("index.adj", "index.adv", "noun.exc", "adj.exc", "adv.exc"):
        (folder / name).write_text("")
    return folder
