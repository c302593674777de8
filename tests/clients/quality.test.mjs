// The trial of docs/routing/quality.md, command by command in a shell: a group learns in the sandbox, says what it would save, and routes.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Product, nano, until } from './harness.mjs';
import { blocks, shell } from './pages.mjs';

let product;
const page = await readFile(new URL('../../docs/routing/quality.md', import.meta.url), 'utf8');

before(async () => {
  product = await Product.start();
});
after(() => product?.stop());

describe('a quality group in the sandbox', () => {
  test('learns from comparisons, says what it would save, and sends calls to the candidate when it is switched on', async () => {
    const [make, calls, savings, route, call, ...more] = blocks(page, 'run');
    assert.deepEqual(more, []);
    const made = JSON.parse(await shell(product, make));
    assert.match(made.id, /^route_/);
    assert.deepEqual(made.warnings, ['openai/sandbox-large, openai/sandbox-small are models of the sandbox: calls with a test key alone reach them.']);
    assert.match(await shell(product, call), /target=openai\/sandbox-large; attempt=1; why=quality NotActive/i);
    await shell(product, calls);

    const group = await until('the comparisons', async () => {
      const [found] = JSON.parse(await shell(product, savings)).data;
      return found.candidates[0].labels >= 120 && found.calls >= 120 && found;
    });
    const own = group.candidates[0].thresholds.find((t) => t.own);
    assert.equal(own.keep_percent, 95);
    assert.equal(own.classes[0].labels_needed, 0);
    assert.ok(nano(own.all.saving_low_usd) > 0);
    assert.equal(group.active, false);

    assert.equal(JSON.parse(await shell(product, route)).id, made.id);
    // One conversation in fifty stays on the strong model for ever: each is another.
    let asked = 0;
    await until('a call to go to the candidate', async () => /target=openai\/sandbox-small; attempt=1; why=quality ClassProven/i.test(await shell(product, call.replace('And now?', `And now ${asked++}?`))));
  });
});
