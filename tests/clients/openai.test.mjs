// OpenAI's own SDK, through the product: what it gets, and what the ledger says about it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { FakeProvider, Product, collect, json, listen, nano, one, plain, refused } from './harness.mjs';

let product, fake, client, live;
const hello = [{ role: 'user', content: 'Hello' }];
const weather = {
  name: 'weather',
  parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'] },
};
const schema = { type: 'object', properties: { title: { type: 'string' }, pages: { type: 'integer' } }, required: ['title', 'pages'], additionalProperties: false };

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({ settings: { Providers__openai__BaseUrl: fake.url }, providers: { openai: 'sk-stored-provider-key-0001' } });
  client = new OpenAI({ apiKey: product.testKey, baseURL: `${product.url}/proxy/openai/v1` });
  live = new OpenAI({ apiKey: product.liveKey, baseURL: `${product.url}/proxy/openai/v1` });
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

function agrees(row, usage) {
  assert.equal(row.usage_source, 'reported');
  assert.equal(row.usage.input_tokens, usage.prompt_tokens ?? usage.input_tokens);
  assert.equal(row.usage.output_tokens, usage.completion_tokens ?? usage.output_tokens ?? 0);
}

describe('chat', () => {
  test('a plain answer: the SDK, the ledger and the bill agree', async () => {
    const { result, id } = await one(() => client.chat.completions.create({ model: 'sandbox-small', messages: hello }));
    assert.match(result.choices[0].message.content, /sandbox answering/);
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.request_model, 'sandbox-small');
    assert.equal(row.operation, 'POST chat/completions');
    assert.equal(row.streamed, false);
    assert.equal(row.finish_reason, 'stop');
    assert.equal(row.provider_request_id, result._request_id);
    // sandbox-small: 1 dollar in and 2 out per million tokens.
    assert.equal(nano(row.cost_usd), result.usage.prompt_tokens * 1000 + result.usage.completion_tokens * 2000);
  });

  test('a stream without include_usage brings no usage to the client and an exact row to the ledger', async () => {
    const { result: chunks, id } = await one(async () => collect(await client.chat.completions.create({ model: 'sandbox-small', messages: hello, stream: true })));
    assert.ok(chunks.length > 5);
    for (const chunk of chunks) {
      assert.equal(chunk.choices.length, 1);
      assert.ok(!chunk.usage);
    }
    const whole = await client.chat.completions.create({ model: 'sandbox-small', messages: hello });
    assert.equal(chunks.map((c) => c.choices[0].delta.content ?? '').join(''), whole.choices[0].message.content);
    const row = await product.billed(id);
    agrees(row, whole.usage);
    assert.equal(row.streamed, true);
  });

  test('a stream with include_usage ends with the usage that the ledger has', async () => {
    const { result: chunks, id } = await one(async () => collect(await client.chat.completions.create({ model: 'sandbox-small', messages: hello, stream: true, stream_options: { include_usage: true } })));
    const last = chunks.at(-1);
    assert.equal(last.choices.length, 0);
    agrees(await product.billed(id), last.usage);
  });

  test("the SDK's stream helper puts the answer together", async () => {
    const { result, id } = await one(() => client.chat.completions.stream({ model: 'sandbox-small', messages: hello }).finalChatCompletion());
    assert.match(result.choices[0].message.content, /sandbox answering/);
    await product.billed(id);
  });

  test('several choices are counted together', async () => {
    const { result, id } = await one(() => client.chat.completions.create({ model: 'sandbox-large', messages: hello, n: 3, max_completion_tokens: 7 }));
    assert.equal(result.choices.length, 3);
    assert.equal(result.usage.completion_tokens, 21); // 3 x 7
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.finish_reason, 'length');
  });

  test('reasoning tokens stand apart in the row and inside its output', async () => {
    const { result, id } = await one(() => client.chat.completions.create({ model: 'sandbox-reason', messages: hello }));
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.usage.reasoning_tokens, 32);
    assert.equal(result.usage.completion_tokens_details.reasoning_tokens, 32);
  });

  test('what was read from the cache is cheaper, for the SDK and in the ledger', async () => {
    const messages = [{ role: 'user', content: 'a long prompt of the openai tests, '.repeat(100) }];
    await client.chat.completions.create({ model: 'sandbox-small', messages });
    const { result, id } = await one(() => client.chat.completions.create({ model: 'sandbox-small', messages }));
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.ok(result.usage.prompt_tokens_details.cached_tokens > 0);
    assert.equal(row.usage.cache_read_tokens, result.usage.prompt_tokens_details.cached_tokens);
  });

  test('a tool call, plain', async () => {
    const { result, id } = await one(() => client.chat.completions.create({ model: 'sandbox-small', messages: hello, tools: [{ type: 'function', function: weather }] }));
    const [call] = result.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'weather');
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ['city', 'days']);
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.finish_reason, 'tool_calls');
  });

  test('a tool call, streamed', async () => {
    const { result: chunks, id } = await one(async () => collect(await client.chat.completions.create({ model: 'sandbox-small', messages: hello, tools: [{ type: 'function', function: weather }], stream: true })));
    const pieces = chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? []);
    assert.equal(pieces[0].function.name, 'weather');
    assert.deepEqual(Object.keys(JSON.parse(pieces.map((p) => p.function.arguments ?? '').join(''))), ['city', 'days']);
    await product.billed(id);
  });

  for (const stream of [false, true])
    test(`the SDK's loop of tools makes ${stream ? 'two streamed' : 'two'} calls and two rows`, async () => {
      const asked = [];
      const { result, error, sent } = await listen(() =>
        client.chat.completions
          .runTools({ model: 'sandbox-small', messages: hello, stream, tools: [{ type: 'function', function: { ...weather, parse: JSON.parse, function: (a) => (asked.push(a), 'sunny') } }] })
          .finalContent(),
      );
      assert.equal(error, null);
      assert.match(result, /sandbox answering/);
      assert.equal(asked.length, 1);
      assert.equal(sent.length, 2);
      const rows = await Promise.all(sent.map((s) => product.billed(s.id)));
      assert.notEqual(rows[0].id, rows[1].id);
    });

  test('structured output is parsed by the SDK', async () => {
    const { result, id } = await one(() => client.chat.completions.parse({ model: 'sandbox-small', messages: hello, response_format: { type: 'json_schema', json_schema: { name: 'book', strict: true, schema } } }));
    assert.deepEqual(Object.keys(JSON.parse(result.choices[0].message.content)), ['title', 'pages']);
    agrees(await product.billed(id), result.usage);
  });

  for (const model of ['sandbox-gzip', 'sandbox-br', 'sandbox-deflate'])
    test(`a compressed answer is read by the SDK and by the meter: ${model}`, async () => {
      const plainly = await one(() => client.chat.completions.create({ model, messages: hello }));
      agrees(await product.billed(plainly.id), plainly.result.usage);
      const streamed = await one(async () => collect(await client.chat.completions.create({ model, messages: hello, stream: true, stream_options: { include_usage: true } })));
      agrees(await product.billed(streamed.id), streamed.result.at(-1).usage);
    });

  for (const stream of [false, true])
    test(`the older completions, ${stream ? 'streamed' : 'plain'}`, async () => {
      const { result, id } = await one(async () => {
        const answer = await client.completions.create({ model: 'sandbox-small', prompt: 'Hello', stream });
        return stream ? collect(answer) : answer;
      });
      const row = await product.billed(id);
      if (stream) assert.ok(result.every((c) => !c.usage && c.choices.length === 1));
      else agrees(row, result.usage);
    });
});

