// Google's own SDK, through the product.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type } from '@google/genai';
import { FakeProvider, Product, bytes, collect, json, listen, nano, one, plain, refused } from './harness.mjs';

let product, fake, client, live;
const hello = { model: 'sandbox-small', contents: 'Hello' };
const asked = { ...hello, model: 'gemini-2.5-flash' };
const answer = { candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 }, modelVersion: 'gemini-2.5-flash' };
const weather = { name: 'weather', parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING }, days: { type: Type.INTEGER } }, required: ['city', 'days'] } };

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({ settings: { Providers__gemini__BaseUrl: fake.url, Proxy__MaxBodyBytes: '1048576' }, providers: { gemini: 'AIza-stored-provider-key-0001' } });
  client = at(product.testKey, '/proxy/gemini');
  live = at(product.liveKey, '/proxy/gemini');
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

const at = (apiKey, base, httpOptions = {}) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: product.url + base, ...httpOptions } });

// Gemini's candidates leave thoughts out; the ledger's output includes them.
function agrees(row, usage) {
  assert.equal(row.usage_source, 'reported');
  assert.equal(row.usage.input_tokens, usage.promptTokenCount);
  assert.equal(row.usage.output_tokens, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0));
}

describe('generating', () => {
  test('a plain answer: the SDK, the ledger and the bill agree', async () => {
    const { result, id } = await one(() => client.models.generateContent(hello));
    assert.match(result.text, /sandbox answering/);
    assert.equal(result.sdkHttpResponse.headers['x-tokonomics-request-id'], id);
    const row = await product.billed(id);
    agrees(row, result.usageMetadata);
    assert.equal(row.request_model, 'sandbox-small');
    assert.equal(row.operation, 'POST models/{model}:generateContent');
    // sandbox-small: 1 dollar in and 2 out per million tokens.
    assert.equal(nano(row.cost_usd), result.usageMetadata.promptTokenCount * 1000 + result.usageMetadata.candidatesTokenCount * 2000);
  });

  test('streamed: the last chunk has the usage that the ledger has', async () => {
    const { result: chunks, id } = await one(async () => collect(await client.models.generateContentStream(hello)));
    assert.ok(chunks.length > 5);
    assert.match(chunks.map((c) => c.text ?? '').join(''), /sandbox answering/);
    const row = await product.billed(id);
    agrees(row, chunks.at(-1).usageMetadata);
    assert.equal(row.streamed, true);
  });

  test('thoughts stand apart in the row and inside its output', async () => {
    const { result, id } = await one(() => client.models.generateContent({ ...hello, model: 'sandbox-reason' }));
    assert.equal(result.usageMetadata.thoughtsTokenCount, 32);
    const row = await product.billed(id);
    agrees(row, result.usageMetadata);
    assert.equal(row.usage.reasoning_tokens, 32);
  });

  test('what was read from the cache is cheaper', async () => {
    const body = { ...hello, contents: 'a long prompt of the gemini tests, '.repeat(100) };
    await client.models.generateContent(body);
    const { result, id } = await one(() => client.models.generateContent(body));
    const row = await product.billed(id);
    agrees(row, result.usageMetadata);
    assert.ok(result.usageMetadata.cachedContentTokenCount > 0);
    assert.equal(row.usage.cache_read_tokens, result.usageMetadata.cachedContentTokenCount);
  });

  for (const stream of [false, true])
    test(`a function call, ${stream ? 'streamed' : 'plain'}`, async () => {
      const body = { ...hello, config: { tools: [{ functionDeclarations: [weather] }], toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } } };
      const { result, id } = await one(async () => (stream ? (await collect(await client.models.generateContentStream(body))).at(-1) : client.models.generateContent(body)));
      assert.equal(result.functionCalls[0].name, 'weather');
      assert.deepEqual(Object.keys(result.functionCalls[0].args), ['city', 'days']);
      agrees(await product.billed(id), result.usageMetadata);
    });

  test('structured output', async () => {
    const { result, id } = await one(() =>
      client.models.generateContent({ ...hello, config: { responseMimeType: 'application/json', responseSchema: { type: Type.OBJECT, properties: { title: { type: Type.STRING } }, required: ['title'] } } }),
    );
    assert.deepEqual(Object.keys(JSON.parse(result.text)), ['title']);
    agrees(await product.billed(id), result.usageMetadata);
  });

  test('a chat of two turns is two rows', async () => {
    const chat = client.chats.create({ model: 'sandbox-small' });
    for (const message of ['Hello', 'And now?']) {
      const { result, id } = await one(() => chat.sendMessage({ message }));
      agrees(await product.billed(id), result.usageMetadata);
    }
  });
});

