// Anthropic's own SDK, through the product: of today, which sends its key as a bearer token, and before 1.0, which sends it as x-api-key.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';
import { FakeProvider, Product, bytes, collect, json, listen, nano, one, refused } from './harness.mjs';

let product, fake, client, live;
const hello = { model: 'sandbox-small', max_tokens: 200, messages: [{ role: 'user', content: 'Hello' }] };
const asked = { ...hello, model: 'claude-haiku-4-5' };
const answer = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 3, output_tokens: 2 } };
const tools = [{ name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'] } }];
const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const start = event({ type: 'message_start', message: { ...answer, content: [], stop_reason: null, usage: { input_tokens: 3, output_tokens: 1 } } });
const delta = (text) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({
    settings: { Providers__anthropic__BaseUrl: fake.url, Providers__deepseek__BaseUrl: 'http://127.0.0.1:1', Proxy__MaxBodyBytes: '1048576' },
    providers: { anthropic: 'sk-ant-stored-provider-key-0001', deepseek: 'sk-stored-provider-key-0002' },
  });
  client = at(product.testKey, '/proxy/anthropic');
  live = at(product.liveKey, '/proxy/anthropic');
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

const at = (apiKey, base, options = {}, Sdk = Anthropic) => new Sdk({ apiKey, baseURL: product.url + base, ...options });

// Anthropic's input_tokens leave out what was read from and written to the cache; the ledger's include it.
function agrees(row, usage) {
  assert.equal(row.usage_source, 'reported');
  assert.equal(row.usage.input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0));
  assert.equal(row.usage.output_tokens, usage.output_tokens);
}

describe('messages', () => {
  test('a plain answer: the SDK, the ledger and the bill agree', async () => {
    const { result, id } = await one(() => client.messages.create(hello));
    assert.match(result.content[0].text, /sandbox answering/);
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.operation, 'POST messages');
    assert.equal(row.provider_request_id, result._request_id);
    // sandbox-small: 1 dollar in and 2 out per million tokens.
    assert.equal(nano(row.cost_usd), result.usage.input_tokens * 1000 + result.usage.output_tokens * 2000);
  });

  test('streamed: the last delta has the usage that the ledger has', async () => {
    const { result: events, id } = await one(async () => collect(await client.messages.create({ ...hello, stream: true })));
    const usage = { ...events[0].message.usage, ...Object.fromEntries(Object.entries(events.find((e) => e.type === 'message_delta').usage).filter(([, v]) => v !== null)) };
    const row = await product.billed(id);
    agrees(row, usage);
    assert.equal(row.streamed, true);
  });

  test("the SDK's stream helper puts the answer together", async () => {
    const { result, id } = await one(() => client.messages.stream(hello).finalMessage());
    assert.match(result.content[0].text, /sandbox answering/);
    agrees(await product.billed(id), result.usage);
  });

  test('a prompt written to the cache, for five minutes and for an hour, and read from it', async () => {
    for (const ttl of ['5m', '1h']) {
      const body = { ...hello, system: [{ type: 'text', text: `a long prompt kept for ${ttl} `.repeat(100), cache_control: { type: 'ephemeral', ttl } }] };
      const written = await one(() => client.messages.create(body));
      assert.ok(written.result.usage.cache_creation_input_tokens > 0);
      const row = await product.billed(written.id);
      agrees(row, written.result.usage);
      assert.equal(ttl === '1h' ? row.usage.cache_write_1h_tokens : row.usage.cache_write_tokens, written.result.usage.cache_creation_input_tokens);
      const read = await one(() => client.messages.stream(body).finalMessage());
      assert.ok(read.result.usage.cache_read_input_tokens > 0);
      const second = await product.billed(read.id);
      agrees(second, read.result.usage);
      assert.equal(second.usage.cache_read_tokens, read.result.usage.cache_read_input_tokens);
    }
  });

  test('a tool call, plain', async () => {
    const { result, id } = await one(() => client.messages.create({ ...hello, tools }));
    assert.equal(result.stop_reason, 'tool_use');
    const use = result.content.find((c) => c.type === 'tool_use');
    assert.deepEqual(Object.keys(use.input), ['city', 'days']);
    agrees(await product.billed(id), result.usage);
  });

  test('a tool call, streamed', async () => {
    const { result, id } = await one(() => client.messages.stream({ ...hello, tools }).finalMessage());
    assert.deepEqual(Object.keys(result.content.find((c) => c.type === 'tool_use').input), ['city', 'days']);
    agrees(await product.billed(id), result.usage);
  });

  test('structured output is asked for and parsed by the SDK', async () => {
    // The sandbox has no output_config of Anthropic's, so that the script plays the provider.
    const schema = { type: 'object', properties: { title: { type: 'string' } }, required: ['title'], additionalProperties: false };
    fake.script(json(200, { ...answer, content: [{ type: 'text', text: '{"title":"Emma"}' }] }, { 'request-id': 'req_theirs' }));
    const { result, id } = await one(() => live.messages.parse({ ...asked, output_config: { format: { type: 'json_schema', schema } } }));
    assert.deepEqual(JSON.parse(result.content[0].text), { title: 'Emma' });
    assert.deepEqual(JSON.parse(fake.requests[0].body).output_config.format.schema, schema);
    const row = await product.event(id);
    agrees(row, result.usage);
    assert.equal(row.provider_request_id, 'req_theirs');
    assert.equal(row.price_status, 'priced');
  });

  for (const [version, Sdk] of [['1', Anthropic], ['0', Anthropic0]])
    test(`beta headers and versions reach the provider, the stored key in its place (SDK ${version}.x)`, async () => {
      fake.script(json(200, answer));
      const { path } = await one(() => at(product.liveKey, '/proxy/anthropic', {}, Sdk).beta.messages.create({ ...asked, betas: ['context-1m-2025-08-07'] }));
      const [request] = fake.requests;
      assert.equal(`/proxy/anthropic${request.path}`, path);
      assert.equal(request.headers['anthropic-beta'], 'context-1m-2025-08-07');
      assert.equal(request.headers['anthropic-version'], version === '1' ? '2026-10-21' : '2023-06-01');
      assert.equal(request.headers['x-api-key'], 'sk-ant-stored-provider-key-0001');
      assert.equal(request.headers.authorization, undefined);
      assert.ok(!JSON.stringify(request.headers).includes('mk_'));
    });

  test('the SDK before 1.0: plain and streamed', async () => {
    const own = at(product.testKey, '/proxy/anthropic', {}, Anthropic0);
    const whole = await one(() => own.messages.create(hello));
    agrees(await product.billed(whole.id), whole.result.usage);
    const streamed = await one(() => own.messages.stream(hello).finalMessage());
    agrees(await product.billed(streamed.id), streamed.result.usage);
  });

  for (const stream of [false, true])
    test(`the older completions report nothing and are not free, ${stream ? 'streamed' : 'plain'}`, async () => {
      const own = at(product.testKey, '/proxy/anthropic', {}, Anthropic0);
      const { id } = await one(async () => {
        const got = await own.completions.create({ model: 'sandbox-small', max_tokens_to_sample: 50, prompt: '\n\nHuman: Hello\n\nAssistant:', stream });
        return stream ? collect(got) : got;
      });
      const row = await product.event(id);
      assert.equal(row.usage_source, 'estimated');
      assert.ok(nano(row.cost_usd) > 0);
    });
});

