// What OpenAI's own SDK raises when something goes wrong, how often it tries again, and what the ledger says.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { FakeProvider, Product, bytes, json, listen, nano, one, refused } from './harness.mjs';

let product, fake, client, live;
const hello = [{ role: 'user', content: 'Hello' }];
const asked = { model: 'gpt-5-mini', messages: hello };
const answer = { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } };
const chunk = (text) => `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'gpt-5-mini', choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`;

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({
    settings: {
      Providers__openai__BaseUrl: fake.url,
      Providers__groq__BaseUrl: 'http://127.0.0.1:1', // nobody listens there
      Providers__xai__FirstByteTimeout: '00:00:00.3',
      Providers__xai__IdleTimeout: '00:00:00.3',
      Proxy__MaxBodyBytes: '1048576',
    },
    providers: { openai: 'sk-stored-provider-key-0001', groq: 'gsk-stored-provider-key-0001' },
  });
  client = at(product.testKey, '/proxy/openai/v1');
  live = at(product.liveKey, '/proxy/openai/v1');
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

const at = (apiKey, base, options = {}) => new OpenAI({ apiKey, baseURL: product.url + base, ...options });
const chat = (own, body = asked, options) => own.chat.completions.create(body, options);

describe('refusals: the right exception, its message, one request and no row', () => {
  async function refusal(work, type, status, code, text) {
    const { error, headers, id } = await refused(work);
    assert.equal(error.constructor, type);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.match(error.message, text);
    assert.equal(headers['x-should-retry'], 'false');
    await product.hasNoEvent(id, async () => (await one(() => chat(client, { model: 'sandbox-small', messages: hello }))).id);
  }

  test('an unknown key', () => refusal(() => chat(at(`${product.liveKey.slice(0, -4)}AAAA`, '/proxy/openai/v1')), OpenAI.AuthenticationError, 401, 'unknown_key', /no such metering key/));

  test("a provider's key in the metering key's place", () => refusal(() => chat(at('sk-something', '/proxy/openai/v1')), OpenAI.AuthenticationError, 401, 'unknown_key', /X-Tokonomics-Key/));

  test('a key that is revoked while the product serves', async () => {
    const made = await product.newKey('test');
    const own = at(made.key, '/v1');
    await chat(own, { model: 'sandbox-small', messages: hello });
    assert.equal((await product.api('DELETE', `keys/${made.id}`)).status, 204);
    await refusal(() => chat(own, { model: 'sandbox-small', messages: hello }), OpenAI.AuthenticationError, 401, 'revoked_key', /revoked/);
  });

  test('a provider for which no key is stored', () => refusal(() => chat(at(product.liveKey, '/proxy/mistral/v1')), OpenAI.AuthenticationError, 401, 'no_provider_key', /no key for mistral/));

  test('an unknown provider', () => refusal(() => chat(at(product.liveKey, '/proxy/nobody/v1')), OpenAI.NotFoundError, 404, 'unknown_provider', /'nobody'/));

  test('an unknown model on /v1', () => refusal(() => chat(at(product.liveKey, '/v1'), { model: 'no-such-model', messages: hello }), OpenAI.NotFoundError, 404, 'unknown_model', /'no-such-model'/));

  test('a route that nothing meters', () => refusal(() => live.post('/realtime/sessions', { body: {} }), OpenAI.NotFoundError, 404, 'unmetered_route', /realtime\/sessions/));

  test('a body that is too large, whether just so or by far', async () => {
    for (const length of [1_048_576, 24_000_000]) await refusal(() => chat(live, { model: 'gpt-5-mini', messages: [{ role: 'user', content: 'x'.repeat(length) }] }), OpenAI.APIError, 413, 'body_too_large', /1,048,576 bytes/);
  });

  test('tags that are none', () => refusal(() => chat(live, asked, { headers: { 'X-Tokonomics-Tags': 'search' } }), OpenAI.BadRequestError, 400, 'bad_tags', /name=value/));
});

