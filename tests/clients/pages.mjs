// Pages of the documentation whose commands are run as they stand, against the product on its first start.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The commands of a page between lines of ```sh and that word, in order. */
export const blocks = (page, word) => [...page.matchAll(new RegExp(`^\`\`\`sh ${word}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((m) => m[1]);

/** What the commands write, in a shell that has the keys of the first start as the product's output shows them. */
export async function shell(product, text) {
  const [key, token] = [/test key {2}(\S+)/.exec(product.output)[1], /API token (\S+)/.exec(product.output)[1]];
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text.replaceAll('http://localhost:8080', product.url)], { env: { ...process.env, TOKONOMICS_KEY: key, TOKONOMICS_TOKEN: token }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (piece) => (out += piece));
  child.stderr.on('data', (piece) => (err += piece));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, err);
  return out;
}
