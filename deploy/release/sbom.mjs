// What a release is made of, as CycloneDX 1.6 JSON: the packages that NuGet resolved, .NET itself where it is in the archive, and the front end's npm packages.
//   node deploy/release/sbom.mjs --version 1.2.3 [--assets src/Standalone/obj/project.assets.json] [--lock src/Web.Portal/package-lock.json] [--rid linux-x64] [--runtime 10.0.12]
// The same inputs give the same bytes: the time is SOURCE_DATE_EPOCH's, and the serial number is made from what it says.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of a licence in a package's own words: an SPDX identifier, an expression of some, or a name. */
function licence(text, url) {
  if (!text && !url) return undefined;
  if (!text) return [{ license: { name: 'as published', url } }];
  if (/ (OR|AND|WITH) /.test(text)) return [{ expression: text }];
  return /^[A-Za-z0-9.+-]+$/.test(text) ? [{ license: { id: text } }] : [{ license: { name: text, ...(url && { url }) } }];
}

function ofNuspec(folder, name) {
  const nuspec = name && path.join(folder, name);
  if (!nuspec || !existsSync(nuspec)) return {};
  const text = readFileSync(nuspec, 'utf8');
  const inner = (pattern) => pattern.exec(text)?.[1].trim().replaceAll('&amp;', '&');
  const url = inner(/<licenseUrl>([^<]*)<\/licenseUrl>/);
  const file = inner(/<license type="file"[^>]*>([^<]*)<\/license>/);
  if (file && existsSync(path.join(folder, file))) {
    const content = readFileSync(path.join(folder, file), 'utf8').replaceAll('\r\n', '\n');
    return { licenses: [{ license: { name: `${file} of the package`, text: { contentType: 'text/plain', content } } }], author: inner(/<authors>([^<]*)<\/authors>/) };
  }
  return {
    licenses: licence(inner(/<license type="expression"[^>]*>([^<]*)<\/license>/) ?? byUrl(url), url?.startsWith('https://aka.ms/deprecateLicenseUrl') ? undefined : url),
    author: inner(/<authors>([^<]*)<\/authors>/),
  };
}

// Older packages name their licence by where it stands.
const byUrl = (url) => (/apache\.org\/licenses\/LICENSE-2\.0/i.test(url) ? 'Apache-2.0' : /opensource\.org\/licenses\/MIT$/i.test(url) ? 'MIT' : undefined);

const sha512 = (base64) => [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }];

/** NuGet's packages with something in the archive, and what each needs of them; one that only refers to others stands aside for those. */
export function nugetComponents(assets, rid) {
  const target = assets.targets[rid ? `net10.0/${rid}` : 'net10.0'] ?? assets.targets['net10.0'];
  const folders = Object.keys(assets.packageFolders);
  const packages = Object.entries(target).filter(([, p]) => p.type === 'package');
  const byName = new Map(packages.map(([key, p]) => [key.split('/')[0].toLowerCase(), { key, ...p }]));
  const ships = (p) => ['runtime', 'native', 'runtimeTargets', 'resource'].some((kind) => Object.keys(p[kind] ?? {}).some((f) => !f.endsWith('/_._')));
  const purl = (key) => `pkg:nuget/${key.replace('/', '@')}`;
  const needs = (p, seen = new Set()) =>
    Object.keys(p.dependencies ?? {}).flatMap((name) => {
      const dependency = byName.get(name.toLowerCase());
      if (!dependency || seen.has(dependency.key)) return [];
      seen.add(dependency.key);
      return ships(dependency) ? [purl(dependency.key)] : needs(dependency, seen);
    });
  const own = Object.values(target).filter((p) => p.type === 'project');
  return {
    direct: [...new Set(own.flatMap((p) => needs(p)).concat(needs({ dependencies: assets.project?.frameworks?.['net10.0']?.dependencies })))].sort(),
    components: packages.filter(([, p]) => ships(p)).map(([key]) => {
      const [name, version] = key.split('/');
      const library = assets.libraries[key];
      const folder = folders.map((f) => path.join(f, library.path)).find(existsSync);
      const { licenses, author } = folder ? ofNuspec(folder, library.files.find((f) => f.endsWith('.nuspec'))) : {};
      return {
        component: { type: 'library', 'bom-ref': purl(key), ...(author && { authors: [{ name: author }] }), name, version, ...(library.sha512 && { hashes: sha512(library.sha512) }), ...(licenses && { licenses }), purl: purl(key) },
        dependsOn: [...new Set(needs(byName.get(name.toLowerCase())))].sort(),
      };
    }),
  };
}