describe('other calls', () => {
  test('embeddings', async () => {
    const { result, id } = await one(() => client.models.embedContent({ model: 'sandbox-embed', contents: ['one', 'two, a little longer'] }));
    assert.equal(result.embeddings.length, 2);
    const row = await product.billed(id);
    assert.equal(row.usage_source, 'reported');
    assert.ok(row.usage.input_tokens > 0);
  });

  test('counting tokens is free, and right', async () => {
    const { result, id } = await one(() => client.models.countTokens(hello));
    assert.equal((await product.event(id)).price_status, 'free');
    assert.equal(result.totalTokens, (await client.models.generateContent(hello)).usageMetadata.promptTokenCount);
  });

  test("the provider's list of models is free", async () => {
    const { result, id } = await one(async () => collect(await client.models.list()));
    assert.ok(result.some((m) => m.name === 'models/sandbox-small'));
    assert.equal((await product.event(id)).price_status, 'free');
  });

  test('a file is uploaded in its two steps, byte for byte and free, and no key of ours leaves', async () => {
    // The second step goes to the address that the provider names. The SDK keeps that address' path and puts the base URL's host in place of its host.
    const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
    fake.script(
      json(200, {}, { 'x-goog-upload-url': 'https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=abc&upload_protocol=resumable', 'x-goog-upload-status': 'active' }),
      json(200, { file: { name: 'files/1', uri: 'https://generativelanguage.googleapis.com/v1beta/files/1', mimeType: 'application/octet-stream' } }, { 'x-goog-upload-status': 'final' }),
    );
    const { result, error, sent } = await listen(() => live.files.upload({ file: new Blob([content], { type: 'application/octet-stream' }) }));
    assert.equal(error, null);
    assert.equal(result.name, 'files/1');
    assert.equal(sent.length, 2);
    assert.equal(fake.requests[0].path, '/upload/v1beta/files');
    assert.equal(fake.requests[1].path.split('?')[0].replace(/\/$/, ''), '/upload/v1beta/files');
    assert.match(fake.requests[1].path, /upload_id=abc&upload_protocol=resumable/);
    assert.ok(fake.requests[1].body.equals(content));
    for (const { headers } of fake.requests) {
      assert.equal(headers['x-goog-api-key'], 'AIza-stored-provider-key-0001');
      assert.ok(!JSON.stringify(headers).includes('mk_'));
    }
    for (const { id } of sent) assert.equal((await product.event(id)).price_status, 'free');
  });
});

describe('base URLs', () => {
  for (const [form, httpOptions] of [['/proxy/gemini'], ['/proxy/gemini/'], ['/proxy/gemini/v1beta'], ['/proxy/gemini/v1beta/'], ['/proxy/gemini/v1beta', { apiVersion: '' }], ['/proxy/gemini', { apiVersion: 'v1' }]])
    test(`'${form}'${httpOptions ? ` with the API version '${httpOptions.apiVersion}'` : ''} leads to the same call`, async () => {
      const { result, id } = await one(() => at(product.testKey, form, httpOptions).models.generateContent(hello));
      const row = await product.billed(id);
      agrees(row, result.usageMetadata);
      assert.equal(row.provider, 'gemini');
      fake.script(json(200, answer));
      await one(() => at(product.liveKey, form, httpOptions).models.generateContent(asked));
      assert.equal(fake.requests[0].path, `/${httpOptions?.apiVersion || 'v1beta'}/models/gemini-2.5-flash:generateContent`);
      const counted = await one(() => at(product.testKey, form, httpOptions).models.countTokens(hello));
      assert.equal((await product.event(counted.id)).price_status, 'free');
    });

  for (const form of ['', '/v1'])
    test(`'${form}' is answered by an error that says what is missing`, async () => {
      const { error } = await refused(() => at(product.testKey, form).models.generateContent(hello));
      assert.equal(error.constructor, ApiError);
      assert.equal(error.status, 404);
      assert.match(error.message, form === '' ? /use http:.*\/proxy\/\{provider\}/ : /nothing meters POST \/v1beta/);
    });
});

