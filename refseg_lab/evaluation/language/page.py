# SPDX-License-Identifier: Apache-2.0
"""A page of the sentences that were answered or read wrong: outlines only, no photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from refseg_lab.evaluation.language.asking import TrueAnswer
from refseg_lab.evaluation.language.labelled import misread
from refseg_lab.evaluation.page import PAGE_STYLE
from refseg_ros.errors import RefsegError

_STYLE = """
svg { display: block; width: 100%; background: var(--ground); }
polygon { fill: none; stroke: var(--quiet); vector-effect: non-scaling-stroke; }
polygon.meant { stroke: var(--good); stroke-width: 3; }
polygon.chosen { stroke: var(--bad); stroke-width: 3; stroke-dasharray: 7 4; }
text { fill: var(--quiet); }
"""


def write_wrong(
    path: Path, answers: Sequence[TrueAnswer], labels: Sequence[Mapping[str, Any]]
) -> None:
    """Write what is wrong, by file and kind.

    Args:
        path: Of the page; its folder is made.
        answers: Of all files; right ones are not shown.
        labels: Likewise.

    Raises:
        RefsegError: It cannot be written.
    """
    wrong: dict[str, list[TrueAnswer]] = {}
    for item in answers:
        if not item.right:
            wrong.setdefault(f"{item.sentence.source}: {item.kind.value}", []).append(item)
    sections = [
        f'<h2>{escape(key)} <span class="quiet">{len(items)} wrong</span></h2><div class="grid">'
        + "".join(map(_card, items))
        + "</div>"
        for key, items in wrong.items()
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sentences answered wrong</title><style>{PAGE_STYLE}{_STYLE}</style></head>"
        "<body><main><header><h1>Sentences answered wrong</h1><div class='quiet'>"
        '<span class="key" style="color:var(--good)"></span>what was meant'
        '<span class="key" style="color:var(--bad)"></span>answer</div></header>'
        f"{''.join(sections)}{_misread(labels)}</main></body></html>\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")
    except OSError as error:
        raise RefsegError(f"{path}: cannot be written ({error.strerror})") from None


def _card(answer: TrueAnswer) -> str:
    sentence = answer.sentence
    picture = sentence.picture
    height, width = picture.size
    shapes, words = [], []
    for row, (outline, names) in enumerate(zip(picture.outlines, picture.names, strict=True)):
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in outline)
        label = escape(f"{row + 1} {names[0] if names else ''}")
        left, top = outline.min(0)
        words.append(f'<text x="{left + 3:.0f}" y="{top + 14:.0f}">{label}</text>')
        for kind in ("meant" * (row in sentence.wanted), "chosen" * (row in answer.chosen)):
            shapes.append(f'<polygon class="{kind}" points="{points}"/>')
    asked = escape(sentence.text)
    return (
        f'<figure><svg viewBox="0 0 {width} {height}">{"".join(sorted(shapes) + words)}</svg>'
        f'<figcaption><div class="asked">“{asked}”</div><div class="said">'
        f'<span class="bad">{escape(answer.status)}</span>'
        f'<span class="quiet">{escape(picture.name)}</span></div>'
        f'<div class="why">{escape(answer.reason)}</div></figcaption></figure>'
    )


def _misread(labels: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"<tr><td>{escape(label['text'])}</td><td>{escape(field)}</td>"
        f"<td>{escape(str(pair[0]))}</td><td>{escape(str(pair[1]))}</td></tr>"
        for label in labels
        for field, pair in misread(label).items()
    ]
    heads = "".join(f"<th>{name}</th>" for name in ("sentence", "field", "labelled", "read"))
    table = f"<table><tr>{heads}</tr>{''.join(lines)}</table>"
    return f'<h2>Read otherwise than labelled</h2><div class="wide">{table}</div>' * bool(lines)