describe('other calls', () => {
  test('counting tokens is free, and right', async () => {
    const { model, messages } = hello;
    const { result, id } = await one(() => client.messages.countTokens({ model, messages }));
    const row = await product.event(id);
    assert.equal(row.price_status, 'free');
    assert.equal(row.cost_usd, '0');
    assert.equal(result.input_tokens, (await client.messages.create(hello)).usage.input_tokens);
  });

  test("the provider's list of models is free", async () => {
    const { result, id } = await one(async () => collect(await client.models.list()));
    assert.ok(result.some((m) => m.id === 'sandbox-529'));
    assert.equal((await product.event(id)).price_status, 'free');
  });

  test("/v1's list of models is what a live key can reach, in Anthropic's shape", async () => {
    const models = await collect(await at(product.liveKey, '').models.list());
    assert.ok(models.some((m) => m.id.startsWith('claude-') && m.type === 'model'));
  });

  test('a file is uploaded unread, byte for byte, and free', async () => {
    const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
    fake.script(json(200, { id: 'file_1', type: 'file', filename: 'a.bin', mime_type: 'application/octet-stream', size_bytes: content.length, created_at: '2026-01-01T00:00:00Z' }));
    const { result, id } = await one(async () => live.beta.files.upload({ file: await toFile(content, 'a.bin') }));
    assert.equal(result.id, 'file_1');
    assert.ok(fake.requests[0].body.includes(content));
    assert.equal((await product.event(id)).price_status, 'free');
  });

  test('a batch is charged later', async () => {
    fake.script(json(200, { id: 'msgbatch_1', type: 'message_batch', processing_status: 'in_progress', request_counts: {} }));
    const { id } = await one(() => live.messages.batches.create({ requests: [{ custom_id: 'a', params: asked }] }));
    assert.equal((await product.event(id)).price_status, 'deferred');
  });
});

