// curl, as the first start's output shows it, and with what else its users try.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FakeProvider, Product, bytes, nano } from './harness.mjs';

let product, fake;
const body = (model, more = '') => `{"model":"${model}","messages":[{"role":"user","content":"Hello"}]${more}}`;
const odd = '{ "id":"x",\n\t"object" : "chat.completion", "unknown":[1.10,1e3,"\\u00e9\\/"], "choices":[],\r\n "usage":{"prompt_tokens":3 ,"completion_tokens":2,"total_tokens":5} , "model":"gpt-5-mini" }\n\n';

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({ settings: { Providers__openai__BaseUrl: fake.url, Proxy__MaxBodyBytes: '2097152' }, providers: { openai: 'sk-stored-provider-key-0001' } });
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

/** Runs a command; its output as bytes and its exit code. */
async function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const [out, err] = [[], []];
  child.stdout.on('data', (piece) => out.push(piece));
  child.stderr.on('data', (piece) => err.push(piece));
  const [code] = await once(child, 'close');
  return { code, out: Buffer.concat(out), text: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

let calls = 0;

/** curl, with the answer's headers beside its output. */
async function curl(path, key, ...args) {
  const file = `${product.data}/headers-${++calls}`;
  const answer = await run('curl', ['-sS', '--max-time', '60', '-D', file, `${product.url}${path}`, ...(key ? ['-H', `Authorization: Bearer ${key}`] : []), '-H', 'Content-Type: application/json', ...args]);
  // The last head: a 100 Continue has one of its own.
  const head = (await readFile(file, 'utf8')).trim().split('\r\n\r\n').at(-1);
  return { ...answer, head, status: Number(/^HTTP\/\S+ (\d+)/.exec(head)?.[1]), id: /x-tokonomics-request-id: (\S+)/i.exec(head)?.[1] };
}

describe("the first start's output", () => {
  const commands = () => product.output.split('\n').map((l) => l.trim()).filter((l) => l.startsWith('curl '));

  test('its commands work as they stand there, one after the other', async () => {
    const [ask, read, ...more] = commands();
    assert.deepEqual(more, []);
    const asked = await run('sh', ['-c', ask]);
    assert.equal(asked.code, 0, asked.err);
    const answer = JSON.parse(asked.text);
    assert.match(answer.choices[0].message.content, /sandbox answering/);
    for (;;) {
      // Events are written up to a second after the call.
      const listed = await run('sh', ['-c', read]);
      assert.equal(listed.code, 0, listed.err);
      const { data } = JSON.parse(listed.text);
      if (data.length === 0) continue;
      assert.equal(data.length, 1);
      assert.equal(data[0].usage.input_tokens, answer.usage.prompt_tokens);
      assert.equal(data[0].usage.output_tokens, answer.usage.completion_tokens);
      assert.equal(nano(data[0].cost_usd), answer.usage.prompt_tokens * 1000 + answer.usage.completion_tokens * 2000);
      break;
    }
  });

  test('its live key says what is missing', async () => {
    const live = /live key {2}(\S+)/.exec(product.output)[1];
    const { status, text } = await curl('/v1/chat/completions', live, '-d', body('openai/gpt-5-mini'));
    assert.equal(status, 404);
    assert.equal(JSON.parse(text).error.code, 'unknown_model');
    const direct = await curl('/proxy/openai/v1/chat/completions', live, '-d', body('gpt-5-mini'));
    assert.equal(direct.status, 401);
    assert.match(JSON.parse(direct.text).error.message, /no key for openai is stored/);
    assert.ok(product.output.includes(`POST ${product.url}/api/v1/credentials`));
  });
});

describe('bytes', () => {
  test("the provider's bytes arrive as they are", async () => {
    fake.script(bytes(200, odd, { 'x-of-the-provider': 'a b' }));
    const { out, head, id } = await curl('/v1/chat/completions', product.liveKey, '-d', body('gpt-5-mini'));
    assert.ok(out.equals(Buffer.from(odd)));
    assert.match(head, /x-of-the-provider: a b/);
    const row = await product.event(id);
    assert.deepEqual([row.usage.input_tokens, row.usage.output_tokens], [3, 2]);
    assert.equal(row.response_bytes, Buffer.byteLength(odd));
  });

  test('the request reaches the provider as it was written', async () => {
    fake.script(bytes(200, odd));
    const written = '{"messages" : [ ],\n "x": 1.10, "é":"\\u00e9", "model" :"gpt-5-mini"  }';
    await curl('/v1/chat/completions', product.liveKey, '--data-binary', written);
    assert.equal(fake.requests[0].body.toString(), written);
  });

  test('a stream without include_usage: what is asked for in its place is taken out again, everything else stays', async () => {
    const event = (data) => `data: ${data}\n\n`;
    const [first, usage] = ['{"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}],  "usage" : null}', '{"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'];
    fake.script(bytes(200, event(first) + ': a comment\n\n' + event(usage) + event('[DONE]'), { 'content-type': 'text/event-stream' }));
    const { text, id } = await curl('/v1/chat/completions', product.liveKey, '-N', '-d', body('gpt-5-mini', ',"stream":true'));
    assert.deepEqual(JSON.parse(fake.requests[0].body).stream_options, { include_usage: true });
    assert.equal(text, event(first) + ': a comment\n\n' + event('[DONE]'));
    const row = await product.event(id);
    assert.equal(row.usage_source, 'reported');
    assert.deepEqual([row.usage.input_tokens, row.usage.output_tokens], [3, 2]);
  });

  for (const [name, ...args] of [
    ['HTTP/1.0', '--http1.0'],
    ['--compressed', '--compressed'],
    ['a chunked request', '-H', 'Transfer-Encoding: chunked'],
    ['Expect: 100-continue', '-H', 'Expect: 100-continue'],
    ['an offer of HTTP/2', '--http2'],
  ])
    test(`with ${name}`, async () => {
      const { code, status, text, id } = await curl('/v1/chat/completions', product.testKey, ...args, '-d', body('sandbox-small'));
      assert.equal(code, 0);
      assert.equal(status, 200);
      const row = await product.billed(id);
      assert.equal(row.usage.output_tokens, JSON.parse(text).usage.completion_tokens);
    });

  test('a request that the client compressed', async () => {
    const file = `${product.data}/request.gz`;
    await writeFile(file, gzipSync(body('gpt-5-mini')));
    fake.script(bytes(200, odd));
    const { id } = await curl('/v1/chat/completions', product.liveKey, '-H', 'Content-Encoding: gzip', '--data-binary', `@${file}`);
    assert.equal(fake.requests[0].headers['content-encoding'], 'gzip');
    assert.ok(fake.requests[0].body.equals(gzipSync(body('gpt-5-mini'))));
    assert.equal((await product.event(id)).request_model, 'gpt-5-mini');
  });
});

describe('refusals and ends', () => {
  test('without a key: 401 with a sentence, and exit code 22 with --fail', async () => {
    const { status, text } = await curl('/v1/chat/completions', null, '-d', body('sandbox-small'));
    assert.equal(status, 401);
    assert.match(JSON.parse(text).error.message, /no key was sent/);
    assert.equal((await curl('/v1/chat/completions', null, '--fail', '-d', body('sandbox-small'))).code, 22);
  });

  test('a body that is too large is refused before it is sent, where curl asks first', async () => {
    const file = `${product.data}/large.json`;
    await writeFile(file, body('sandbox-small', `,"x":"${'x'.repeat(5_000_000)}"`));
    const { status, text, code } = await curl('/v1/chat/completions', product.testKey, '-H', 'Expect: 100-continue', '--data-binary', `@${file}`);
    assert.equal(code, 0);
    assert.equal(status, 413);
    assert.equal(JSON.parse(text).error.code, 'body_too_large');
  });

  test('half an answer is an error of the transfer', async () => {
    const { code, id } = await curl('/v1/chat/completions', product.testKey, '-d', body('sandbox-cut'));
    assert.ok([18, 52, 56].includes(code), `exit code ${code}`);
    assert.equal((await product.event(id)).outcome, 'truncated');
  });

  test('curl that is killed in mid-stream: the provider is cut off, and the row says so', async () => {
    let gone;
    fake.script((request, response) => {
      gone = request.gone;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"id":"x","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
    });
    const child = spawn('curl', ['-sSN', `${product.url}/v1/chat/completions`, '-H', `Authorization: Bearer ${product.liveKey}`, '-H', 'X-Tokonomics-Tags: test=killed', '-d', body('gpt-5-mini', ',"stream":true')], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await gone;
    const [row] = await product.tagged('test=killed', 1, 'live');
    assert.equal(row.outcome, 'client_gone');
    assert.notEqual(row.usage_source, 'reported');
    assert.ok(row.usage.output_tokens > 0);
  });
});
