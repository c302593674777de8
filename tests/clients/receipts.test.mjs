// Receipts at the end of streams, and Idempotency-Keys, as the official SDKs take them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { FakeProvider, Product, collect, json, listen, one, plain, refused, until } from './harness.mjs';

let product, fake, openai, live;
const messages = [{ role: 'user', content: 'Hello' }];
const wanted = { 'X-Tokonomics-Receipt': '1' };

before(async () => {
  fake = await FakeProvider.start();
  product = await Product.start({ settings: { Providers__openai__BaseUrl: fake.url }, providers: { openai: 'sk-stored-provider-key-0001' } });
  openai = new OpenAI({ apiKey: product.testKey, baseURL: `${product.url}/v1` });
  live = new OpenAI({ apiKey: product.liveKey, baseURL: `${product.url}/proxy/openai/v1` });
});
after(async () => {
  await product?.stop();
  await fake?.stop();
});

describe('a receipt behind the last event', () => {
  const anthropic = (Sdk) => new Sdk({ apiKey: product.testKey, baseURL: `${product.url}/proxy/anthropic` });
  const gemini = () => new GoogleGenAI({ apiKey: product.testKey, httpOptions: { baseUrl: `${product.url}/proxy/gemini` } });
  const text = {
    'chat, item by item': async (headers) => (await collect(await openai.chat.completions.create({ model: 'sandbox-small', messages, stream: true }, { headers }))).map((c) => c.choices[0].delta.content ?? '').join(''),
    'chat, its stream helper': async (headers) => (await openai.chat.completions.stream({ model: 'sandbox-small', messages }, { headers }).finalChatCompletion()).choices[0].message.content,
    'completions': async (headers) => (await collect(await openai.completions.create({ model: 'sandbox-small', prompt: 'Hello', stream: true }, { headers }))).map((c) => c.choices[0]?.text ?? '').join(''),
    'responses, item by item': async (headers) =>
      (await collect(await openai.responses.create({ model: 'sandbox-small', input: 'Hello', stream: true }, { headers }))).filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''),
    'responses, its stream helper': async (headers) => (await openai.responses.stream({ model: 'sandbox-small', input: 'Hello' }, { headers }).finalResponse()).output_text,
    "Anthropic's of today": async (headers) => (await anthropic(Anthropic).messages.stream({ model: 'sandbox-small', max_tokens: 200, messages }, { headers }).finalMessage()).content[0].text,
    "Anthropic's before 1.0": async (headers) => (await anthropic(Anthropic0).messages.stream({ model: 'sandbox-small', max_tokens: 200, messages }, { headers }).finalMessage()).content[0].text,
    "Anthropic's events": async (headers) =>
      (await collect(await anthropic(Anthropic).messages.create({ model: 'sandbox-small', max_tokens: 200, messages, stream: true }, { headers }))).filter((e) => e.type === 'content_block_delta').map((e) => e.delta.text).join(''),
    Gemini: async (headers) => (await collect(await gemini().models.generateContentStream({ model: 'sandbox-small', contents: 'Hello', config: { httpOptions: { headers } } }))).map((c) => c.text ?? '').join(''),
  };
  for (const [name, read] of Object.entries(text))
    test(name, async () => {
      const without = await one(() => read({}));
      assert.equal(without.headers['x-tokonomics-receipt'], undefined);
      const { result, headers, id } = await one(() => read(wanted));
      assert.equal(headers['x-tokonomics-receipt'], 'stream');
      assert.ok(result.length > 20);
      assert.equal(result, without.result);
      const row = await product.billed(id);
      assert.equal(row.outcome, 'completed');
    });

  test('it is there', async () => {
    const answer = await plain(`${product.url}/v1/chat/completions`, { authorization: `Bearer ${product.testKey}`, 'content-type': 'application/json', ...wanted }, 'POST', JSON.stringify({ model: 'sandbox-small', messages, stream: true }));
    const [, receipt] = answer.text.match(/data: \[DONE\]\n\n: tokonomics (\{.*\})\n\n$/);
    assert.equal(JSON.parse(receipt).cost_usd, (await product.event(answer.headers['x-tokonomics-request-id'])).cost_usd);
  });

  test('a plain answer has it in its headers', async () => {
    const { headers, id } = await one(() => openai.chat.completions.create({ model: 'sandbox-small', messages }, { headers: wanted }));
    assert.equal(headers['x-tokonomics-cost-usd'], (await product.billed(id)).cost_usd);
  });
});

describe('an Idempotency-Key', () => {
  const answer = { id: 'c', object: 'chat.completion', created: 1, model: 'gpt-5.1', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } };
  const asked = { model: 'gpt-5.1', messages };
  const ended = (id) => until(`the end of ${id}`, async () => (await product.event(id)).outcome === 'completed');

  test("the SDK sends none by itself, and its retry after the provider's error goes through with the caller's", async () => {
    fake.script(json(500, { error: { message: 'down' } }), json(200, answer));
    await live.chat.completions.create(asked);
    assert.equal(fake.requests.length, 2);
    assert.ok(fake.requests.every((r) => r.headers['idempotency-key'] === undefined));

    fake.script(json(500, { error: { message: 'down' } }), json(200, answer));
    const { result, sent } = await listen(() => live.chat.completions.create(asked, { headers: { 'Idempotency-Key': 'retried' }, maxRetries: 5 }));
    assert.equal(result.choices[0].message.content, 'Hi');
    assert.equal(fake.requests.length, 2);
    const last = sent.at(-1);
    assert.equal(last.status, 200);

    // The same again: the SDK raises its own exception for a conflict, at once.
    await ended(last.id);
    const { error, headers } = await refused(() => live.chat.completions.create(asked, { headers: { 'Idempotency-Key': 'retried' } }));
    assert.ok(error instanceof OpenAI.ConflictError);
    assert.equal(error.code, 'idempotency_done');
    assert.equal(headers['x-tokonomics-original-request-id'], last.id);
    assert.equal(fake.requests.length, 2);
  });

  test('the SDK waits while the first call runs, and learns that it was made', async () => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    fake.script(async (request, response) => {
      await released;
      await json(200, answer)(request, response);
    });
    const first = live.chat.completions.create(asked, { headers: { 'Idempotency-Key': 'twice' } });
    await until('the first call', () => fake.requests.length === 1);
    const second = listen(() => live.chat.completions.create(asked, { headers: { 'Idempotency-Key': 'twice' }, maxRetries: 20 }));
    setTimeout(release, 500);
    await first;
    const { error, sent } = await second;
    assert.equal(error.code, 'idempotency_done');
    assert.ok(sent.length > 1);
    assert.equal(fake.requests.length, 1);
  });
});