describe('the Responses API', () => {
  test('plain', async () => {
    const { result, id } = await one(() => client.responses.create({ model: 'sandbox-small', input: 'Hello' }));
    assert.match(result.output_text, /sandbox answering/);
    const row = await product.billed(id);
    agrees(row, result.usage);
    assert.equal(row.operation, 'POST responses');
  });

  test('streamed: the last event has the usage that the ledger has', async () => {
    const { result: events, id } = await one(async () => collect(await client.responses.create({ model: 'sandbox-reason', input: 'Hello', stream: true })));
    const last = events.at(-1);
    assert.equal(last.type, 'response.completed');
    const row = await product.billed(id);
    agrees(row, last.response.usage);
    assert.equal(row.usage.reasoning_tokens, 32);
  });

  test("the SDK's stream helper puts the answer together", async () => {
    const { result, id } = await one(() => client.responses.stream({ model: 'sandbox-small', input: 'Hello' }).finalResponse());
    assert.match(result.output_text, /sandbox answering/);
    agrees(await product.billed(id), result.usage);
  });

  for (const stream of [false, true])
    test(`tools, ${stream ? 'streamed' : 'plain'}`, async () => {
      const { result, id } = await one(async () => {
        const answer = await client.responses.create({ model: 'sandbox-small', input: 'Hello', tools: [{ type: 'function', strict: false, ...weather }], stream });
        return stream ? (await collect(answer)).at(-1).response : answer;
      });
      const call = result.output.find((o) => o.type === 'function_call');
      assert.equal(call.name, 'weather');
      assert.deepEqual(Object.keys(JSON.parse(call.arguments)), ['city', 'days']);
      agrees(await product.billed(id), result.usage);
    });

  test('structured output is parsed by the SDK', async () => {
    const { result, id } = await one(() => client.responses.parse({ model: 'sandbox-small', input: 'Hello', text: { format: { type: 'json_schema', name: 'book', strict: true, schema } } }));
    assert.deepEqual(Object.keys(JSON.parse(result.output_text)), ['title', 'pages']);
    agrees(await product.billed(id), result.usage);
  });
});

