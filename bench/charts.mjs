// Charts as SVG, for pages that are light or dark: neutral colours that stand on both.

const ink = `text{font:12px system-ui,sans-serif;fill:#57606a}.t{font-weight:600;font-size:14px;fill:#24292f}.n{fill:#24292f}.g{stroke:#d0d7de}
.c0{fill:#8c959f;stroke:#8c959f}.c1{fill:#57606a;stroke:#57606a}.c2{fill:#bf8700;stroke:#bf8700}.c3{fill:#0969da;stroke:#0969da}.c4{fill:#54aeff;stroke:#54aeff}.l{fill:none;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#8d96a0}.t,.n{fill:#e6edf3}.g{stroke:#30363d}.c1{fill:#b1bac4;stroke:#b1bac4}.l{fill:none}}`;
const safe = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const frame = (width, height, title, inside) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${safe(title)}"><style>${ink}</style>\n<text class="t" x="10" y="20">${safe(title)}</text>\n${inside}\n</svg>\n`;
export const number = (x, digits = x < 10 ? 1 : 0) => (Number.isFinite(x) ? x.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits }) : '–');

/** Bars in groups, the value at the end of each. `groups`: { name, bars: [{ name, value, colour }] }; colour 0 to 4. */
export function bars(title, groups, unit) {
  const left = 215, width = 720, most = Math.max(...groups.flatMap((g) => g.bars.map((b) => b.value)).filter(Number.isFinite), 1e-9);
  let y = 34, inside = '';
  for (const group of groups) {
    inside += `<text class="n" x="10" y="${y + 13}">${safe(group.name)}</text>\n`;
    y += 20;
    for (const bar of group.bars) {
      const length = Number.isFinite(bar.value) ? Math.max(1, (width - left - 110) * bar.value / most) : 0;
      inside += `<text x="${left - 8}" y="${y + 12}" text-anchor="end">${safe(bar.name)}</text><rect class="c${bar.colour}" x="${left}" y="${y + 1}" width="${length.toFixed(1)}" height="13" rx="2"/><text class="n" x="${(left + length + 6).toFixed(1)}" y="${y + 12}">${number(bar.value)} ${safe(unit)}</text>\n`;
      y += 18;
    }
    y += 8;
  }
  return frame(width, y + 4, title, inside);
}

/** Lines over time, each series in a panel of its own. `panels`: { name, unit, lines: [{ name, colour, points: [[x, y]] }] }. */
export function lines(title, panels, unitX) {
  const left = 70, width = 720, height = 110;
  const xs = panels.flatMap((p) => p.lines.flatMap((l) => l.points.map(([x]) => x)));
  const [low, high] = [Math.min(...xs, 0), Math.max(...xs, 1)];
  const atX = (x) => left + (width - left - 20) * (x - low) / (high - low);
  let y = 40, inside = '';
  for (const panel of panels) {
    const most = Math.max(...panel.lines.flatMap((l) => l.points.map(([, v]) => v)).filter(Number.isFinite), 1e-9) * 1.08, top = y + 18;
    const atY = (v) => top + height * (1 - v / most);
    for (const share of [0, 0.5, 1]) inside += `<line class="g" x1="${left}" x2="${width - 20}" y1="${atY(most * share / 1.08).toFixed(1)}" y2="${atY(most * share / 1.08).toFixed(1)}"/><text x="${left - 6}" y="${(atY(most * share / 1.08) + 4).toFixed(1)}" text-anchor="end">${number(most * share / 1.08)}</text>\n`;
    inside += `<text class="n" x="${left}" y="${y + 10}">${safe(panel.name)}${panel.unit ? `, ${safe(panel.unit)}` : ''}${panel.lines.length > 1 ? ': ' : ''}</text>`;
    let x = left + 8 * (panel.name.length + panel.unit.length) + 20;
    for (const line of panel.lines) {
      if (panel.lines.length > 1) { inside += `<rect class="c${line.colour}" x="${x}" y="${y + 2}" width="10" height="8"/><text x="${x + 14}" y="${y + 10}">${safe(line.name)}</text>`; x += 26 + 7 * line.name.length; }
      inside += `<path class="l c${line.colour}" style="fill:none" d="${line.points.map(([px, v], i) => `${i ? 'L' : 'M'}${atX(px).toFixed(1)} ${atY(v).toFixed(1)}`).join('')}"/>\n`;
    }
    y = top + height + 22;
  }
  inside += `<text x="${left}" y="${y}">${number(low, 0)}</text><text x="${width - 20}" y="${y}" text-anchor="end">${number(high, 0)} ${safe(unitX)}</text>`;
  return frame(width, y + 12, title, inside);
}