describe('base URLs', () => {
  for (const form of ['/proxy/anthropic', '/proxy/anthropic/', '/proxy/anthropic/v1', '/proxy/anthropic/v1/', '', '/', '/v1'])
    test(`'${form}' leads to the same call`, async () => {
      const own = at(product.testKey, form);
      const { result, id } = await one(() => own.messages.create(hello));
      const row = await product.billed(id);
      agrees(row, result.usage);
      assert.equal(row.provider, 'anthropic');
      const { model, messages } = hello;
      assert.ok((await own.messages.countTokens({ model, messages })).input_tokens > 0);
      fake.script(json(200, answer));
      await one(() => at(product.liveKey, form).messages.create(asked));
      assert.equal(fake.requests[0].path, '/v1/messages');
    });

  for (const form of ['/proxy/deepseek/anthropic', '/proxy/deepseek/anthropic/v1', '/proxy/deepseek/v1'])
    test(`${form}: another provider that speaks Anthropic's dialect`, async () => {
      const { result, id } = await one(() => at(product.testKey, form).messages.create(hello));
      const row = await product.billed(id);
      agrees(row, result.usage);
      assert.equal(row.provider, 'deepseek');
    });

  test('an auth token in place of a key is a metering key as well', async () => {
    const own = new Anthropic({ apiKey: null, authToken: product.testKey, baseURL: `${product.url}/proxy/anthropic` });
    await product.billed((await one(() => own.messages.create(hello))).id);
  });
});

describe('keys and tags', () => {
  for (const [name, Sdk, options, header, value] of [
    ['SDK 1.x, its key', Anthropic, { apiKey: 'sk-ant-of-the-client' }, 'authorization', 'Bearer sk-ant-of-the-client'],
    ['SDK 1.x, a bearer token', Anthropic, { apiKey: null, authToken: 'oauth-of-the-client' }, 'authorization', 'Bearer oauth-of-the-client'],
    ['SDK 0.x, its key', Anthropic0, { apiKey: 'sk-ant-of-the-client' }, 'x-api-key', 'sk-ant-of-the-client'],
  ])
    test(`in pass-through the provider sees the client's key and no metering key: ${name}`, async () => {
      fake.script(json(200, answer));
      const own = at(undefined, '/proxy/anthropic', { ...options, defaultHeaders: { 'X-Tokonomics-Key': product.liveKey, 'X-Tokonomics-Tags': 'feature=search' } }, Sdk);
      const { result, id } = await one(() => own.messages.create(asked));
      const { headers } = fake.requests[0];
      assert.equal(headers[header], value);
      assert.equal(headers[header === 'x-api-key' ? 'authorization' : 'x-api-key'], undefined);
      assert.ok(!JSON.stringify(headers).includes('mk_'));
      assert.ok(!JSON.stringify(headers).includes('sk-ant-stored'));
      assert.ok(!Object.keys(headers).some((h) => h.startsWith('x-tokonomics')));
      const row = await product.event(id);
      agrees(row, result.usage);
      assert.deepEqual(row.tags, { feature: 'search' });
    });
});

