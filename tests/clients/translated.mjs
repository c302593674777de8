// What each provider's own library makes of translated answers: a list of them comes on standard input, is served by a small server, asked for by the
// library of its dialect, and what the library gives is printed. The test that starts this compares.
import http from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

const answers = JSON.parse(await text(process.stdin));
let current;
const server = http.createServer((request, response) => {
  request.resume();
  response.writeHead(current.status, { 'content-type': current.stream && current.status === 200 ? 'text/event-stream' : 'application/json' });
  // In three pieces, so that no library sees it whole.
  const body = Buffer.from(current.body, 'base64');
  for (let i = 0; i < 3; i++) response.write(body.subarray((body.length * i) / 3, (body.length * (i + 1)) / 3));
  response.end();
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${server.address().port}`;
const openai = new OpenAI({ apiKey: 'k', baseURL: base, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey: 'k', baseURL: base, maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: base } });

const messages = [{ role: 'user', content: 'x' }];
const parsed = (json) => (json === '' ? {} : JSON.parse(json));

const ask = {
  async 'openai-chat'(stream) {
    const asked = { model: 'm', messages };
    const answer = stream ? await openai.chat.completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion() : await openai.chat.completions.create(asked);
    const { message, finish_reason } = answer.choices[0];
    return {
      text: message.content ?? '',
      calls: (message.tool_calls ?? []).map((c) => [c.function.name, parsed(c.function.arguments)]),
      finish: finish_reason,
      usage: answer.usage ? [answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens, answer.usage.completion_tokens] : null,
    };
  },
  async 'openai-responses'(stream) {
    const asked = { model: 'm', input: 'x' };
    const answer = stream ? await openai.responses.stream(asked).finalResponse() : await openai.responses.create(asked);
    return {
      text: answer.output_text,
      calls: answer.output.filter((i) => i.type === 'function_call').map((c) => [c.name, parsed(c.arguments)]),
      finish: answer.incomplete_details?.reason ?? answer.status,
      usage: answer.usage ? [answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens, answer.usage.output_tokens] : null,
    };
  },
  async 'anthropic-messages'(stream) {
    const asked = { model: 'm', max_tokens: 9, messages };
    const answer = stream ? await anthropic.messages.stream(asked).finalMessage() : await anthropic.messages.create(asked);
    const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens, output_tokens } = answer.usage;
    return {
      text: answer.content.filter((b) => b.type === 'text').map((b) => b.text).join(''),
      calls: answer.content.filter((b) => b.type === 'tool_use').map((b) => [b.name, b.input]),
      finish: answer.stop_reason,
      usage: [input_tokens + cache_read_input_tokens + cache_creation_input_tokens, cache_read_input_tokens, output_tokens],
    };
  },
  async 'gemini-generate'(stream) {
    const asked = { model: 'm', contents: 'x' };
    const told = { text: '', calls: [], finish: undefined, usage: null };
    for await (const piece of stream ? await google.models.generateContentStream(asked) : [await google.models.generateContent(asked)]) {
      const parts = piece.candidates?.[0]?.content?.parts ?? [];
      told.text += parts.filter((p) => p.text && !p.thought).map((p) => p.text).join('');
      told.calls.push(...(piece.functionCalls ?? []).map((c) => [c.name, c.args]));
      told.finish = piece.candidates?.[0]?.finishReason ?? told.finish;
      const usage = piece.usageMetadata;
      if (usage) told.usage = [usage.promptTokenCount, usage.cachedContentTokenCount ?? 0, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)];
    }
    return told;
  },
};

// Libraries warn of parts that are no text; that is what some answers are made of.
console.warn = () => {};
const told = [];
for (current of answers) {
  try {
    told.push(await ask[current.dialect](current.stream));
  } catch (e) {
    told.push({ error: e.constructor.name, status: e.status ?? null, message: e.message });
  }
}

server.close();
server.closeAllConnections();
console.log(JSON.stringify(told));