describe("a provider's errors reach the user as they are", () => {
  for (const [status, type] of [
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [422, OpenAI.UnprocessableEntityError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
    [529, OpenAI.InternalServerError],
  ])
    for (const stream of [false, true])
      test(`${status}${stream ? ', where a stream was asked for' : ''}`, async () => {
        const said = { error: { message: `what the provider says about ${status}`, type: 'their_type', param: 'their_param', code: 'their_code' } };
        fake.script(json(status, said, { 'x-request-id': 'req-of-the-provider', 'x-ratelimit-remaining-requests': '0' }));
        const { error, headers, id } = await refused(() => chat(live, { ...asked, stream }, { maxRetries: 0 }));
        assert.equal(error.constructor, type);
        assert.deepEqual(error.error, said.error);
        assert.equal(error.requestID, 'req-of-the-provider');
        assert.match(error.message, /what the provider says/);
        assert.equal(headers['x-ratelimit-remaining-requests'], '0');
        assert.equal(headers['x-should-retry'], undefined);
        const row = await product.event(id);
        assert.equal(row.status, status);
        assert.equal(row.outcome, 'completed');
        assert.equal(row.cost_usd, '0');
        assert.equal(row.usage.input_tokens, 0);
      });

  for (const status of [400, 401, 429, 500, 503, 529])
    test(`the sandbox's ${status}`, async () => {
      const { error, id } = await refused(() => chat(client, { model: `sandbox-${status}`, messages: hello }, { maxRetries: 0 }));
      assert.equal(error.status, status);
      assert.match(error.message, /sandbox/);
      const row = await product.event(id);
      assert.equal(row.status, status);
      assert.equal(nano(row.cost_usd), (await product.bill(row.provider_request_id)).cost_nano_usd);
    });

  test("a body that is no JSON is still the SDK's own exception", async () => {
    fake.script(bytes(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' }));
    const { error } = await refused(() => chat(live, asked, { maxRetries: 0 }));
    assert.equal(error.constructor, OpenAI.InternalServerError);
    assert.match(error.message, /Bad gateway/);
  });
});

describe('trying again', () => {
  test('after 429 with Retry-After the SDK comes again: two requests, two rows', async () => {
    fake.script(json(429, { error: { message: 'slow down' } }, { 'retry-after': '1' }), json(200, answer));
    const { result, error, sent } = await listen(() => chat(live));
    assert.equal(error, null);
    assert.equal(result.choices[0].message.content, 'Hi');
    assert.equal(sent.length, 2);
    assert.equal(sent[0].headers['retry-after'], '1');
    assert.notEqual(sent[0].id, sent[1].id);
    const rows = [await product.event(sent[0].id), await product.event(sent[1].id)];
    assert.deepEqual(rows.map((r) => r.status), [429, 200]);
    assert.equal(rows[0].cost_usd, '0');
    assert.equal(rows[1].usage.input_tokens, 3);
    assert.equal(rows[1].usage.output_tokens, 2);
    assert.equal(fake.requests.length, 2);
    assert.equal(fake.requests[1].headers['x-stainless-retry-count'], '1');
  });

  test("the sandbox's every second error: the SDK gets its answer, and both calls have rows", async () => {
    await chat(client, { model: 'sandbox-flaky-tokens-9', messages: hello }); // the first one succeeds
    const { error, sent } = await listen(() => chat(client, { model: 'sandbox-flaky-tokens-9', messages: hello }));
    assert.equal(error, null);
    assert.deepEqual(sent.map((s) => s.status), [500, 200]);
    const [first] = [await product.event(sent[0].id), await product.billed(sent[1].id)];
    assert.equal(first.status, 500);
    assert.equal(first.cost_usd, '0');
  });

  test("the provider's own x-should-retry is obeyed", async () => {
    fake.script(json(500, { error: { message: 'never again' } }, { 'x-should-retry': 'false' }));
    const { error } = await refused(() => chat(live));
    assert.match(error.message, /never again/);
    assert.equal(fake.requests.length, 1);
  });

  test('a provider that nobody reaches is tried again as a server error', async () => {
    const { error, sent } = await listen(() => chat(at(product.liveKey, '/proxy/groq/openai/v1', { maxRetries: 1 })));
    assert.equal(error.constructor, OpenAI.InternalServerError);
    assert.equal(error.status, 502);
    assert.equal(error.code, 'provider_unreachable');
    assert.match(error.message, /groq can't be reached: it refuses connections/);
    assert.equal(sent.length, 2);
    for (const { id } of sent) {
      const row = await product.event(id);
      assert.equal(row.outcome, 'unreachable');
      assert.equal(row.status, 0);
      assert.equal(row.cost_usd, '0');
    }
  });

  test('a provider that says nothing in time is a server error that may be tried again', async () => {
    const { error, headers, id } = await refused(() => chat(at(product.testKey, '/proxy/xai/v1'), { model: 'sandbox-hang', messages: hello }, { maxRetries: 0 }));
    assert.equal(error.constructor, OpenAI.InternalServerError);
    assert.equal(error.status, 504);
    assert.equal(error.code, 'provider_timeout');
    assert.equal(headers['x-should-retry'], 'true');
    const row = await product.event(id);
    assert.equal(row.outcome, 'timed_out');
    assert.equal(row.usage_source, 'estimated');
  });
});

describe('broken answers', () => {
  async function drain(stream) {
    let text = '';
    try {
      for await (const c of stream) text += c.choices[0].delta.content ?? '';
    } catch (error) {
      return { text, error };
    }
    return { text, error: null };
  }

  for (const model of ['sandbox-cut', 'sandbox-reset'])
    test(`a stream that the provider breaks off raises an error with a sentence: ${model}`, async () => {
      const { result, id } = await one(async () => drain(await chat(client, { model, messages: hello, stream: true })));
      assert.ok(result.text.length > 0);
      assert.equal(result.error.constructor, OpenAI.APIError);
      assert.match(result.error.message, /the provider broke off its answer/);
      assert.equal(result.error.code, 'provider_broke_off');
      const row = await product.event(id);
      assert.equal(row.outcome, 'truncated');
      assert.equal(row.usage_source, 'estimated');
      assert.ok(row.usage.output_tokens > 0);
      assert.ok(nano(row.cost_usd) > 0);
    });

  test('a stream that the provider leaves hanging raises an error with a sentence', async () => {
    const { result, id } = await one(async () => drain(await chat(at(product.testKey, '/proxy/xai/v1'), { model: 'sandbox-hang-mid', messages: hello, stream: true })));
    assert.ok(result.text.length > 0);
    assert.match(result.error.message, /nothing more in time/);
    assert.equal((await product.event(id)).outcome, 'timed_out');
  });

  test('a stream of the Responses API ends in its own error event', async () => {
    const { result, id } = await one(async () => {
      const events = [];
      for await (const event of await client.responses.create({ model: 'sandbox-cut', input: 'Hello', stream: true })) events.push(event);
      return events;
    });
    assert.equal(result.at(-1).type, 'error');
    assert.match(result.at(-1).message, /broke off/);
    assert.equal((await product.event(id)).outcome, 'truncated');
  });

  test('half a plain answer is a connection error, never half an object', async () => {
    const { error, sent } = await listen(() => chat(client, { model: 'sandbox-cut', messages: hello }, { maxRetries: 0 }));
    assert.ok(error instanceof Error);
    assert.equal(sent.length, 1);
    const row = await product.event(sent[0].id);
    assert.equal(row.outcome, 'truncated');
    assert.notEqual(row.usage_source, 'reported');
  });
});

describe('leaving', () => {
  test('abort in mid-stream: the provider is cut off, and the row says that the client has gone', async () => {
    const order = [];
    let gone;
    fake.script((request, response) => {
      gone = request.gone.then(() => order.push('the provider saw the connection close'));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('Hello') + chunk(' there'));
    });
    const abort = new AbortController();
    const { error, sent } = await listen(async () => {
      for await (const c of await chat(live, { ...asked, stream: true }, { signal: abort.signal })) {
        order.push(c.choices[0].delta.content);
        if (order.length === 2) abort.abort();
      }
    });
    assert.equal(error, null); // the SDK ends the loop quietly
    await gone;
    assert.deepEqual(order, ['Hello', ' there', 'the provider saw the connection close']);
    const row = await product.event(sent[0].id);
    assert.equal(row.outcome, 'client_gone');
    assert.equal(row.status, 200);
    assert.ok(['estimated', 'partial'].includes(row.usage_source));
    assert.ok(row.usage.output_tokens > 0);
    assert.equal(row.attempts.length, 1);
  });

  test('leaving the loop ends the call as well', async () => {
    let gone;
    fake.script((request, response) => {
      gone = request.gone;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('Hello'));
    });
    const { sent } = await listen(async () => {
      for await (const c of await chat(live, { ...asked, stream: true })) if (c) break;
    });
    await gone;
    assert.equal((await product.event(sent[0].id)).outcome, 'client_gone');
  });

  test('the sandbox stops charging when the client leaves, and the row is flagged', async () => {
    const abort = new AbortController();
    const { sent } = await listen(async () => {
      for await (const c of await chat(client, { model: 'sandbox-slow-long', messages: hello, stream: true }, { signal: abort.signal })) if (c.choices[0].delta.content) abort.abort();
    });
    const row = await product.event(sent[0].id);
    const line = await product.bill(row.provider_request_id);
    assert.equal(line.outcome, 'client_gone');
    assert.equal(row.outcome, 'client_gone');
    assert.notEqual(row.usage_source, 'reported');
    assert.ok(line.units.output < 2000);
  });

  test('abort before any answer', async () => {
    let arrived;
    const there = new Promise((resolve) => (arrived = resolve));
    fake.script((request) => arrived(request));
    const abort = new AbortController();
    const work = listen(() => chat(live, asked, { signal: abort.signal, headers: { 'X-Tokonomics-Tags': 'test=abort' } }));
    const request = await there;
    abort.abort();
    assert.equal((await work).error.constructor, OpenAI.APIUserAbortError);
    await request.gone;
    const [row, ...more] = await product.tagged('test=abort', 1, 'live');
    assert.deepEqual(more, []);
    assert.equal(row.outcome, 'client_gone');
    assert.equal(row.status, 0);
    assert.equal(row.usage_source, 'estimated');
  });

  test("the SDK's own time-out: its typed error, and a row for each try", async () => {
    fake.script(() => {});
    const { error, sent } = await listen(() => chat(live, asked, { timeout: 200, maxRetries: 1, headers: { 'X-Tokonomics-Tags': 'test=timeout' } }));
    assert.equal(error.constructor, OpenAI.APIConnectionTimeoutError);
    assert.equal(sent.length, 2);
    const rows = await product.tagged('test=timeout', 2, 'live');
    assert.deepEqual(rows.map((r) => r.outcome), ['client_gone', 'client_gone']);
    assert.equal(new Set(rows.map((r) => r.id)).size, 2);
  });
});