describe('other calls', () => {
  test('embeddings, as the SDK asks for them (base64) and as numbers', async () => {
    for (const encoding_format of [undefined, 'float']) {
      const { result, id } = await one(() => client.embeddings.create({ model: 'sandbox-embed', input: ['one', 'two, a little longer'], encoding_format }));
      assert.equal(result.data.length, 2);
      assert.equal(result.data[1].embedding[1], 1);
      agrees(await product.billed(id), result.usage);
    }
  });

  test('images are priced by the piece', async () => {
    const { result, id } = await one(() => client.images.generate({ model: 'sandbox-image', prompt: 'a house', n: 2 }));
    assert.equal(result.data.length, 2);
    const row = await product.billed(id);
    assert.equal(row.cost_usd, '0.04'); // 2 x 0.02
    assert.equal(row.usage.units.image, 2);
  });

  test('speech arrives byte for byte, and what has no rate is unpriced, not free', async () => {
    const { result, id } = await one(async () => Buffer.from(await (await client.audio.speech.create({ model: 'sandbox-small', voice: 'alloy', input: 'Hello ✓' })).arrayBuffer()));
    assert.equal(result.length, 4844); // 44 of WAV's head + a tenth of a second at 24 kHz and 16 bit
    assert.equal(result.subarray(0, 4).toString(), 'RIFF');
    const row = await product.event(id);
    assert.equal((await product.bill(row.provider_request_id)).cost_nano_usd, null);
    assert.equal(row.cost_usd, null);
    assert.equal(row.price_status, 'unpriced');
    assert.equal(row.usage.units.character, 7);
  });

  for (const response_format of ['json', 'text'])
    test(`a transcription, sent as a form, answered as ${response_format}`, async () => {
      const { result, id } = await one(async () => client.audio.transcriptions.create({ model: 'sandbox-small', file: await toFile(Buffer.alloc(5000, 1), 'speech.wav'), response_format }));
      assert.match(response_format === 'text' ? result : result.text, /sandbox answering/);
      const row = await product.event(id);
      assert.equal(row.request_model, 'sandbox-small');
      if (response_format === 'json') {
        agrees(row, result.usage);
        await product.billed(id);
      } else {
        // Nothing in the answer says what it cost.
        assert.notEqual(row.usage_source, 'reported');
      }
    });

  test('moderations', async () => {
    const { result, id } = await one(() => client.moderations.create({ model: 'omni-moderation-latest', input: 'Hello' }));
    assert.equal(result.results[0].flagged, false);
    assert.equal((await product.event(id)).cost_usd, '0');
  });

  test("the provider's list of models is free", async () => {
    const { result, id } = await one(async () => collect(await client.models.list()));
    assert.ok(result.some((m) => m.id === 'sandbox-429'));
    const row = await product.event(id);
    assert.equal(row.price_status, 'free');
    assert.equal(row.cost_usd, '0');
  });

  test("/v1's list of models is what a live key can reach", async () => {
    const models = await collect(await new OpenAI({ apiKey: product.liveKey, baseURL: `${product.url}/v1` }).models.list());
    assert.ok(models.some((m) => m.id === 'gpt-5-mini' && m.owned_by === 'openai'));
    assert.ok(models.every((m) => m.owned_by === 'openai'));
  });

  test('a file is uploaded unread, byte for byte, and free', async () => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    fake.script(json(200, { id: 'file-1', object: 'file', bytes: content.length, created_at: 1, filename: 'a.bin', purpose: 'user_data' }));
    const { result, id } = await one(async () => live.files.create({ file: await toFile(content, 'a.bin'), purpose: 'user_data' }));
    assert.equal(result.id, 'file-1');
    const [request] = fake.requests;
    assert.ok(request.body.includes(content));
    assert.equal(request.path, '/v1/files');
    assert.equal(request.headers.authorization, 'Bearer sk-stored-provider-key-0001');
    const row = await product.event(id);
    assert.equal(row.price_status, 'free');
    assert.equal(row.operation, 'POST files');
  });

  test('file contents come back byte for byte', async () => {
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));
    fake.script((_, response) => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(content));
    const { result } = await one(async () => Buffer.from(await (await live.files.content('file-1')).arrayBuffer()));
    assert.ok(result.equals(content));
  });
});

