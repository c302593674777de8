// The programs of docs/integrations, as they stand there but for address and port, through the product: each must answer, and its call must be in the ledger with its tags.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Product, until } from './harness.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = path.join(root, 'docs/integrations');

/** Fenced blocks: their language, what is said after it, and their text. */
const blocks = (text) => [...text.matchAll(/^```(\w+)(?: ([\w ]+))?\n([\s\S]*?)^```$/gm)].map((m) => ({ language: m[1], words: m[2]?.split(' ') ?? [], text: m[3] }));
const found = [];
for (const file of (await readdir(pages)).filter((f) => f.endsWith('.md')).sort()) found.push(...blocks(await readFile(path.join(pages, file), 'utf8')).map((b, i) => ({ ...b, name: `${file}, block ${i + 1}` })));
const runs = (language) => found.filter((b) => b.language === language && b.words.includes('run'));

let product, folder;
before(async () => {
  product = await Product.start();
  folder = await mkdtemp(path.join(tmpdir(), 'tokonomics-integrations-'));
  await symlink(path.join(root, 'tests/clients/node_modules'), path.join(folder, 'node_modules'));
});
after(async () => {
  await product?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

async function run(command, args, options = {}) {
  const { OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL, GOOGLE_API_KEY, GEMINI_API_KEY, ...rest } = process.env;
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...options, env: { ...rest, TOKONOMICS_KEY: product.testKey, TOKONOMICS_TOKEN: product.token, ...options.env } });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (out[name] += text));
  const [code] = await once(child, 'close');
  return { code, ...out };
}

const here = (text) => text.replaceAll('http://localhost:8080', product.url);
const rows = async () => (await product.api('GET', 'usage/events?limit=1000&environment=test')).body.data;

/** Runs a program, and gives the row that is new after it. */
async function metered(work, streamed) {
  const before = new Set((await rows()).map((r) => r.id));
  const ran = await work();
  assert.equal(ran.code, 0, ran.stderr + ran.stdout);
  const row = await until('the row of the call', async () => (await rows()).find((r) => !before.has(r.id) && r.operation.startsWith('POST')));
  const whole = (await product.api('GET', `usage/events/${row.id}`)).body;
  assert.equal(whole.outcome, 'completed');
  assert.equal(whole.tags.customer, 'acme');
  assert.ok(whole.tags.feature, 'a feature');
  assert.equal(whole.usage_source, 'reported');
  assert.equal(whole.streamed, streamed);
  // Where the program prints the request's id, it is this one.
  const id = /\breq_[0-9A-Za-z]{26}\b/.exec(ran.stdout)?.[0];
  if (id) assert.equal(whole.id, id);
  return ran;
}

