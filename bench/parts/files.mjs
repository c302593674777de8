// What the provider answers, and what it is asked: node bench/parts/files.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';

const folder = process.argv[2];
mkdirSync(`${folder}/html`, { recursive: true });
mkdirSync(`${folder}/bodies`, { recursive: true });

const usage = { prompt_tokens: 120, completion_tokens: 50, total_tokens: 170, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
const plain = { id: 'chatcmpl-bench', object: 'chat.completion', created: 1795000000, model: 'gpt-4o-mini-2024-07-18', choices: [{ index: 0, message: { role: 'assistant', content: '' }, logprobs: null, finish_reason: 'stop' }], usage };
plain.choices[0].message.content = 'word '.repeat(Math.ceil((1024 - JSON.stringify(plain).length) / 5));
const chunk = (delta, finish, more) => 'data: ' + JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1795000000, model: 'gpt-4o-mini-2024-07-18', choices: [{ index: 0, delta, finish_reason: finish }], usage: null, ...more }) + '\n\n';
// Of so many events two are the role and the end; the last chunk has the usage.
const stream = (events) => chunk({ role: 'assistant', content: '' }, null) + Array.from({ length: events - 2 }, (_, i) => chunk({ content: ` word${i}` }, null)).join('') + chunk({}, 'stop') + chunk({}, null, { choices: [], usage }) + 'data: [DONE]\n\n';
writeFileSync(`${folder}/html/plain`, JSON.stringify(plain));
writeFileSync(`${folder}/html/stream`, stream(50));
writeFileSync(`${folder}/html/long`, stream(2000));

// A body of so many bytes. A stream of 2,000 events has some 6,000 tokens: one that gave more than it was asked for would be cut short by a proxy that keeps to the caller's limit. `user` tells the paced provider how to stream.
const body = (name, model, bytes, more = {}) => {
  const call = { model, max_tokens: 500, messages: [{ role: 'user', content: '' }], ...more };
  call.messages[0].content = 'Tell me something. '.repeat(Math.ceil((bytes - JSON.stringify(call).length) / 19));
  writeFileSync(`${folder}/bodies/${name}.json`, JSON.stringify(call));
};
body('plain', 'gpt-4o-mini', 1000);
body('stream', 'deepseek-chat', 1000, { stream: true });
body('long', 'qwen-3-32b', 1000, { stream: true, max_tokens: 20_000 });
body('100k', 'codestral-2508', 100_000);
body('1m', 'codestral-2508', 1_000_000);
body('paced3', 'codestral-2508', 1000, { user: 'events=3 gap_us=5000', stream: true });
body('paced50', 'codestral-2508', 1000, { user: 'events=50 gap_us=10000', stream: true });
body('paced2000', 'codestral-2508', 1000, { user: 'events=2000 gap_us=1000', stream: true, max_tokens: 20_000 });
body('held', 'codestral-2508', 4000, { user: 'events=1000000 gap_us=10000000', stream: true });
for (const way of ['route', 'group', 'repeat']) {
  body(`${way}-plain`, `${way}-plain`, 1000);
  body(`${way}-stream`, `${way}-stream`, 1000, { stream: true });
}