describe('refusals: the right exception, its message, one request and no row', () => {
  async function refusal(work, type, status, kind, text) {
    const { error, headers, id } = await refused(work);
    assert.equal(error.constructor, type);
    assert.equal(error.status, status);
    assert.equal(error.type, kind);
    assert.match(error.message, text);
    assert.equal(error.error.request_id, id);
    assert.equal(headers['x-should-retry'], 'false');
    await product.hasNoEvent(id, async () => (await one(() => client.messages.create(hello))).id);
  }

  test('an unknown key', () => refusal(() => at(`${product.liveKey.slice(0, -4)}AAAA`, '/proxy/anthropic').messages.create(asked), Anthropic.AuthenticationError, 401, 'authentication_error', /no such metering key/));

  test('a key that is revoked while the product serves', async () => {
    const made = await product.newKey('test');
    const own = at(made.key, '');
    await own.messages.create(hello);
    assert.equal((await product.api('DELETE', `keys/${made.id}`)).status, 204);
    await refusal(() => own.messages.create(hello), Anthropic.AuthenticationError, 401, 'authentication_error', /revoked/);
  });

  test('a provider for which no key is stored', () => refusal(() => at(product.liveKey, '/proxy/xai').messages.create(asked), Anthropic.AuthenticationError, 401, 'authentication_error', /no key for xai/));

  test('an unknown provider', () => refusal(() => at(product.liveKey, '/proxy/nobody').messages.create(asked), Anthropic.NotFoundError, 404, 'not_found_error', /'nobody'/));

  test('an unknown model on /v1', () => refusal(() => at(product.liveKey, '').messages.create({ ...asked, model: 'no-such-model' }), Anthropic.NotFoundError, 404, 'not_found_error', /'no-such-model'/));

  test('a body that is too large', () =>
    refusal(() => live.messages.create({ ...asked, messages: [{ role: 'user', content: 'x'.repeat(24_000_000) }] }), Anthropic.ContentTooLargeError, 413, 'request_too_large', /1,048,576 bytes/));
});

describe("a provider's errors reach the user as they are", () => {
  for (const [status, type, kind] of [
    [400, Anthropic.BadRequestError, 'invalid_request_error'],
    [401, Anthropic.AuthenticationError, 'authentication_error'],
    [429, Anthropic.RateLimitError, 'rate_limit_error'],
    [500, Anthropic.InternalServerError, 'api_error'],
    [503, Anthropic.ServiceUnavailableError, 'overloaded_error'],
    [529, Anthropic.OverloadedError, 'overloaded_error'],
  ])
    test(`${status}`, async () => {
      const said = { type: 'error', error: { type: kind, message: `what the provider says about ${status}` }, request_id: 'req_theirs' };
      fake.script(json(status, said, { 'request-id': 'req_theirs' }));
      const { error, id } = await refused(() => live.messages.create(asked, { maxRetries: 0 }));
      assert.equal(error.constructor, type);
      assert.deepEqual(error.error, said);
      assert.equal(error.requestID, 'req_theirs');
      const row = await product.event(id);
      assert.equal(row.status, status);
      assert.equal(row.cost_usd, '0');
    });

  test("an error inside the provider's own stream is what the SDK raises", async () => {
    const said = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    fake.script(bytes(200, start + delta('Hello') + event(said), { 'content-type': 'text/event-stream' }));
    const { error, id } = await refused(async () => collect(await live.messages.create({ ...asked, stream: true })));
    assert.deepEqual(error.error, said);
    const row = await product.event(id);
    assert.notEqual(row.usage_source, 'reported');
    assert.equal(row.usage.input_tokens, 3);
  });
});