/** npm's packages that pages are made of. */
export function npmComponents(lock) {
  const named = Object.entries(lock.packages).filter(([where, p]) => where && !p.dev).map(([where, p]) => ({ name: where.slice(where.lastIndexOf('node_modules/') + 13), ...p }));
  const purl = (p) => `pkg:npm/${p.name.replace('@', '%40')}@${p.version}`;
  const needs = (p) => Object.keys(p.dependencies ?? {}).map((name) => named.find((n) => n.name === name)).filter(Boolean).map(purl).sort();
  return {
    direct: needs(lock.packages['']),
    components: named.map((p) => {
      const scope = p.name.startsWith('@') ? p.name.split('/')[0] : undefined;
      const licenses = licence(p.license);
      return {
        component: {
          type: 'library', 'bom-ref': purl(p), ...(scope && { group: scope }), name: scope ? p.name.split('/')[1] : p.name, version: p.version,
          ...(p.integrity?.startsWith('sha512-') && { hashes: sha512(p.integrity.slice(7)) }), ...(licenses && { licenses }), purl: purl(p),
        },
        dependsOn: needs(p),
      };
    }),
  };
}

/** .NET, which a self-contained archive brings along. */
function runtimeComponents(rid, version) {
  return ['Microsoft.NETCore.App', 'Microsoft.AspNetCore.App'].map((framework) => {
    const purl = `pkg:nuget/${framework}.Runtime.${rid}@${version}`;
    return { component: { type: 'framework', 'bom-ref': purl, authors: [{ name: 'Microsoft' }], name: `${framework}.Runtime.${rid}`, version, licenses: [{ license: { id: 'MIT' } }], purl }, dependsOn: [] };
  });
}

export function bom({ version, assets, lock, rid, runtime, time }) {
  const self = `pkg:generic/tokonomics@${encodeURIComponent(version)}`;
  const [nuget, npm, dotnet] = [nugetComponents(assets, rid), npmComponents(lock), rid && runtime ? runtimeComponents(rid, runtime) : []];
  const all = [...nuget.components, ...npm.components, ...dotnet].sort((a, b) => (a.component.purl < b.component.purl ? -1 : 1));
  const body = {
    metadata: {
      ...(time && { timestamp: time }),
      tools: { components: [{ type: 'application', name: 'deploy/release/sbom.mjs', version }] },
      component: { type: 'application', 'bom-ref': self, name: 'tokonomics', version, purl: self, ...(rid && { properties: [{ name: 'tokonomics:rid', value: rid }] }) },
    },
    components: all.map((c) => c.component),
    dependencies: [{ ref: self, dependsOn: [...nuget.direct, ...npm.direct, ...dotnet.map((c) => c.component.purl)].sort() }, ...all.map((c) => ({ ref: c.component.purl, ...(c.dependsOn.length && { dependsOn: c.dependsOn }) }))],
  };
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  // A UUID of version 8, whose bits are the maker's own affair (RFC 9562).
  const serial = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return { $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json', bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: `urn:uuid:${serial}`, version: 1, ...body };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = new Map();
  for (let i = 2; i < process.argv.length; i += 2) given.set(process.argv[i].replace(/^--/, ''), process.argv[i + 1]);
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const read = (name, otherwise) => JSON.parse(readFileSync(given.get(name) ?? path.join(root, otherwise), 'utf8'));
  const epoch = process.env.SOURCE_DATE_EPOCH;
  const made = bom({
    version: given.get('version') ?? '0.0.0',
    assets: read('assets', 'src/Standalone/obj/project.assets.json'),
    lock: read('lock', 'src/Web.Portal/package-lock.json'),
    rid: given.get('rid'),
    runtime: given.get('runtime'),
    time: epoch && new Date(Number(epoch) * 1000).toISOString(),
  });
  process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
}