describe('base URLs', () => {
  for (const form of ['/proxy/openai/v1', '/proxy/openai/v1/', '/proxy/openai', '/proxy/openai/', '/v1', '/v1/'])
    test(`${form} leads to the same call`, async () => {
      const own = new OpenAI({ apiKey: product.testKey, baseURL: product.url + form });
      const { result, id } = await one(() => own.chat.completions.create({ model: 'sandbox-small', messages: hello }));
      const row = await product.billed(id);
      agrees(row, result.usage);
      assert.equal(row.provider, 'openai');
      assert.ok((await collect(await own.models.list())).length > 0);
    });

  for (const form of ['/proxy/openai/v1', '/proxy/openai/', '/v1'])
    test(`from ${form} the provider is asked for its own path`, async () => {
      fake.script(json(200, { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }));
      const own = new OpenAI({ apiKey: product.liveKey, baseURL: product.url + form });
      await own.chat.completions.create({ model: 'gpt-5-mini', messages: hello });
      assert.equal(fake.requests[0].path, '/v1/chat/completions');
    });

  test('a base URL without any path is answered by an error that names the right ones', async () => {
    const own = new OpenAI({ apiKey: product.testKey, baseURL: product.url });
    for (const call of [() => own.chat.completions.create({ model: 'sandbox-small', messages: hello }), () => own.models.list()]) {
      const { error } = await refused(call);
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'no_target');
      assert.ok(error.message.includes(`use ${product.url}/v1`));
    }
  });

  test('a model may name its provider before a slash', async () => {
    fake.script(json(200, { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }));
    const own = new OpenAI({ apiKey: product.liveKey, baseURL: `${product.url}/v1` });
    const { id } = await one(() => own.chat.completions.create({ model: 'openai/gpt-5-mini', messages: hello }));
    assert.equal(JSON.parse(fake.requests[0].body).model, 'gpt-5-mini');
    assert.equal((await product.event(id)).request_model, 'gpt-5-mini');
  });
});

