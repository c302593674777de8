// Calls by OpenAI's own SDK with docs/fail-open/node, one for each line of standard input: {"prompt":"…","stream":true,"tags":"customer=a"}, or {"flush":true}. Prints one line of JSON for each.
import OpenAI from 'openai';
import { createInterface } from 'node:readline';
import { failOpen } from '../../docs/fail-open/node/fail-open.mjs';

const [, , proxy, direct, meteringKey] = process.argv;
const fetch = failOpen({ proxy, base: '/proxy/openai/v1', direct, meteringKey, headers: { authorization: 'Bearer sk-own' }, probeMs: 500 });
const openai = new OpenAI({ baseURL: `${proxy}/proxy/openai/v1`, apiKey: meteringKey, fetch, maxRetries: 0 });

for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  try {
    if (ask.flush) {
      await fetch.flush();
      console.log('{"flushed":true}');
      continue;
    }
    const request = { model: 'gpt-5.1', messages: [{ role: 'user', content: ask.prompt }] };
    const options = ask.tags ? { headers: { 'X-Tokonomics-Tags': ask.tags } } : {};
    let text = '';
    if (ask.stream) {
      for await (const chunk of await openai.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }, options)) {
        text += chunk.choices[0]?.delta?.content ?? '';
        if (ask.tell) console.log('{"begun":true}');
        ask.tell = false;
      }
    } else {
      text = (await openai.chat.completions.create(request, options)).choices[0].message.content;
    }
    console.log(JSON.stringify({ text }));
  } catch (error) {
    console.log(JSON.stringify({ failed: error.status ?? 0, why: String(error.message) }));
  }
}
