// docs/quickstart.md, command by command in a shell, against the product on its first start.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Product, until } from './harness.mjs';
import * as pages from './pages.mjs';

let product;
const page = await readFile(new URL('../../docs/quickstart.md', import.meta.url), 'utf8');
const blocks = (word) => pages.blocks(page, word);
const shell = (text) => pages.shell(product, text);

before(async () => {
  product = await Product.start();
});
after(() => product?.stop());

describe('the quick start', () => {
  test('begins with the command that the tests start too, built', () => assert.deepEqual(blocks('start'), ['dotnet run --project src/Standalone\n']));

  test('says the version that its commands say', async () => {
    const version = (await product.run('--version')).trim();
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.ok(product.output.startsWith(`Tokonomics ${version} serves on `), product.output.split('\n')[0]);
  });

  test('goes from a call to its row, a budget and its refusal', async () => {
    const [call, row, summary, budget, refusal, budgets, ...more] = blocks('run');
    assert.deepEqual(more, []);

    const answer = await shell(call);
    assert.match(answer, /^HTTP\/1\.1 200/);
    assert.match(answer, /sandbox answering/);
    const id = /x-tokonomics-request-id: (req_\S+)/i.exec(answer)[1];

    const found = await until('the row', async () => JSON.parse(await shell(row)).data.find((r) => r.id === id));
    assert.deepEqual(found.tags, { feature: 'search', customer: 'acme' });
    assert.match(found.cost_usd, /^0\.0000\d+$/);
    assert.match(await shell(summary), /acme/);

    assert.match(JSON.parse(await shell(budget)).id, /^bud_/);
    const [first, second] = (await shell(refusal)).split(/(?=HTTP\/1\.1 )/);
    assert.match(first, /^HTTP\/1\.1 200/);
    assert.match(first, /sandbox answering/);
    assert.match(first, new RegExp(/`(x-tokonomics-held-usd: [0-9.]+)[`:]/.exec(page)[1], 'i'));
    assert.match(second, /^HTTP\/1\.1 429/);
    assert.match(second, /x-tokonomics-error: budget_exhausted/i);
    assert.match(second, /x-should-retry: false/i);

    assert.match(await shell(budgets), /"limit/);
  });
});
