// The list of what a release is made of: valid by CycloneDX's own schema, whole, and the same bytes for the same inputs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { notices } from '../../deploy/release/notices.mjs';
import { bom } from '../../deploy/release/sbom.mjs';

const read = async (path) => JSON.parse(await readFile(new URL(path, import.meta.url), 'utf8'));
const schemas = new URL('./node_modules/@cyclonedx/cyclonedx-library/res/schema/', import.meta.url);
const schema = async (name) => JSON.parse(await readFile(new URL(name, schemas), 'utf8'));

// What the build that made the tests resolved.
const [assets, lock] = [await read('../../src/Standalone/obj/project.assets.json'), await read('../../src/Web.Portal/package-lock.json')];
const make = (more = {}) => bom({ version: '1.2.4-dev.4+abc1234', assets, lock, rid: 'linux-x64', runtime: '10.0.12', time: '2026-11-30T00:00:00.000Z', ...more });

async function validator() {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
  addFormats(ajv);
  for (const format of ['iri-reference', 'idn-email']) ajv.addFormat(format, true);
  for (const part of ['spdx', 'jsf-0.82', 'cryptography-defs']) ajv.addSchema(await schema(`${part}.SNAPSHOT.schema.json`), `http://cyclonedx.org/schema/${part}.SNAPSHOT.schema.json`);
  return ajv.compile(await schema('bom-1.6.SNAPSHOT.schema.json'));
}

/** What the schema can't say. */
function faults(made) {
  const refs = [made.metadata.component['bom-ref'], ...made.components.map((c) => c['bom-ref'])];
  const known = new Set(refs);
  return [
    ...refs.filter((r, i) => refs.indexOf(r) !== i).map((r) => `${r} twice`),
    ...made.dependencies.flatMap((d) => [d.ref, ...(d.dependsOn ?? [])]).filter((r) => !known.has(r)).map((r) => `${r} is no component`),
    ...refs.filter((r) => !made.dependencies.some((d) => d.ref === r)).map((r) => `${r} has no line of dependencies`),
    ...made.components.filter((c) => !/^pkg:(nuget|npm)\/(%40[a-z0-9-]+\/)?[A-Za-z0-9._-]+@[0-9A-Za-z.+-]+$/.test(c.purl)).map((c) => `${c.purl} is no purl`),
    ...made.components.filter((c) => !c.purl.endsWith(`@${c.version}`)).map((c) => `${c.purl} is not ${c.version}`),
    ...made.components.filter((c) => !c.licenses).map((c) => `${c.name} has no licence`),
  ];
}

describe('the bill of materials', () => {
  test('is what CycloneDX 1.6 asks for', async () => {
    const valid = await validator();
    const made = make();
    assert.ok(valid(made), JSON.stringify(valid.errors?.slice(0, 3)));
    assert.deepEqual(faults(made), []);
    assert.equal(made.bomFormat, 'CycloneDX');
    assert.equal(made.specVersion, '1.6');

    // Shown to catch: a licence that isn't one, a component twice, a dependency on nothing.
    const broken = structuredClone(made);
    broken.components[0].licenses = [{ license: { id: 'No-Such-Licence' } }];
    assert.ok(!valid(broken));
    broken.components.push(broken.components[1]);
    broken.dependencies[0].dependsOn.push('pkg:npm/nothing@1.0.0');
    assert.equal(faults(broken).length, 2);
  });

  test('names what is shipped, and nothing that only builds', () => {
    const { components } = make();
    const names = components.map((c) => (c.group ? `${c.group}/${c.name}` : c.name));
    for (const shipped of ['Npgsql', 'SourceGear.sqlite3', 'Quartz', '@tabler/core', 'htmx.org', 'Microsoft.NETCore.App.Runtime.linux-x64']) assert.ok(names.includes(shipped), shipped);
    for (const tool of ['Microsoft.CodeAnalysis.BannedApiAnalyzers', 'NETStandard.Library', 'xunit.v3']) assert.ok(!names.includes(tool), tool);
    // Everything of the central list that src refers to is there, in that version.
    assert.equal(components.find((c) => c.name === 'Npgsql').version, Object.keys(assets.libraries).find((k) => k.startsWith('Npgsql/')).split('/')[1]);
    assert.ok(components.every((c) => c.type === 'framework' || c.hashes), 'each package with its hash');
  });

  test('is the same for the same inputs, and another for others', () => {
    assert.deepEqual(make(), make());
    assert.notEqual(make().serialNumber, make({ version: '1.2.3' }).serialNumber);
  });
});

describe('the notices', () => {
  test('name each package of the list with its licence, and carry the texts', () => {
    const text = notices({ assets, lock, rid: 'linux-x64', runtime: '10.0.12' });
    for (const { group, name, version } of make().components) assert.ok(text.toLowerCase().includes(`\n${group ? `${group}/` : ''}${name} ${version}`.toLowerCase()), name);
    assert.ok(!text.includes('none declared'));
    assert.ok(text.includes('Permission is hereby granted'), "MIT's text");
    assert.ok(!text.includes('xunit'));
  });
});
