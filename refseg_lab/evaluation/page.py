# SPDX-License-Identifier: Apache-2.0
"""A page of answers in one HTML file: no script, no network, light and dark."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from refseg_lab.evaluation.pictures import (
    answers_sheet,
    best_answers,
    draw_answer,
    random_answers,
    scaled,
    verdict,
    worst_answers,
)
from refseg_lab.evaluation.records import Answer, Sample, SceneResult
from refseg_lab.evaluation.reliability import STYLE, reliability_diagram
from refseg_lab.evaluation.summary import PhenomenonRow, Summary
from refseg_lab.evaluation.tables import number, number_interval, percent, percent_interval
from refseg_ros.errors import RefsegError
from refseg_ros.image_io import write_image

EXAMPLES = 15
"""Best and worst answers shown of each split."""
RANDOM = 20
"""Random answers shown of each split, and on its sheet."""
_WIDTH, _QUALITY = 480, 82

PAGE_STYLE = """
:root { color-scheme: light dark;
  --ground: #f4f5f7; --card: #fff; --line: #e3e6ea; --ink: #17202b; --quiet: #66717f;
  --good: #0f8f6c; --bad: #c93f3b; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0f141a; --card: #171e26; --line: #29323d; --ink: #e6ebf1; --quiet: #93a0ae;
  --good: #2dd4a0; --bad: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1560px; margin: 0 auto; padding: 0 24px 64px; }
header { padding: 28px 0 4px; }
h1 { font-size: 26px; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 21px; letter-spacing: -.01em; margin: 40px 0 4px; }
h3 { font-size: 15px; margin: 28px 0 10px; }
h3 span, .quiet { color: var(--quiet); font-weight: 400; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 14px; }
nav a { color: inherit; text-decoration: none; border: 1px solid var(--line); padding: 3px 12px;
  border-radius: 99px; background: var(--card); font-size: 13px; }
.key { display: inline-block; width: 22px; height: 0; border-top: 3px solid;
  margin: 0 5px 4px 12px; vertical-align: middle; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin-top: 12px; }
th, td { padding: 4px 14px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--quiet); font-weight: 500; border-bottom: 1px solid var(--line); }
tr.total td { font-weight: 650; border-top: 1px solid var(--line); }
.grid { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; display: flex; flex-direction: column; }
figure img { display: block; width: 100%; height: auto; }
figcaption { padding: 9px 12px 11px; display: flex; flex-direction: column; gap: 3px; flex: 1; }
.asked { font-weight: 600; overflow-wrap: anywhere; }
.said { display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 13px; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.why { font-size: 12.5px; color: var(--quiet); overflow-wrap: anywhere; }
"""


def write_page(
    folder: Path,
    title: str,
    splits: Sequence[tuple[str, Summary, Sequence[SceneResult], Sequence[Sample]]],
    seed: int,
) -> list[Path]:
    """Write ``index.html`` and, for each split, a sheet of random answers.

    Args:
        folder: Where to; it exists.
        title: Title of the page, e.g. the segmenter.
        splits: Name, figures, records and pictures of each; records and pictures are in the
            same order.
        seed: Seed for the random choice.

    Returns:
        The files written.

    Raises:
        RefsegError: A file cannot be written.
    """
    sections, written = [], [folder / "index.html"]
    for name, summary, results, samples in splits:
        random = random_answers(results, RANDOM, seed)
        rows = {result.scene: row for row, result in enumerate(results)}
        groups = (
            ("Worst answers", "in turn of each phenomenon", worst_answers(results, EXAMPLES)),
            ("Random answers", "one of each of some random scenes", random),
            ("Best answers", "in turn of each phenomenon", best_answers(results, EXAMPLES)),
        )
        shown = [
            card_group(heading, note, [(samples[rows[item.scene]], item) for item in answers])
            for heading, note, answers in groups
        ]
        sections.append(
            f'<section id="{escape(name)}"><h2>{escape(name)}</h2>'
            + "".join((_table(summary), _scores(summary), *shown))
            + "</section>"
        )
        if random:
            sheet = folder / f"random_{name}.jpg"
            write_image(sheet, answers_sheet([samples[rows[i.scene]] for i in random], random))
            written.append(sheet)
    try:
        written[0].write_text(_page(title, [item[0] for item in splits], sections), "utf-8")
    except OSError as error:
        raise RefsegError(f"{written[0]}: cannot be written ({error.strerror})") from None
    return written


def _page(title: str, names: Sequence[str], sections: Sequence[str]) -> str:
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>RefTabletop · {escape(title)}</title><style>{PAGE_STYLE}{STYLE}</style></head>"
        "<body><main>"
        f"<header><h1>RefTabletop</h1><div class='quiet'>{escape(title)}"
        '<span class="key" style="color:#2dd4a0"></span>answer'
        '<span class="key" style="color:#fbb028"></span>answer called ambiguous'
        '<span class="key" style="color:#aab3bd"></span>what was meant</div>'
        f"<nav>{links}</nav></header>{''.join(sections)}</main></body></html>\n"
    )


def card_group(heading: str, note: str, shown: Sequence[tuple[Sample, Answer]]) -> str:
    """Answers under a heading; nothing if there are none."""
    if not shown:
        return ""
    cards = "".join(_card(sample, answer) for sample, answer in shown)
    return f'<h3>{escape(heading)} <span>{escape(note)}</span></h3><div class="grid">{cards}</div>'


def _card(sample: Sample, answer: Answer) -> str:
    picture = scaled(draw_answer(sample, answer), _WIDTH)
    height, width = picture.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    colour = "good" if answer.right else "bad"
    asked = escape(answer.expression)
    return (
        f'<figure><img loading="lazy" width="{width}" height="{height}" alt="{asked}" '
        f'src="data:image/jpeg;base64,{data}"><figcaption><div class="asked">“{asked}”</div>'
        f'<div class="said"><span class="{colour}">{escape(verdict(answer))}</span>'
        f'<span class="quiet">{escape(answer.phenomenon)} · {escape(answer.scene)}</span></div>'
        f'<div class="why">{escape(answer.reason)}</div></figcaption></figure>'
    )


def _table(summary: Summary) -> str:
    head = ("phenomenon", "n", "Pr@50 %", "mIoU", "oIoU", "oracle Pr@50 %", "chance Pr@50 %")
    lines = [_line(row) for row in summary.rows]
    if summary.total:
        lines.append(_line(summary.total).replace("<tr>", '<tr class="total">', 1))
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="wide"><table><tr>{heads}</tr>{"".join(lines)}</table></div>'


def _scores(summary: Summary) -> str:
    """How far scores are probabilities, as a picture."""
    found = summary.calibration.get("present")
    if found is None:
        return ""
    figures = (
        f"ECE {number_interval(found.ece)}, {found.chance:.3f} by chance alone, equal mass "
        f"{number_interval(found.ece_mass)}, Brier {number_interval(found.brier)}, n = {found.n}"
    )
    return (
        f"<h3>Score as a probability <span>{escape(figures)}</span></h3>"
        f"{reliability_diagram(found)}"
    )


def _line(row: PhenomenonRow) -> str:
    figures = row.figures
    if not row.limits:
        name = f"{row.phenomenon} (refused)"
        values = [percent_interval(figures["refused_right"]), *["–"] * 4]
    else:
        name = row.phenomenon
        values = [
            percent_interval(figures["pr50"]),
            number_interval(figures["miou"]),
            number(figures["oiou"]),
            percent(figures["oracle_pr50"]),
            percent(figures["chance_pr50"]),
        ]
    cells = "".join(f"<td>{escape(value)}</td>" for value in (name, str(row.n), *values))
    return f"<tr>{cells}</tr>"
