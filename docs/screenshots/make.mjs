// Makes the pictures of this folder anew, from demo data.
//   dotnet build src/Standalone && npm ci --prefix tests/clients && node docs/screenshots/make.mjs
//   node docs/screenshots/make.mjs --all FOLDER [NAME…]   every page instead, or those: light and dark, desktop and phone, as PNG into that folder
// Needs /usr/bin/chromium. CHROMIUM names another; DEMO_EVENTS sets how much traffic is invented.
import { spawn, execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { webp } from './webp.mjs';

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, '../..');
const all = process.argv[2] === '--all';
const only = new Set(all ? process.argv.slice(4) : []);
const folder = all ? resolve(process.argv[3] ?? 'pictures') : here;
mkdirSync(folder, { recursive: true });
const { chromium } = createRequire(join(root, 'tests/clients/package.json'))('playwright-core');
const dll = join(root, 'src/Standalone/bin/Debug/net10.0/Tokonomics.Standalone.dll');
const data = mkdtempSync(join(tmpdir(), 'tokonomics-pictures-'));
const port = await new Promise((done) => { const s = createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => done(p)); }); });
const base = `http://localhost:${port}`;
const email = 'ada@acme.example', fresh = 'grace@new.example', secret = 'correct horse battery staple';
const environment = { ...process.env, TOKONOMICS_DATA: data, ASPNETCORE_URLS: base, Portal__Operators: all ? email : '' };