describe('trying again', () => {
  test('after 429 with Retry-After the SDK comes again: two requests, two rows', async () => {
    fake.script(json(429, { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } }, { 'retry-after': '1' }), json(200, answer));
    const { error, sent } = await listen(() => live.messages.create(asked));
    assert.equal(error, null);
    assert.deepEqual(sent.map((s) => s.status), [429, 200]);
    const rows = [await product.event(sent[0].id), await product.event(sent[1].id)];
    assert.equal(rows[0].cost_usd, '0');
    agrees(rows[1], answer.usage);
  });

  test("the sandbox's every second error: the SDK gets its answer, and both calls have rows", async () => {
    const body = { ...hello, model: 'sandbox-flaky-tokens-8' };
    await client.messages.create(body);
    const { error, sent } = await listen(() => client.messages.create(body));
    assert.equal(error, null);
    assert.deepEqual(sent.map((s) => s.status), [500, 200]);
    assert.equal((await product.event(sent[0].id)).cost_usd, '0');
    await product.billed(sent[1].id);
  });

  test('a provider that nobody reaches', async () => {
    const { error, sent } = await listen(() => at(product.liveKey, '/proxy/deepseek/anthropic', { maxRetries: 1 }).messages.create(asked));
    assert.equal(error.constructor, Anthropic.InternalServerError);
    assert.equal(error.status, 502);
    assert.match(error.message, /deepseek can't be reached/);
    assert.equal(sent.length, 2);
    for (const { id } of sent) assert.equal((await product.event(id)).outcome, 'unreachable');
  });
});

describe('broken answers and leaving', () => {
  test('a stream that the provider breaks off raises an error with a sentence', async () => {
    const { error, id } = await refused(async () => collect(await client.messages.create({ ...hello, model: 'sandbox-cut', stream: true })));
    assert.ok(error instanceof Anthropic.APIError);
    assert.match(error.message, /the provider broke off its answer/);
    const row = await product.event(id);
    assert.equal(row.outcome, 'truncated');
    assert.equal(row.usage_source, 'partial');
  });

  test('abort in mid-stream: the provider is cut off, and the row says that the client has gone', async () => {
    const order = [];
    let gone;
    fake.script((request, response) => {
      gone = request.gone.then(() => order.push('the provider saw the connection close'));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(start + event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) + delta('Hello'));
    });
    const { sent } = await listen(async () => {
      const stream = await live.messages.create({ ...asked, stream: true });
      for await (const e of stream)
        if (e.type === 'content_block_delta') {
          order.push(e.delta.text);
          stream.controller.abort();
        }
    });
    await gone;
    assert.deepEqual(order, ['Hello', 'the provider saw the connection close']);
    const row = await product.event(sent[0].id);
    assert.equal(row.outcome, 'client_gone');
    assert.equal(row.usage_source, 'partial');
    assert.equal(row.usage.input_tokens, 3);
    assert.ok(row.usage.output_tokens > 0);
  });

  test("the SDK's own time-out", async () => {
    fake.script(() => {});
    const { error, sent } = await listen(() => live.messages.create(asked, { timeout: 200, maxRetries: 0, headers: { 'X-Tokonomics-Tags': 'test=timeout' } }));
    assert.equal(error.constructor, Anthropic.APIConnectionTimeoutError);
    assert.equal(sent.length, 1);
    assert.equal((await product.tagged('test=timeout', 1, 'live'))[0].outcome, 'client_gone');
  });
});

test('fifty streams at once are fifty rows', async () => {
  const { sent } = await listen(() => Promise.all(Array.from({ length: 50 }, () => client.messages.stream(hello, { headers: { 'X-Tokonomics-Tags': 'test=fifty' } }).finalMessage())));
  const rows = await product.tagged('test=fifty', 50);
  assert.deepEqual(rows.map((r) => r.id).sort(), sent.map((s) => s.id).sort());
  for (const { id } of rows) await product.billed(id);
});
