/**
 * How the page of a report looks. Eight colours that people with any colour vision tell apart, on light and on dark; with
 * more runs they come again, and the lines are dashed.
 */
export const colours = 8

export const css = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #101418); --card: light-dark(#fff, #181d23); --ink: light-dark(#1b2430, #e6ebf1);
  --soft: light-dark(#5d6b7c, #94a3b5); --rule: light-dark(#e1e6ec, #2a323c);
  --good: light-dark(#0a7a4b, #4cc38a); --bad: light-dark(#b4232c, #ff8a80);
  --c0: light-dark(#0b6bcb, #5aa9ff); --c1: light-dark(#c2410c, #ff9a5c); --c2: light-dark(#0f7b6c, #3fd0b6);
  --c3: light-dark(#9333a8, #d58bf0); --c4: light-dark(#8a6d00, #e3c04b); --c5: light-dark(#51606f, #aebccb);
  --c6: light-dark(#c0267a, #ff8fc8); --c7: light-dark(#5b3df5, #a99bff);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 48px; }
header h1 { margin: 0; font-size: 26px; font-weight: 650; letter-spacing: -0.01em; }
header p { margin: 4px 0 0; color: var(--soft); }
.warning { color: var(--bad); font-weight: 600; }
.cards, .plots { display: grid; gap: 16px; margin-top: 24px; }
.cards { grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr)); }
.sheets { margin-top: 16px; columns: 520px 2; column-gap: 16px; }
.card, .plot, .sheet { margin: 0; padding: 16px 18px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.card { border-top: 3px solid var(--own); }
.card h2 { margin: 0 0 8px; font-size: 17px; }
.card dl { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; margin: 0; }
.card dt { color: var(--soft); font-size: 13px; }
.card dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; }
.card p { margin: 10px 0 0; color: var(--soft); font-size: 13px; }
figcaption b { font-weight: 600; }
figcaption span { color: var(--soft); font-size: 13px; margin-left: 6px; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
.grid { stroke: var(--rule); }
.band { fill: var(--bad); opacity: 0.12; }
.mark { stroke: var(--soft); }
.tick { fill: var(--soft); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.line { fill: none; stroke: var(--own); stroke-width: 1.8; stroke-linejoin: round; }
.faint { --own: var(--soft); stroke-dasharray: 4 3; }
.keys { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; }
.key::before { content: ''; display: inline-block; width: 14px; height: 3px; margin-right: 6px; vertical-align: middle; background: var(--own); }
.c0 { --own: var(--c0); } .c1 { --own: var(--c1); } .c2 { --own: var(--c2); }
.c3 { --own: var(--c3); } .c4 { --own: var(--c4); } .c5 { --own: var(--c5); }
.c6 { --own: var(--c6); } .c7 { --own: var(--c7); }
.again { stroke-dasharray: 7 3; }
.key.again::before, .key.faint::before { background: repeating-linear-gradient(90deg, var(--own) 0 5px, transparent 5px 8px); }
.faint { --own: var(--soft); }
.key.event::before { height: 12px; background: var(--bad); opacity: 0.25; }
.sheet { overflow-x: auto; break-inside: avoid; margin-bottom: 16px; }
.sheet.wide { column-span: all; }
.sheet p { margin: 8px 0 0; color: var(--soft); font-size: 13px; }
.sheet h3 { margin: 0 0 8px; font-size: 15px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 0 4px 16px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
th { color: var(--soft); font-weight: 500; font-size: 13px; border-bottom: 1px solid var(--rule); }
td { border-bottom: 1px solid var(--rule); }
tr:last-child td { border-bottom: 0; }
.good { color: var(--good); } .bad { color: var(--bad); }
@media (max-width: 640px) {
  main { padding: 20px 12px 32px; }
  svg { overflow: visible; }
  .tick { font-size: 19px; }
  .line { stroke-width: 2.6; }
  .card, .plot, .sheet { padding: 14px; }
  table { font-size: 13px; }
  th, td { padding-left: 8px; }
  th:first-child, td:first-child { white-space: normal; }
}
footer { margin-top: 24px; color: var(--soft); font-size: 13px; }
code { font-family: ui-monospace, monospace; font-size: 12px; overflow-wrap: anywhere; }
`