describe('keys and tags', () => {
  test("in pass-through the provider sees the client's key and no metering key", async () => {
    fake.script(json(200, { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }));
    const own = new OpenAI({ apiKey: 'sk-of-the-client-itself', baseURL: `${product.url}/proxy/openai/v1`, organization: 'org-1', project: 'proj-1', defaultHeaders: { 'X-Tokonomics-Key': product.liveKey, 'X-Tokonomics-Tags': 'feature=search' } });
    const { result, id } = await one(() => own.chat.completions.create({ model: 'gpt-5-mini', messages: hello }));
    const [request] = fake.requests;
    assert.equal(request.headers.authorization, 'Bearer sk-of-the-client-itself');
    assert.equal(request.headers['openai-organization'], 'org-1');
    assert.equal(request.headers['openai-project'], 'proj-1');
    assert.ok(!JSON.stringify(request.headers).includes('mk_'));
    assert.ok(!Object.keys(request.headers).some((h) => h.startsWith('x-tokonomics')));
    const row = await product.event(id);
    agrees(row, result.usage);
    assert.equal(row.environment, 'live');
  });

  test('pass-through needs no stored key', async () => {
    fake.script(json(200, { id: 'x', object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }));
    const stored = (await product.api('GET', 'credentials')).body.data.find((c) => c.provider === 'openai');
    await product.api('DELETE', `credentials/${stored.id}`);
    try {
      const own = new OpenAI({ apiKey: 'sk-of-the-client-itself', baseURL: `${product.url}/v1`, defaultHeaders: { 'X-Tokonomics-Key': product.liveKey } });
      await one(() => own.chat.completions.create({ model: 'gpt-5-mini', messages: hello }));
      assert.equal(fake.requests[0].headers.authorization, 'Bearer sk-of-the-client-itself');
    } finally {
      assert.equal((await product.api('POST', 'credentials', { provider: 'openai', secret: 'sk-stored-provider-key-0001' })).status, 201);
    }
  });

  test('tags of the call are in its row and not at the provider', async () => {
    const { id } = await one(() => client.chat.completions.create({ model: 'sandbox-small', messages: hello }, { headers: { 'X-Tokonomics-Tags': 'feature=search, customer=acme' } }));
    assert.deepEqual((await product.event(id)).tags, { feature: 'search', customer: 'acme' });
  });

  test("no key and no word of a prompt is in the product's output or data", async () => {
    const secret = 'a-word-that-only-this-prompt-has';
    const { id } = await one(() => client.chat.completions.create({ model: 'sandbox-small', messages: [{ role: 'user', content: secret }] }));
    await product.event(id);
    const { readdir, readFile } = await import('node:fs/promises');
    const texts = [product.output.replace(/This is the first start[\s\S]*?read the call back[^\n]*\n[^\n]*/, '')];
    for (const file of await readdir(product.data, { recursive: true, withFileTypes: true }))
      if (file.isFile() && file.name !== 'serving.lock') texts.push(await readFile(`${file.parentPath ?? file.path}/${file.name}`, 'latin1'));
    for (const text of texts) for (const word of [secret, product.testKey, product.liveKey, product.token, 'sk-of-the-client-itself', 'sk-stored-provider-key-0001']) assert.ok(!text.includes(word));
  });
});

test('fifty calls at once are fifty rows', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      client.chat.completions.create({ model: i % 2 ? 'sandbox-small' : 'sandbox-large', messages: hello, max_completion_tokens: 3 + (i % 5) }, { headers: { 'X-Tokonomics-Tags': 'test=fifty' } }).withResponse(),
    ),
  );
  const rows = await product.tagged('test=fifty', 50);
  assert.equal(rows.length, 50);
  assert.equal(new Set(rows.map((r) => r.id)).size, 50);
  for (const { data, response } of answers) {
    const id = response.headers.get('x-tokonomics-request-id');
    agrees(rows.find((r) => r.id === id), data.usage);
    await product.billed(id);
  }
});

test('the ledger agrees with itself', async () => assert.match(await product.run('verify'), /./));

test('readiness is told to whoever asks', async () => assert.deepEqual(JSON.parse((await plain(`${product.url}/readyz`)).text), { status: 'ready', problems: [] }));
