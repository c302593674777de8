// What the tests of real clients share: the product as a process, a provider that plays a script, and an ear on the wire.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const program = path.join(process.env.TOKONOMICS_TEST_PRODUCT || fileURLToPath(new URL('../../src/Standalone/bin/Debug/net10.0', import.meta.url)), 'Tokonomics.Standalone.dll');

// Long enough for two busy cores; nothing waits for it unless something is broken.
const patience = 60_000;

/** Waits until the probe gives something; the probe's last failure is what a timeout says. */
export async function until(what, probe) {
  const end = Date.now() + patience;
  for (let last; ; ) {
    try {
      const found = await probe();
      if (found) return found;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** `dotnet Tokonomics.Standalone.dll` in a folder and on a port of its own. */
export class Product {
  /**
   * @param {object} [options]
   * @param {Record<string, string>} [options.settings] environment variables: Providers__openai__BaseUrl
   * @param {Record<string, string>} [options.providers] the tenant's provider keys by provider
   */
  static async start({ settings = {}, providers = {} } = {}) {
    const product = new Product();
    product.data = await mkdtemp(path.join(tmpdir(), 'tokonomics-clients-'));
    product.url = `http://127.0.0.1:${await freePort()}`;
    // Rows are written sooner than by default, since most tests wait for one.
    product.environment = { ...process.env, Recorder__BatchDelay: '00:00:00.01', ...settings, TOKONOMICS_DATA: product.data, ASPNETCORE_URLS: product.url };
    product.output = '';
    product.process = spawn('dotnet', [program], { env: product.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [product.process.stdout, product.process.stderr]) stream.on('data', (text) => (product.output += text));
    try {
      await until('the product to be ready', async () => {
        if (product.process.exitCode !== null) assert.fail(`the product ended:\n${product.output}`);
        return (await plain(`${product.url}/readyz`)).status === 200;
      });
      await until('the keys of the first start', () => /API token tk_\S+/.test(product.output) && product.output.includes('read the call back'));
      const made = JSON.parse(await product.run('provision', '--tenant', 'clients', '--email', 'clients@example.com', '--plan', 'pro', '--json', ...Object.entries(providers).flatMap(([name, key]) => ['--provider', `${name}=${key}`])));
      Object.assign(product, { liveKey: made.metering_key, liveKeyId: made.metering_key_id, testKey: made.test_key, token: made.api_token });
      await until('the new keys to be known', async () => (await plain(`${product.url}/v1/models`, { authorization: `Bearer ${product.testKey}` })).status === 200);
      return product;
    } catch (e) {
      await product.stop();
      throw e;
    }
  }

  /** A subcommand on the same data, while the product serves. */
  async run(...args) {
    const command = spawn('dotnet', [program, ...args], { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    command.stdout.on('data', (text) => (out += text));
    command.stderr.on('data', (text) => (err += text));
    const [code] = await once(command, 'close');
    assert.equal(code, 0, err);
    return out;
  }

  async api(method, route, body) {
    const answer = await plain(`${this.url}/api/v1/${route}`, { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }, method, body && JSON.stringify(body));
    return { status: answer.status, body: answer.text ? JSON.parse(answer.text) : null };
  }

  /** The ledger's row of a request; it is written up to a second after the call. */
  event(id) {
    assert.match(id ?? '', /^req_[0-9A-Za-z]{26}$/);
    return until(`the row of ${id}`, async () => {
      const { status, body } = await this.api('GET', `usage/events/${id}`);
      return status === 200 && body;
    });
  }

  /** There is no row of a request, and will be none: rows are written in the order of their calls, and that of a later call is there. */
  async hasNoEvent(id, later) {
    await this.event(await later());
    assert.equal((await this.api('GET', `usage/events/${id}`)).status, 404);
  }

  /** The rows with a tag, newest first, once there are so many. */
  tagged(tag, count, environment = 'test') {
    return until(`${count} rows tagged ${tag}`, async () => {
      const { body } = await this.api('GET', `usage/events?limit=1000&environment=${environment}&tag=${encodeURIComponent(tag)}`);
      return body.data.length >= count && body.data;
    });
  }

  /** A key that the test may revoke. */
  async newKey(environment) {
    const { status, body } = await this.api('POST', 'keys', { name: 'short-lived', environment });
    assert.equal(status, 201);
    return body;
  }

  /** The sandbox's own line about a call that has ended. */
  bill(id) {
    return until(`the bill's line of ${id}`, async () => {
      const lines = (await readFile(path.join(this.data, 'sandbox-bill.jsonl'), 'utf8')).split('\n').filter((l) => l.endsWith('}')).map((l) => JSON.parse(l));
      return lines.find((l) => l.id === id && l.outcome !== 'open');
    });
  }

  /** The row of a call that went well: its cost is what the sandbox's bill says, to the nano-dollar. */
  async billed(id) {
    const row = await this.event(id);
    const line = await this.bill(row.provider_request_id);
    assert.equal(row.attempts.length, 1);
    assert.equal(row.outcome, 'completed');
    assert.equal(row.status, 200);
    assert.equal(nano(row.cost_usd), line.cost_nano_usd);
    return row;
  }

  async stop() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      const closed = once(this.process, 'close');
      const last = setTimeout(() => this.process.kill('SIGKILL'), patience);
      this.process.kill('SIGTERM');
      await closed;
      clearTimeout(last);
    }
    await rm(this.data, { recursive: true, force: true });
  }
}

/** Dollars as the API writes them, in nano-dollars. */
export function nano(dollars) {
  if (dollars === null) return null;
  const [whole, fraction = ''] = dollars.split('.');
  assert.ok(fraction.length <= 9, dollars);
  return Number(BigInt(whole + fraction.padEnd(9, '0')));
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// Not fetch, so that what the tests ask themselves is not heard by the ear below.
export async function plain(url, headers = {}, method = 'GET', body = undefined) {
  const request = http.request(url, { method, headers, agent: false });
  request.end(body);
  const [answer] = await once(request, 'response');
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) text += piece;
  return { status: answer.statusCode, headers: answer.headers, text };
}

/**
 * Everything that is sent by fetch while the work runs, in order, with the answers' status and headers: the SDKs stay as they are.
 * @returns {Promise<{result: any, error: any, sent: {method: string, path: string, status?: number, headers: Record<string, string>, id?: string}[]}>}
 */
export async function listen(work) {
  const sent = [];
  const of = new Map();
  const create = ({ request }) => {
    const call = { method: request.method, path: request.path, headers: {} };
    of.set(request, call);
    sent.push(call);
  };
  const headers = ({ request, response }) => {
    const call = of.get(request);
    if (!call) return;
    call.status = response.statusCode;
    for (let i = 0; i < response.headers.length; i += 2) call.headers[response.headers[i].toString().toLowerCase()] = response.headers[i + 1].toString();
    call.id = call.headers['x-tokonomics-request-id'];
  };
  diagnostics.subscribe('undici:request:create', create);
  diagnostics.subscribe('undici:request:headers', headers);
  try {
    return { result: await work(), error: null, sent };
  } catch (error) {
    return { result: null, error, sent };
  } finally {
    diagnostics.unsubscribe('undici:request:create', create);
    diagnostics.unsubscribe('undici:request:headers', headers);
  }
}

/** Work that must succeed in one exchange: what it gave, and the request's id. */
export async function one(work) {
  const { result, error, sent } = await listen(work);
  if (error) throw error;
  assert.equal(sent.length, 1, `one request was expected: ${sent.map((s) => `${s.method} ${s.path}`).join(', ')}`);
  return { result, id: sent[0].id, headers: sent[0].headers, path: sent[0].path };
}

/** Work that must be refused at once: exactly one request, and the error that the SDK raised. */
export async function refused(work) {
  const { error, sent } = await listen(work);
  assert.ok(error, 'an error was expected');
  assert.equal(sent.length, 1, `one request was expected: ${sent.map((s) => `${s.method} ${s.path}`).join(', ')}`);
  return { error, headers: sent[0].headers, id: sent[0].id };
}

/** All items of an async iterable. */
export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A provider on 127.0.0.1 that answers as the test says and remembers what it was asked. */
export class FakeProvider {
  static async start() {
    const provider = new FakeProvider();
    provider.requests = [];
    provider.answer = null;
    provider.server = http.createServer(async (request, response) => {
      const pieces = [];
      try {
        for await (const piece of request) pieces.push(piece);
      } catch {
        return; // the proxy left in the middle of a body
      }
      const seen = { method: request.method, path: request.url, headers: request.headers, body: Buffer.concat(pieces) };
      // Settles when the connection under the answer is gone before the answer was whole.
      seen.gone = new Promise((resolve) => response.on('close', () => response.writableFinished || resolve()));
      provider.requests.push(seen);
      await provider.answer(seen, response);
    });
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.url = `http://127.0.0.1:${provider.server.address().port}`;
    return provider;
  }

  /** Answers with these, one after another; the last one again and again. */
  script(...answers) {
    this.requests = [];
    let next = 0;
    this.answer = (request, response) => answers[Math.min(next++, answers.length - 1)](request, response);
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

/** An answer with these exact bytes. */
export const bytes = (status, body, headers = {}) => (_, response) =>
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers }).end(body);

export const json = (status, body, headers) => bytes(status, JSON.stringify(body), headers);