describe('programs', () => {
  test('are marked: what looks like one is run, or compiled', () => {
    for (const b of found) if (['js', 'csharp', 'python'].includes(b.language)) assert.ok(b.words.includes('run') || (b.language === 'python' && b.words.includes('compiled')), b.name);
    assert.deepEqual([runs('js').length, runs('csharp').length, runs('sh').length], [12, 1, 5]);
  });

  for (const block of runs('js'))
    test(`${block.name}: answers, and is in the ledger with its tags`, async () => {
      const file = path.join(folder, `${block.name.replace(/\W+/g, '-')}.mjs`);
      await writeFile(file, here(block.text));
      const { stdout } = await metered(() => run('node', [file]), block.words.includes('streamed'));
      assert.match(stdout, /sandbox answering/);
      // A program that can show the request's id shows it.
      if (block.text.includes('x-tokonomics-request-id')) assert.match(stdout, /^req_[0-9A-Za-z]{26}$/m);
    });

  for (const block of runs('csharp'))
    test(`${block.name}: compiles, answers, and is in the ledger with its tags`, async () => {
      const at = path.join(folder, 'csharp');
      await mkdir(at);
      const version = /Include="OpenAI" Version="([^"]+)"/.exec(await readFile(path.join(root, 'Directory.Packages.props'), 'utf8'))[1];
      await writeFile(path.join(at, 'program.csproj'), `<Project Sdk="Microsoft.NET.Sdk">\n<PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable><TreatWarningsAsErrors>true</TreatWarningsAsErrors></PropertyGroup>\n<ItemGroup><PackageReference Include="OpenAI" Version="${version}" /></ItemGroup>\n</Project>\n`);
      await writeFile(path.join(at, 'Program.cs'), here(block.text));
      const { stdout } = await metered(() => run('dotnet', ['run'], { cwd: at, env: { MSBUILDDISABLENODEREUSE: '1', DOTNET_CLI_USE_MSBUILD_SERVER: '0', DOTNET_NOLOGO: '1' } }), false);
      assert.match(stdout, /sandbox answering/);
      assert.match(stdout, /^req_[0-9A-Za-z]{26}$/m);
    });

  test('in Python compile', async () => {
    const python = found.filter((b) => b.language === 'python');
    assert.equal(python.length, 5);
    for (const block of python) {
      const file = path.join(folder, `${block.name.replace(/\W+/g, '_')}.py`);
      await writeFile(file, block.text);
      const { code, stderr } = await run('python3', ['-m', 'py_compile', file]);
      assert.equal(code, 0, `${block.name}: ${stderr}`);
    }
    await writeFile(path.join(folder, 'broken.py'), 'print("unclosed\n');
    assert.equal((await run('python3', ['-m', 'py_compile', path.join(folder, 'broken.py')])).code, 1);
  });
});

describe('calls that tools make', () => {
  for (const block of runs('sh').filter((b) => !b.name.startsWith('README')))
    test(`${block.name}: is answered, and in the ledger with its tags`, async () => {
      const { stdout } = await metered(() => run('bash', ['-e', '-c', here(block.text)]), block.text.includes('"stream":true'));
      // In pieces where it is streamed.
      assert.match(stdout, /sandbox/);
    });

  test('are found by their tag', async () => {
    const [block] = runs('sh').filter((b) => b.name.startsWith('README'));
    const { code, stdout, stderr } = await run('bash', ['-e', '-c', here(block.text)]);
    assert.equal(code, 0, stderr);
    const { data } = JSON.parse(stdout);
    assert.equal(data.length, 5);
    assert.ok(data.every((r) => r.tags.customer === 'acme'));
  });
});

describe('settings of tools', () => {
  test('are what their formats take, and name addresses that answer', async () => {
    const settings = found.filter((b) => b.words.includes('settings'));
    assert.deepEqual(settings.map((b) => b.language).sort(), ['json', 'toml']);
    const { env } = JSON.parse(settings.find((b) => b.language === 'json').text);
    assert.deepEqual(Object.keys(env), ['ANTHROPIC_BASE_URL', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_CUSTOM_HEADERS']);
    const file = path.join(folder, 'config.toml');
    await writeFile(file, settings.find((b) => b.language === 'toml').text);
    const { code, stdout, stderr } = await run('python3', ['-c', 'import json, sys, tomllib; print(json.dumps(tomllib.load(open(sys.argv[1], "rb"))))', file]);
    assert.equal(code, 0, stderr);
    const codex = JSON.parse(stdout);
    const provider = codex.model_providers[codex.model_provider];
    // The calls of the pages go where the settings say.
    const text = (name) => found.find((b) => b.name.startsWith(name) && b.language === 'sh').text;
    assert.ok(text('codex').includes(`${provider.base_url}/responses`));
    assert.ok(text('codex').includes(provider.http_headers['X-Tokonomics-Tags']));
    assert.ok(text('claude-code').includes(`${env.ANTHROPIC_BASE_URL}/v1/messages`));
    assert.ok(text('claude-code').includes(env.ANTHROPIC_CUSTOM_HEADERS));
  });
});
