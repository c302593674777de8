// Makes pictures of messages: mails as they are, Slack's much as Slack shows them.
//   TOKONOMICS_WRITE_MESSAGES=FOLDER dotnet test tests/Infrastructure.Tests --filter FullyQualifiedName~MessageSamples
//   npm ci --prefix tests/clients && node docs/screenshots/messages.mjs FOLDER          every message: light and dark, desktop and phone, as PNG beside it
//   node docs/screenshots/messages.mjs FOLDER --docs                                     instead one mail and one message of Slack, for this folder
// Needs /usr/bin/chromium. CHROMIUM names another.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { webp } from './webp.mjs';

const here = dirname(fileURLToPath(import.meta.url)), folder = resolve(process.argv[2] ?? 'messages'), docs = process.argv[3] === '--docs';
const { chromium } = createRequire(join(here, '../../tests/clients/package.json'))('playwright-core');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const page = await (await browser.newContext({ reducedMotion: 'reduce' })).newPage();
try {
  const names = readdirSync(folder).filter((f) => /\.(slack\.json|mail\.html)$/.test(f)).filter((f) => !docs || ['spike.slack.json', 'threshold.mail.html'].includes(f));
  for (const name of names)
    for (const colorScheme of docs ? ['light'] : ['light', 'dark'])
      for (const size of docs ? ['desktop'] : ['desktop', 'phone']) {
        await page.setViewportSize({ width: size === 'phone' ? 390 : 720, height: 120 });
        await page.emulateMedia({ colorScheme });
        if (name.endsWith('.html')) await page.goto(pathToFileURL(join(folder, name)).href);
        else await page.setContent(slack(JSON.parse(readFileSync(join(folder, name), 'utf8'))));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) console.error(`${name} is ${wide} pixels too wide for a ${size}`);
        const png = await page.screenshot({ fullPage: true });
        const file = name.replace(/\.(slack)\.json$|\.(mail)\.html$/, (_, a, b) => `-${a ?? b}-${size}-${colorScheme}`);
        if (docs) writeFileSync(join(here, `alert-${file}.webp`), await webp(browser, png));
        else writeFileSync(join(folder, file + '.png'), png);
      }
} finally {
  await browser.close();
}

// Header, section with text and fields, button and context, in about the measures that Slack shows them in.
function slack(message) {
  // Not every machine has a font with these.
  const signs = { '🔴': '#e01e5a', '🟠': '#f2862b', '🔵': '#1d9bd1' };
  const signed = (t) => t.replace(/🔴|🟠|🔵|✅/gu, (sign) => `<svg width="18" height="18" viewBox="0 0 18 18" style="vertical-align:-3px">${sign === '✅' ? '<rect x="1" y="1" width="16" height="16" rx="3" fill="#2eb67d"/><path d="M4.5 9.5l3 3 6-7" fill="none" stroke="#fff" stroke-width="2.2"/>' : `<circle cx="9" cy="9" r="8" fill="${signs[sign]}"/>`}</svg>`);
  const text = (t) => (t.type === 'plain_text' ? signed(escaped(t.text)) : t.text.replace(/\*([^*\n]+)\*/g, '<b>$1</b>').replaceAll('\n', '<br>'));
  const block = (b) => ({
    header: () => `<h1>${text(b.text)}</h1>`,
    section: () => (b.text ? `<p>${text(b.text)}</p>` : '') + (b.fields ? `<div class="fields">${b.fields.map((f) => `<div>${text(f)}</div>`).join('')}</div>` : ''),
    actions: () => `<div>${b.elements.map((e) => `<a class="button ${e.style ?? ''}">${text(e.text)}</a>`).join(' ')}</div>`,
    context: () => `<div class="context">${b.elements.map(text).join(' ')}</div>`,
    divider: () => '<hr>',
  })[b.type]();
  return `<!doctype html><meta charset="utf-8"><style>
    :root { color-scheme: light dark; --ink: #1d1c1d; --soft: #616061; --page: #fff; --line: #dddddd; } @media (prefers-color-scheme: dark) { :root { --ink: #d1d2d3; --soft: #ababad; --page: #1a1d21; --line: #565856; } }
    body { margin: 0; padding: 16px 20px; background: var(--page); color: var(--ink); font: 15px/22px Lato, Slack-Lato, system-ui, sans-serif; display: grid; grid-template-columns: 36px minmax(0, 1fr); gap: 0 8px; overflow-wrap: anywhere; }
    .face { width: 36px; height: 36px; border-radius: 8px; background: #0b6b6b; } .by b { font-weight: 900; } .by span { color: var(--soft); font-size: 12px; } .by .app { font-size: 10px; background: color-mix(in srgb, var(--soft) 20%, transparent); border-radius: 2px; padding: 1px 3px; margin: 0 4px; font-weight: 700; }
    .blocks { max-width: 600px; display: grid; gap: 8px; } h1 { font-size: 18px; line-height: 24px; font-weight: 900; margin: 8px 0 0; } p { margin: 0; } .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; }
    .button { display: inline-block; border: 1px solid var(--line); border-radius: 8px; padding: 0 12px; line-height: 34px; font-weight: 700; font-size: 15px; } .context { font-size: 12px; line-height: 16px; color: var(--soft); } hr { border: 0; border-top: 1px solid var(--line); width: 100%; }
    @media (max-width: 500px) { .fields { grid-template-columns: 1fr; } }
  </style><div class="face"></div><div><div class="by"><b>Tokonomics</b><span class="app">APP</span><span>2:12 PM</span></div><div class="blocks">${message.blocks.map(block).join('')}</div></div>`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

