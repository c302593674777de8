// Reads cases as JSON from stdin ([{name, sdk, type, body}]), serves each body as a provider's answer and lets the provider's own SDK read it.
// Prints what the SDK made of it: [{name, reason, text, outputTokens}]. Run by StreamCutSdkTests.
import http from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

let input = '';
for await (const piece of process.stdin) input += piece;
const cases = JSON.parse(input);

const server = http.createServer((request, response) => {
  const { type, body } = cases[Number(request.url.split('/')[1])];
  request.resume();
  request.on('end', () => response.writeHead(200, { 'content-type': type }).end(body));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const messages = [{ role: 'user', content: 'hi' }];
const readers = {
  async 'openai-chat'(url) {
    const stream = new OpenAI({ apiKey: 'k', baseURL: url, maxRetries: 0 }).chat.completions.stream({ model: 'm', messages, stream_options: { include_usage: true } });
    const made = await stream.finalChatCompletion();
    return { reason: made.choices.map((c) => c.finish_reason).join(), text: made.choices.map((c) => c.message.content).join('|'), outputTokens: made.usage?.completion_tokens };
  },
  async 'openai-completions'(url) {
    const seen = { text: '' };
    for await (const chunk of await new OpenAI({ apiKey: 'k', baseURL: url, maxRetries: 0 }).completions.create({ model: 'm', prompt: 'x', stream: true })) {
      seen.text += chunk.choices[0]?.text ?? '';
      seen.reason = chunk.choices[0]?.finish_reason ?? seen.reason;
      seen.outputTokens = chunk.usage?.completion_tokens;
    }
    return seen;
  },
  async 'openai-responses'(url) {
    const seen = { text: '' };
    for await (const event of await new OpenAI({ apiKey: 'k', baseURL: url, maxRetries: 0 }).responses.create({ model: 'm', input: 'x', stream: true })) {
      if (event.type === 'response.output_text.delta') seen.text += event.delta;
      if (event.type === 'response.incomplete') Object.assign(seen, { reason: event.response.incomplete_details.reason, outputTokens: event.response.usage.output_tokens });
    }
    await new OpenAI({ apiKey: 'k', baseURL: url, maxRetries: 0 }).responses.stream({ model: 'm', input: 'x' }).finalResponse();
    return seen;
  },
  async 'anthropic-messages'(url) {
    const made = await new Anthropic({ apiKey: 'k', baseURL: url, maxRetries: 0 }).messages.stream({ model: 'm', max_tokens: 99, messages }).finalMessage();
    return { reason: made.stop_reason, text: made.content.map((b) => b.text ?? b.thinking ?? JSON.stringify(b.input)).join('|'), outputTokens: made.usage.output_tokens };
  },
  async 'gemini-generate'(url) {
    const seen = { text: '' };
    for await (const chunk of await new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } }).models.generateContentStream({ model: 'm', contents: 'x' })) {
      seen.text += chunk.text ?? '';
      seen.reason = chunk.candidates?.[0]?.finishReason ?? seen.reason;
      seen.outputTokens = chunk.usageMetadata?.candidatesTokenCount;
    }
    return seen;
  },
};

const made = [];
for (const [i, { name, sdk }] of cases.entries()) {
  try {
    made.push({ name, ...(await readers[sdk](`http://127.0.0.1:${server.address().port}/${i}`)) });
  } catch (e) {
    made.push({ name, reason: `${e.constructor.name}: ${e.message}` });
  }
}
console.log(JSON.stringify(made));
server.close();
server.closeAllConnections();