describe('keys and tags', () => {
  test("in pass-through the provider sees the client's key and no metering key", async () => {
    fake.script(json(200, answer));
    const own = at('AIza-of-the-client', '/proxy/gemini', { headers: { 'X-Tokonomics-Key': product.liveKey, 'X-Tokonomics-Tags': 'feature=search' } });
    const { result, id } = await one(() => own.models.generateContent(asked));
    const { headers } = fake.requests[0];
    assert.equal(headers['x-goog-api-key'], 'AIza-of-the-client');
    assert.ok(!JSON.stringify(headers).includes('mk_'));
    assert.ok(!Object.keys(headers).some((h) => h.startsWith('x-tokonomics')));
    const row = await product.event(id);
    agrees(row, result.usageMetadata);
    assert.deepEqual(row.tags, { feature: 'search' });
    assert.equal(row.price_status, 'priced');
  });

  test('a key in the query, as older SDKs send it, never reaches the provider', async () => {
    fake.script(json(200, answer));
    const { status, headers } = await plain(`${product.url}/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent?key=${product.liveKey}&alt=json`, { 'content-type': 'application/json' }, 'POST', '{"contents":[]}');
    assert.equal(status, 200);
    assert.equal(fake.requests[0].path, '/v1beta/models/gemini-2.5-flash:generateContent?alt=json');
    assert.equal(fake.requests[0].headers['x-goog-api-key'], 'AIza-stored-provider-key-0001');
    agrees(await product.event(headers['x-tokonomics-request-id']), answer.usageMetadata);
  });
});

describe('refusals: the SDK raises its ApiError with the message, after one request, and there is no row', () => {
  async function refusal(work, status, kind, text) {
    const { error, headers, id } = await refused(work);
    assert.equal(error.constructor, ApiError);
    assert.equal(error.status, status);
    const said = JSON.parse(error.message).error;
    assert.equal(said.code, status);
    assert.equal(said.status, kind);
    assert.match(said.message, text);
    assert.equal(headers['x-should-retry'], 'false');
    await product.hasNoEvent(id, async () => (await one(() => client.models.generateContent(hello))).id);
  }

  test('an unknown key', () => refusal(() => at(`${product.liveKey.slice(0, -4)}AAAA`, '/proxy/gemini').models.generateContent(asked), 401, 'UNAUTHENTICATED', /no such metering key/));

  test('a key that is revoked while the product serves', async () => {
    const made = await product.newKey('test');
    const own = at(made.key, '/proxy/gemini');
    await own.models.generateContent(hello);
    assert.equal((await product.api('DELETE', `keys/${made.id}`)).status, 204);
    await refusal(() => own.models.generateContent(hello), 401, 'UNAUTHENTICATED', /revoked/);
  });

  test('a provider for which no key is stored', async () => {
    const stored = (await product.api('GET', 'credentials')).body.data.find((c) => c.provider === 'gemini');
    await product.api('DELETE', `credentials/${stored.id}`);
    try {
      await refusal(() => live.models.generateContent(asked), 401, 'UNAUTHENTICATED', /no key for gemini/);
    } finally {
      assert.equal((await product.api('POST', 'credentials', { provider: 'gemini', secret: 'AIza-stored-provider-key-0001' })).status, 201);
    }
  });

  test('an unknown provider', () => refusal(() => at(product.liveKey, '/proxy/nobody').models.generateContent(asked), 404, 'NOT_FOUND', /'nobody'/));

  test('a body that is too large', () => refusal(() => live.models.generateContent({ ...asked, contents: 'x'.repeat(24_000_000) }), 413, 'INVALID_ARGUMENT', /1,048,576 bytes/));
});

describe("a provider's errors reach the user as they are", () => {
  for (const status of [400, 401, 429, 500, 503, 529])
    for (const stream of [false, true])
      test(`${status}${stream ? ', streamed' : ''}`, async () => {
        const said = { error: { code: status, message: `what the provider says about ${status}`, status: 'THEIR_STATUS', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }] } };
        fake.script(json(status, said));
        const { error, id } = await refused(async () => (stream ? collect(await live.models.generateContentStream(asked)) : live.models.generateContent(asked)));
        assert.equal(error.constructor, ApiError);
        assert.equal(error.status, status);
        assert.deepEqual(JSON.parse(error.message), said);
        const row = await product.event(id);
        assert.equal(row.status, status);
        assert.equal(row.cost_usd, '0');
      });
});

