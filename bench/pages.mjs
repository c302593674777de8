// How long each page of the portal takes to answer, and what it weighs, over a tenant that `tokonomics demo` filled, while the product serves:
//   node bench/pages.mjs http://localhost:8080 EMAIL PASSWORD [ROUNDS]
// Email and password are what the demo printed. A round asks every page once, one after the other, over one connection; medians are over the rounds after the first.
// The time is from asking to the last byte, on this machine: server and loopback, no drawing. Plain HTTP is taken from localhost alone.
import { Agent, request } from 'node:http';

const [base, email, password, rounds = '20'] = process.argv.slice(2);
if (!password) { console.error('node bench/pages.mjs URL EMAIL PASSWORD [ROUNDS]'); process.exit(2); }
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const cookies = new Map();

const ask = (path, form) => new Promise((done, failed) => {
  const body = form && new URLSearchParams(form).toString();
  const start = process.hrtime.bigint();
  const call = request(new URL(path, base), {
    agent, method: form ? 'POST' : 'GET',
    headers: { 'accept-encoding': 'br', cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '), ...(body && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }) },
  }, (answer) => {
    let bytes = 0;
    const parts = [];
    answer.on('data', (part) => { bytes += part.length; parts.push(part); });
    answer.on('end', async () => {
      const ms = Number(process.hrtime.bigint() - start) / 1e6;
      for (const cookie of answer.headers['set-cookie'] ?? []) {
        const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
        cookies.set(name, value);
      }
      const { brotliDecompressSync } = await import('node:zlib');
      const raw = Buffer.concat(parts);
      done({ status: answer.statusCode, to: answer.headers.location, ms, bytes, text: (answer.headers['content-encoding'] === 'br' ? brotliDecompressSync(raw) : raw).toString() });
    });
  });
  call.on('error', failed);
  call.end(body);
});

const login = await ask('/login');
const token = login.text.match(/name="form_token" type="hidden" value="([^"]+)"/)[1];
const entered = await ask('/login', { Email: email, Password: password, form_token: token, form_id: `bench-${process.pid}-${Date.now()}` });
if (entered.status !== 302) { console.error(`sign-in answered ${entered.status}: is ${email} right, and the password?`); process.exit(1); }

const linked = async (path, pattern) => (await ask(path)).text.match(pattern)?.[1].replaceAll('&amp;', '&');
const call = await linked('/calls', /href="(\/calls\/[^"?]+[^"]*)"/), key = await linked('/keys', /href="(\/keys\/key_[^"]+)"/), budget = await linked('/budgets', /href="(\/budgets\/bud_[^"]+)"/);
const pages = [
  '/overview', '/explore', '/explore?range=90d', '/explore?by=tag:customer&range=90d', '/explore?by=key&range=30d', '/calls', '/calls?range=30d&model=gpt-5.1', call, '/keys', key, '/keys/new', '/budgets', budget, '/budgets/new',
  '/providers', '/team', '/team/projects', '/start', '/settings', '/settings/prices', '/settings/tokens', '/settings/audit', '/settings/data', '/account', '/account/security',
].filter(Boolean);
const times = new Map(pages.map((path) => [path, []])), weights = new Map();
for (let round = 0; round <= Number(rounds); round++)
  for (const path of pages) {
    const answer = await ask(path);
    if (answer.status !== 200) { console.error(`${path} answered ${answer.status} ${answer.to ?? ''}`); process.exit(1); }
    times.get(path).push(answer.ms);
    weights.set(path, answer.bytes);
  }

console.log('| page | first, ms | median, ms | slowest, ms | HTML, kB compressed |\n|---|---|---|---|---|');
const name = (path) => path.replace(/^\/(calls|keys|budgets)\/[a-z]+_?[^?]*/, (whole, area) => (whole === path.split('?')[0] && /\d/.test(whole) ? `/${area}/…` : whole));
for (const [path, all] of times) {
  const later = all.slice(1).sort((a, b) => a - b);
  console.log(`| ${name(path)} | ${all[0].toFixed(0)} | ${later[later.length >> 1].toFixed(1)} | ${later.at(-1).toFixed(0)} | ${(weights.get(path) / 1000).toFixed(1)} |`);
}
const medians = [...times.values()].map((all) => all.slice(1).sort((a, b) => a - b)[(all.length - 1) >> 1]).sort((a, b) => a - b);
console.log(`\n${pages.length} pages, ${rounds} rounds after the first; the median page ${medians[medians.length >> 1].toFixed(1)} ms, the slowest page's median ${medians.at(-1).toFixed(1)} ms.`);
