// Draws the pictures of docs/caps.md: node docs/images/make.mjs
import { writeFileSync } from 'node:fs';

const style = `<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 11.5px; fill: #57606a }
  .posted { fill: #4c6ef5 } .held { fill: #f59f00 } .leased { fill: #ffe8a3 } .free { fill: #e9ecef }
  .on { fill: #fff } .line { stroke: #57606a; fill: none } .limit { stroke: #e03131; stroke-width: 2; fill: none } .box { fill: #f6f8fa; stroke: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .leased { fill: #6b5510 } .free { fill: #30363d } .line { stroke: #9198a1 } .box { fill: #161b22; stroke: #6e7681 }
  }
</style>`;

const svg = (width, height, title, body) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<title>${title}</title>
${style}
<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#868e96"/></marker></defs>
${body}
</svg>
`;

// 1. One call on a budget of $10, of which $7 are spent: cents on a bar of 560 pixels.
const px = (cents) => (cents * 560) / 1000;
const bars = [
  ['before the call', [[700, 'posted', '$7.00 spent'], [300, 'free', '$3.00 left']], 'a call comes that costs at most $0.90: it fits'],
  ['while it runs', [[700, 'posted', '$7.00 spent'], [90, 'held', ''], [210, 'free', '$2.10 left']], '$0.90 are held before a byte is sent: others see $2.10'],
  ['after it', [[712, 'posted', '$7.12 spent'], [288, 'free', '$2.88 left']], 'it cost $0.12: that is spent, the rest of the hold is free again'],
  ['a larger one', [[712, 'posted', '$7.12 spent'], [288, 'free', '$2.88 left']], 'at most $4.00: refused, or its output limit lowered to what $2.88 pay for'],
];
let y = 12;
let body = '';
for (const [when, parts, told] of bars) {
  body += `<text x="0" y="${y + 19}">${when}</text>`;
  let x = 110;
  for (const [cents, kind, label] of parts) {
    body += `<rect x="${x}" y="${y}" width="${px(cents)}" height="28" class="${kind}"/>`;
    if (label) body += `<text x="${x + 8}" y="${y + 19}"${kind === 'posted' ? ' class="on"' : ''}>${label}</text>`;
    x += px(cents);
  }
  body += `<path d="M670 ${y - 4}V${y + 32}" class="limit"/><text x="110" y="${y + 47}" class="small">${told}</text>`;
  y += 66;
}
body += `<text x="664" y="${y}" class="small" text-anchor="end">the red line: the limit, $10.00</text>`;
writeFileSync(new URL('budget-bar.svg', import.meta.url), svg(700, y + 10, 'A call on a budget: held before it is sent, settled after it', body));

// 2. How several proxies keep one limit without asking each other.
const box = (x, y, w, h, title, rows) => `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="6" class="box"/><text x="${x + 12}" y="${y + 21}">${title}</text>`
  + rows.map(([name, value, note], i) => `<text x="${x + 12}" y="${y + 41 + i * 18}" class="small">${name}</text><text x="${x + 130}" y="${y + 41 + i * 18}" class="small" text-anchor="end">${value ?? ''}</text><text x="${x + 140}" y="${y + 41 + i * 18}" class="small">${note ?? ''}</text>`).join('');
body = box(10, 20, 290, 122, 'The database: one row for each budget', [['limit', '$10.00'], ['posted', '$7.00', 'is in the ledger'], ['leased', '$1.60', 'for the proxies'], ['posted + leased ≤ limit, by its own CHECK']]);
['proxy 1', 'proxy 2'].forEach((name, i) => {
  const at = 20 + i * 130;
  body += box(470, at, 262, 104, name, [['its lease', '$0.80'], ['held by calls', i ? '$0.30' : '$0.55'], ['free here', i ? '$0.50' : '$0.25', 'decided in memory']]);
  body += `<path d="M300 ${i ? 100 : 60}C380 ${i ? 100 : 60} 390 ${at + 40} 468 ${at + 40}" class="line" marker-end="url(#to)"/>`;
});
body += `<text x="312" y="48" class="small">a lease, before it is needed</text>`;
body += `<path d="M470 230C330 230 190 230 160 146" class="line" marker-end="url(#to)"/><text x="262" y="186" class="small">what calls have cost, in batches;</text><text x="262" y="202" class="small">what of a lease isn't needed</text>`;
body += `<text x="10" y="280" class="small">A proxy that dies takes at most its lease with it: that counts as spent until its journal says what of it was.</text><text x="10" y="297" class="small">None can spend what it has no lease for.</text>`;
writeFileSync(new URL('leases.svg', import.meta.url), svg(750, 306, 'Leases: each proxy decides in memory within what was set aside for it', body));