const said = execFileSync('dotnet', [dll, 'demo', '--tenant', 'Acme', '--email', email, '--events', process.env.DEMO_EVENTS ?? '90000'], { env: environment, encoding: 'utf8' });
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
  const person = async () => {
    const context = await browser.newContext({ timezoneId: 'Europe/Berlin', reducedMotion: 'reduce' });
    context.setDefaultTimeout(90_000);
    return context.newPage();
  };
  const page = await person();
  if (all) await pictures(page, { landing: '/', 'sign-up': '/signup', 'sign-in': '/login', forgot: '/forgot', pricing: '/pricing', 'not-found': '/no-such-page' });
  await signIn(page, email, password);

  const first = async (path, selector) => { await page.goto(base + path); return new URL(await page.locator(selector).first().getAttribute('href'), base).pathname; };
  const call = await first('/calls', 'main tbody a[href^="/calls/"]'), budget = await first('/budgets', 'main a[href^="/budgets/bud_"]');
  if (all) {
    const routed = await first('/calls?model=gpt-4o-mini&tag=feature%3Dsummarise', 'main tbody a[href^="/calls/"]');
    const key = await first('/keys', 'main tbody a[href^="/keys/key_"]'), route = await first('/routes', 'main a[href^="/routes/route_"]');
    await pictures(page, {
      overview: '/overview', 'overview-test': '/overview?env=test', explore: '/explore', 'explore-customer': '/explore?by=tag%3Acustomer&range=90d', calls: '/calls', 'call-routed': routed, 'calls-columns': '/calls?columns=model,project,team,input,cached,output,cost,id', call,
      keys: '/keys', 'key-new': '/keys/new', key, budgets: '/budgets', 'budget-new': '/budgets/new', budget, routes: '/routes', savings: '/routes/savings', 'route-new': '/routes/new', route, alerts: '/alerts', 'alert-rules': '/alerts/rules', 'alert-channels': '/alerts/channels', providers: '/providers', team: '/team', projects: '/team/projects', billing: '/billing', customers: '/billing/customers', statement: '/billing/statement?customer=acme', meter: '/billing/meter', start: '/start', 'start-live': '/start?for=live',
      settings: '/settings', prices: '/settings/prices', tokens: '/settings/tokens', audit: '/settings/audit', data: '/settings/data', search: '/search?q=search', account: '/account', security: '/account/security', sessions: '/account/sessions', tenants: '/account/tenants', totp: '/account/totp',
    });
    // An invitation, and the operator's pages, which want two factors.
    await page.goto(base + '/team');
    await page.fill('form[action*=Invite] [name=Email]', 'eve@else.example');
    await page.click('form[action*=Invite] button');
    const link = (await page.innerText('#link')).trim();
    await pictures(await person(), { invite: link.slice(link.indexOf('/invite')) });
    await page.goto(base + '/account/totp');
    const seed = (await page.textContent('#seed')).replaceAll(' ', '');
    await page.fill('[name=Code]', code(seed));
    await page.click('main button:has-text("Turn on")');
    await page.waitForSelector('#codes');
    await pictures(page, { operator: '/operator', 'operator-accounts': '/operator/accounts', 'operator-system': '/operator/system', 'operator-jobs': '/operator/jobs', 'operator-audit': '/operator/audit' });
    // Somebody for whom there is nothing yet.
    const other = await person();
    await other.goto(base + '/signup');
    await other.fill('[name=Email]', fresh);
    await other.fill('[name=Password]', secret);
    await other.click('main button[type=submit]');
    await other.goto(base + '/dev/mail');
    await other.click('article a');
    await other.click('main button');
    await other.waitForURL('**/welcome');
    await pictures(other, { welcome: '/welcome' });
    await other.goto(base + '/welcome');
    await other.fill('[name=Name]', 'Gesellschaft für die Berechnung sehr langer Namen mit beschränkter Haftung');
    await other.click('main button[type=submit]');
    await other.waitForURL('**/start');
    await pictures(other, Object.fromEntries(['/overview', '/explore', '/calls', '/keys', '/budgets', '/routes', '/routes/savings', '/providers', '/team', '/team/projects', '/settings/prices', '/settings/tokens', '/start'].map((path) => ['empty' + path.replaceAll('/', '-'), path])));
  } else {
    await pictures(page, { overview: '/overview', explore: '/explore', budget }, { light: ['desktop'], dark: ['desktop'] });
    await pictures(page, { calls: '/calls', keys: '/keys', start: '/start?for=live', alerts: '/alerts', 'alert-rules': '/alerts/rules' }, { light: ['desktop'] });
    await pictures(page, { overview: '/overview', call }, { light: ['phone'] });
  }

  await browser.close();

  async function signIn(who, address, word) {
    await who.goto(base + '/login');
    await who.fill('[name=Email]', address);
    await who.fill('[name=Password]', word);
    await who.click('main button[type=submit]:has-text("Sign in")');
    await who.waitForURL('**/overview');
  }

  async function pictures(who, paths, wanted = { light: ['desktop', 'phone'], dark: ['desktop', 'phone'] }) {
    for (const [name, path] of Object.entries(paths).filter(([name]) => only.size === 0 || only.has(name)))
      for (const [colorScheme, sizes] of Object.entries(wanted))
        for (const size of sizes) {
          await who.setViewportSize(size === 'phone' ? { width: 390, height: 844 } : { width: 1280, height: 820 });
          await who.emulateMedia({ colorScheme });
          const answer = await who.goto(base + path, { waitUntil: 'networkidle' });
          if (!answer.ok() && name !== 'not-found') throw new Error(`${path}: ${answer.status()}`);
          await who.waitForTimeout(300); // charts have drawn themselves
          const wide = await who.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (wide > 0) console.error(`${name} is ${wide} pixels too wide for a ${size}`);
          const png = await who.screenshot({ fullPage: all });
          const file = join(folder, `${name}-${size}-${colorScheme}`);
          if (all) writeFileSync(file + '.png', png);
          else writeFileSync(file + '.webp', await webp(browser, png));
        }
  }

  // RFC 6238.
  function code(seed) {
    const bits = [...seed].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
    const step = Buffer.alloc(8);
    step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
    const mac = createHmac('sha1', Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))).update(step).digest();
    return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
  }
} finally {
  product.kill('SIGTERM');
  await new Promise((done) => product.once('exit', done));
  rmSync(data, { recursive: true, force: true });
}