describe('trying again', () => {
  test('where the user asks for it, the SDK comes again after 429: two requests, two rows', async () => {
    fake.script(json(429, { error: { code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' } }, { 'retry-after': '1' }), json(200, answer));
    const own = at(product.liveKey, '/proxy/gemini', { retryOptions: { attempts: 2, initialDelay: 0.01 } });
    const { error, sent } = await listen(() => own.models.generateContent(asked));
    assert.equal(error, null);
    assert.deepEqual(sent.map((s) => s.status), [429, 200]);
    assert.notEqual(sent[0].id, sent[1].id);
    assert.equal((await product.event(sent[0].id)).cost_usd, '0');
    agrees(await product.event(sent[1].id), answer.usageMetadata);
  });

  test("the sandbox's every second error", async () => {
    const body = { ...hello, model: 'sandbox-flaky-tokens-7' };
    const own = at(product.testKey, '/proxy/gemini', { retryOptions: { attempts: 2, initialDelay: 0.01 } });
    await own.models.generateContent(body);
    const { error, sent } = await listen(() => own.models.generateContent(body));
    assert.equal(error, null);
    assert.deepEqual(sent.map((s) => s.status), [500, 200]);
    assert.equal((await product.event(sent[0].id)).cost_usd, '0');
    await product.billed(sent[1].id);
  });
});

describe('broken answers and leaving', () => {
  test('a stream that the provider breaks off raises an error with a sentence', async () => {
    const { error, id } = await refused(async () => collect(await client.models.generateContentStream({ ...hello, model: 'sandbox-cut' })));
    assert.match(error.message, /the provider broke off its answer/);
    const row = await product.event(id);
    assert.equal(row.outcome, 'truncated');
    assert.equal(row.usage_source, 'partial');
  });

  test('abort in mid-stream: the provider is cut off, and the row says that the client has gone', async () => {
    const order = [];
    let gone;
    const first = { ...answer, candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, index: 0 }] };
    fake.script((request, response) => {
      gone = request.gone.then(() => order.push('the provider saw the connection close'));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(first)}\r\n\r\n`);
    });
    const abort = new AbortController();
    const { error, sent } = await listen(async () => {
      for await (const chunk of await live.models.generateContentStream({ ...asked, config: { abortSignal: abort.signal } })) {
        order.push(chunk.text);
        abort.abort();
      }
    });
    assert.equal(error?.name, 'AbortError');
    await gone;
    assert.deepEqual(order, ['Hello', 'the provider saw the connection close']);
    const row = await product.event(sent[0].id);
    assert.equal(row.outcome, 'client_gone');
    assert.equal(row.usage_source, 'partial');
    assert.equal(row.usage.input_tokens, 3);
  });

  test("the SDK's own time-out", async () => {
    fake.script(() => {});
    const own = at(product.liveKey, '/proxy/gemini', { timeout: 200, headers: { 'X-Tokonomics-Tags': 'test=timeout' } });
    const { error, sent } = await listen(() => own.models.generateContent(asked));
    assert.ok(error);
    assert.equal(sent.length, 1);
    assert.equal((await product.tagged('test=timeout', 1, 'live'))[0].outcome, 'client_gone');
  });

  test('bytes that are no JSON in a stream reach the SDK all the same', async () => {
    fake.script(bytes(200, `data: ${JSON.stringify(answer)}\r\n\r\n`, { 'content-type': 'text/event-stream; charset=utf-8' }));
    const { result } = await one(async () => collect(await live.models.generateContentStream(asked)));
    assert.equal(result[0].text, 'Hi');
  });
});

test('fifty calls at once are fifty rows', async () => {
  const own = at(product.testKey, '/proxy/gemini', { headers: { 'X-Tokonomics-Tags': 'test=fifty' } });
  const { sent } = await listen(() => Promise.all(Array.from({ length: 50 }, () => own.models.generateContent(hello))));
  const rows = await product.tagged('test=fifty', 50);
  assert.deepEqual(rows.map((r) => r.id).sort(), sent.map((s) => s.id).sort());
  for (const { id } of rows) await product.billed(id);
});
