// The providers' own SDKs where a budget runs short: cut streams, lowered limits and refusals as they see them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { Product, collect, listen, refused } from './harness.mjs';

let product;
let customers = 0;
const hello = [{ role: 'user', content: 'Hello' }];

before(async () => {
  product = await Product.start();
});
after(() => product?.stop());

/** A customer with a budget of so many dollars. */
async function customer(usd, more = {}) {
  const value = `sdk-${++customers}`;
  const { status, body } = await product.api('POST', 'budgets', { scope: { type: 'tag', key: 'customer', value }, period: 'month', limit_usd: usd, environment: 'test', wait_seconds: 0, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  const headers = { 'x-tokonomics-tags': `customer=${value}` };
  return {
    openai: (options = {}) => new OpenAI({ apiKey: product.testKey, baseURL: `${product.url}/proxy/openai/v1`, defaultHeaders: headers, maxRetries: 0, ...options }),
    anthropic: () => new Anthropic({ apiKey: product.testKey, baseURL: `${product.url}/proxy/anthropic`, defaultHeaders: headers, maxRetries: 0 }),
    gemini: () => new GoogleGenAI({ apiKey: product.testKey, httpOptions: { baseUrl: `${product.url}/proxy/gemini`, headers } }),
  };
}

async function cut(id) {
  const row = await product.event(id);
  assert.equal(row.outcome, 'cut_by_proxy');
  assert.equal(row.finish_reason, 'length');
}

// 0.004 USD: a thousand tokens of the 2,000 that the model would make.
describe('a stream without a limit, longer than the money', () => {
  test('chat: finish_reason length, and its usage where it was asked for', async () => {
    const client = (await customer('0.004')).openai();
    const { result, error, sent } = await listen(() => client.chat.completions.stream({ model: 'sandbox-long', messages: hello, stream_options: { include_usage: true } }).finalChatCompletion());
    assert.ifError(error);
    assert.equal(result.choices[0].finish_reason, 'length');
    assert.ok(result.choices[0].message.content.length > 100);
    assert.ok(result.usage.completion_tokens > 20);
    await cut(sent[0].id);
  });

  test('completions', async () => {
    const client = (await customer('0.004')).openai();
    const { result, error, sent } = await listen(async () => collect(await client.completions.create({ model: 'sandbox-long', prompt: 'Hello', stream: true })));
    assert.ifError(error);
    assert.equal(result.at(-1).choices[0].finish_reason, 'length');
    await cut(sent[0].id);
  });

  test('responses: status incomplete for max_output_tokens', async () => {
    const client = (await customer('0.004')).openai();
    const { result, error, sent } = await listen(() => client.responses.stream({ model: 'sandbox-long', input: 'Hello' }).finalResponse());
    assert.ifError(error);
    assert.equal(result.status, 'incomplete');
    assert.equal(result.incomplete_details.reason, 'max_output_tokens');
    await cut(sent[0].id);
  });
});

describe('a limit beyond the money is lowered', () => {
  test('anthropic, stream and plain: stop_reason max_tokens', async () => {
    for (const stream of [true, false]) {
      const client = (await customer('0.003')).anthropic();
      const ask = { model: 'sandbox-long', max_tokens: 4000, messages: hello };
      const { result, error, sent } = await listen(() => (stream ? client.messages.stream(ask).finalMessage() : client.messages.create(ask)));
      assert.ifError(error);
      assert.equal(result.stop_reason, 'max_tokens');
      assert.equal(result.usage.output_tokens, Number(sent[0].headers['x-tokonomics-clamped-to']));
    }
  });

  test('gemini, stream and plain: MAX_TOKENS', async () => {
    for (const stream of [true, false]) {
      const client = (await customer('0.003')).gemini();
      const ask = { model: 'sandbox-long', contents: 'Hello', config: { maxOutputTokens: 4000 } };
      const { result, error, sent } = await listen(async () => (stream ? (await collect(await client.models.generateContentStream(ask))).at(-1) : client.models.generateContent(ask)));
      assert.ifError(error);
      assert.equal(result.candidates[0].finishReason, 'MAX_TOKENS');
      assert.equal(result.usageMetadata.candidatesTokenCount, Number(sent[0].headers['x-tokonomics-clamped-to']));
    }
  });

  test('gemini without a limit is given one', async () => {
    const client = (await customer('0.003')).gemini();
    const { result, error, sent } = await listen(async () => (await collect(await client.models.generateContentStream({ model: 'sandbox-long', contents: 'Hello' }))).at(-1));
    assert.ifError(error);
    assert.equal(result.candidates[0].finishReason, 'MAX_TOKENS');
    assert.ok(Number(sent[0].headers['x-tokonomics-clamped-to']) >= 64);
  });
});

describe('refusals', () => {
  test('what is spent is an error that is not sent again', async () => {
    const poor = await customer('0.000001');
    const one = await refused(() => poor.openai({ maxRetries: 3 }).chat.completions.create({ model: 'sandbox-small', messages: hello }));
    assert.ok(one.error instanceof OpenAI.RateLimitError);
    assert.equal(one.error.code, 'budget_exhausted');
    const two = await refused(() => new Anthropic({ apiKey: product.testKey, baseURL: `${product.url}/proxy/anthropic`, defaultHeaders: { 'x-tokonomics-tags': `customer=sdk-${customers}` }, maxRetries: 3 }).messages.create({ model: 'sandbox-small', max_tokens: 10, messages: hello }));
    assert.ok(two.error instanceof Anthropic.RateLimitError);
  });

  test('what is only held is sent again until it is free', async () => {
    const busy = await customer('0.003', { clamp: false });
    // 64 tokens of 20 ms each hold most of it for a second and more.
    const holder = busy.openai().chat.completions.create({ model: 'sandbox-small-tokens-64-slow', messages: hello, max_tokens: 200 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { result, error, sent } = await listen(() => busy.openai({ maxRetries: 5 }).chat.completions.create({ model: 'sandbox-small', messages: hello, max_tokens: 200 }));
    assert.ifError(error);
    assert.equal(result.choices[0].finish_reason, 'stop');
    assert.ok(sent.length > 1, 'it was refused first');
    assert.equal(sent[0].status, 429);
    assert.equal(sent[0].headers['retry-after'], '1');
    await holder;
  });
});
