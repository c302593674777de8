// Makes the pictures of this folder anew: every page of the portal over demo data, light and dark, desktop and phone.
//   dotnet build src/Standalone && npm ci --prefix tests/clients && node docs/screenshots/make.mjs
// Needs /usr/bin/chromium. CHROMIUM names another; DEMO_EVENTS sets how much traffic is invented.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, '../..');
const { chromium } = createRequire(join(root, 'tests/clients/package.json'))('playwright-core');
const dll = join(root, 'src/Standalone/bin/Debug/net10.0/Tokonomics.Standalone.dll');
const data = mkdtempSync(join(tmpdir(), 'tokonomics-pictures-'));
const port = await new Promise((done) => { const s = createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => done(p)); }); });
const base = `http://localhost:${port}`;
const environment = { ...process.env, TOKONOMICS_DATA: data, ASPNETCORE_URLS: base, Portal__Operators: '' };

const said = execFileSync('dotnet', [dll, 'demo', '--tenant', 'Acme', '--email', 'ada@acme.example', '--events', process.env.DEMO_EVENTS ?? '90000'], { env: environment, encoding: 'utf8' });
const password = said.match(/password\s+(\S.*)/i)?.[1].trim();
if (!password) throw new Error(`the demo named no password:\n${said}`);
const product = spawn('dotnet', [dll], { env: environment, stdio: 'ignore' });
try {
  for (let tries = 0; ; tries++) {
    try { if ((await fetch(base + '/healthz')).ok) break; } catch { /* not yet */ }
    if (tries === 300) throw new Error('the product did not start');
    await new Promise((done) => setTimeout(done, 200));
  }

  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  const context = await browser.newContext({ timezoneId: 'Europe/Berlin', reducedMotion: 'reduce' });
  const page = await context.newPage();
  const open = { landing: '/', 'sign-up': '/signup', 'sign-in': '/login' };
  await pictures(open);
  await page.goto(base + '/login');
  await page.fill('[name=Email]', 'ada@acme.example');
  await page.fill('[name=Password]', password);
  await page.click('main button[type=submit]:has-text("Sign in")');
  await page.waitForURL('**/overview');

  const first = async (path, selector) => { await page.goto(base + path); return new URL(await page.locator(selector).first().getAttribute('href'), base).pathname; };
  await pictures({
    overview: '/overview', explore: '/explore', calls: '/calls', call: await first('/calls', 'main tbody a[href^="/calls/"]'),
    keys: '/keys', 'key-new': '/keys/new', key: await first('/keys', 'main tbody a[href^="/keys/key_"]'), budgets: '/budgets', 'budget-new': '/budgets/new', budget: await first('/budgets', 'main a[href^="/budgets/bud_"]'),
    providers: '/providers', team: '/team', start: '/start', settings: '/settings', account: '/account',
  });
  await browser.close();

  async function pictures(paths) {
    for (const [name, path] of Object.entries(paths))
      for (const [size, viewport] of [['desktop', { width: 1280, height: 820 }], ['phone', { width: 390, height: 844 }]])
        for (const colorScheme of ['light', 'dark']) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          const answer = await page.goto(base + path, { waitUntil: 'networkidle' });
          if (!answer.ok()) throw new Error(`${path}: ${answer.status()}`);
          await page.waitForTimeout(400); // charts have drawn themselves
          await page.screenshot({ path: join(here, `${name}-${size}-${colorScheme}.png`) });
        }
  }
} finally {
  product.kill('SIGTERM');
  await new Promise((done) => product.once('exit', done));
  rmSync(data, { recursive: true, force: true });
}
