# SPDX-License-Identifier: Apache-2.0
"""The look of the page: one style sheet, light and dark, wide and narrow."""

from __future__ import annotations

CSS = """
:root {
  --ground: #f4f5f7; --card: #ffffff; --line: #e3e6ea; --ink: #17202b; --quiet: #66717f;
  --accent: #0f8f6c; --soft: #e8f5f0;
}
body { --q-primary: #0f8f6c !important; }
body.body--dark { color-scheme: dark; --q-primary: #14a77f !important; }
.body--dark {
  --ground: #0f141a; --card: #171e26; --line: #29323d; --ink: #e6ebf1; --quiet: #93a0ae;
  --accent: #2dd4a0; --soft: #17352d;
}
body { background: var(--ground) !important; color: var(--ink); }
.nicegui-content { padding: 0; gap: 0; width: 100%; align-items: stretch; }
.spacer { flex: 1 1 auto; }
.quiet { color: var(--quiet); }
.head { display: flex; align-items: center; gap: 12px; padding: 8px 20px; min-width: 0;
  background: var(--card); border-bottom: 1px solid var(--line); }
.brand { font-weight: 650; font-size: 17px; letter-spacing: -.01em; }
.chip { font-size: 12px; padding: 2px 10px 2px 22px; border-radius: 99px; position: relative;
  border: 1px solid var(--line); color: var(--quiet); white-space: nowrap;
  max-width: 46vw; overflow: hidden; text-overflow: ellipsis; }
.chip::before { content: ""; position: absolute; left: 9px; top: 50%; width: 7px; height: 7px;
  margin-top: -3.5px; border-radius: 50%; background: #d97706; }
.chip.good::before { background: #22b07d; }
.board { display: grid; grid-template-columns: minmax(0, 1.55fr) minmax(360px, 1fr);
  gap: 14px; padding: 14px 20px; align-items: start; }
.left, .right { display: flex; flex-direction: column; gap: 14px; min-width: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; min-width: 0; }
.picture-card { padding: 0; overflow: hidden; position: relative; }
.picture { display: block; width: 100%; background: #0b0f14; min-height: 240px; }
.picture img { display: block; width: 100%; max-height: calc(100vh - 262px);
  object-fit: contain; }
.waiting { position: absolute; left: 0; right: 0; top: 100px; text-align: center;
  color: #cbd5e1; }
.toolbar { display: flex; align-items: center; gap: 10px; padding: 6px 14px; flex-wrap: wrap;
  min-height: 42px; }
.mode { font-size: 13px; color: var(--quiet); }
.command-row { display: flex; gap: 8px; align-items: flex-start; }
.command { flex: 1 1 auto; min-width: 0; }
.command-row .q-btn { min-height: 40px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 10px; min-height: 26px;
  max-height: 60px; overflow: hidden; }
.suggestion { border: 1px solid var(--line); border-radius: 99px; padding: 0 10px;
  font-size: 13px; font-weight: 400; min-height: 26px; color: var(--ink); }
.suggestion:hover { border-color: var(--accent); }
.answer-head { display: flex; gap: 10px; align-items: baseline; min-width: 0; }
.badge { font-size: 12px; font-weight: 600; padding: 2px 9px; border-radius: 6px;
  white-space: nowrap; background: rgb(var(--status) / .22);
  box-shadow: inset 0 0 0 1px rgb(var(--status) / .65); }
.expression { font-size: 17px; font-weight: 600; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
.question { margin-top: 6px; font-weight: 600; overflow-wrap: anywhere; }
.reason { margin-top: 6px; overflow-wrap: anywhere; max-height: 4.6em; overflow: auto; }
.figures { font-size: 12.5px; margin-top: 4px; font-variant-numeric: tabular-nums; }
.table-card { padding: 4px 6px; }
.table-card .q-table__card, .table-card .q-table { background: transparent; color: inherit; }
.table-card .q-table__middle { max-height: 300px; overflow: auto; }
.table-card thead th { position: sticky; top: 0; z-index: 1; background: var(--card);
  color: var(--quiet); font-weight: 500; }
.table-card td, .table-card th { padding: 3px 8px !important; border-color: var(--line);
  font-variant-numeric: tabular-nums; }
.table-card tr.chosen { background: var(--soft); font-weight: 600; }
.table-card tr.out { color: var(--quiet); }
.table-card td.caption { min-width: 120px; white-space: normal; }
.table-card td em { color: var(--quiet); font-size: 12px; font-weight: 400; }
.score { min-width: 70px; }
.score i { display: block; height: 3px; border-radius: 2px; background: var(--accent);
  min-width: 1px; }
.title { font-size: 13px; color: var(--quiet); margin-bottom: 8px; }
.history { display: flex; flex-direction: column; gap: 6px; max-height: 300px; overflow: auto; }
.history:empty::after { content: "Nothing asked yet."; color: var(--quiet); }
.past { display: flex; gap: 10px; align-items: center; text-align: left; padding: 4px;
  border-radius: 8px; cursor: pointer; flex: none; min-width: 0; width: 100%; }
.past:hover, .past:focus-visible { background: var(--ground); }
.past img { width: 76px; border-radius: 5px; flex: none; }
.past-text { min-width: 0; }
.past-expression { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.past-status { font-size: 12px; color: var(--quiet); }
.past-status::before { content: ""; display: inline-block; width: 8px; height: 8px;
  border-radius: 50%; margin-right: 6px; background: rgb(var(--status)); }
@media (max-width: 960px) {
  .board { grid-template-columns: minmax(0, 1fr); padding: 10px; }
  .head { padding: 8px 12px; flex-wrap: wrap; }
  .picture img { max-height: 60vh; }
}
"""
