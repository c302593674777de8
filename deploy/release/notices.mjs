// The licences of what a release brings along, in one text: of each package its own licence file, or what it declares. Who hands the archive on has to hand these on too.
//   node deploy/release/notices.mjs [--assets …] [--lock …] [--rid linux-x64] [--runtime 10.0.12]
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { npmComponents, nugetComponents } from './sbom.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const named = /^(licen[sc]e|copying|notice|third-?party-?notices?)([.-].*)?$/i;

/** The texts of a package's folder. */
function texts(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).filter((f) => f.isFile() && named.test(f.name)).map((f) => readFileSync(path.join(folder, f.name), 'utf8').replaceAll('\r\n', '\n').trim());
}

const declared = (component) => component.licenses?.map((l) => l.expression ?? l.license.id ?? `${l.license.name}${l.license.url ? `, ${l.license.url}` : ''}`).join('; ') ?? 'none declared';

export function notices({ assets, lock, rid, runtime, frontEnd = path.join(root, 'src/Web.Portal/node_modules') }) {
  const folders = Object.keys(assets.packageFolders);
  const nuget = nugetComponents(assets, rid).components.map(({ component }) => ({ component, text: folders.flatMap((f) => texts(path.join(f, component.name.toLowerCase(), component.version))) }));
  const npm = npmComponents(lock).components.map(({ component }) => ({ component, text: texts(path.join(frontEnd, component.group ?? '', component.name)) }));
  const dotnet = rid && runtime ? ['microsoft.netcore.app', 'microsoft.aspnetcore.app'].map((name) => ({
    component: { name: `${name}.runtime.${rid}`, version: runtime, authors: [{ name: 'Microsoft' }], licenses: [{ license: { id: 'MIT' } }] },
    text: folders.flatMap((f) => texts(path.join(f, `${name}.runtime.${rid}`, runtime))),
  })) : [];
  return [...nuget, ...npm, ...dotnet].map(({ component, text }) => {
    const name = component.group ? `${component.group}/${component.name}` : component.name;
    const by = component.authors ? `, by ${component.authors.map((a) => a.name).join(', ')}` : '';
    return `${'='.repeat(100)}\n${name} ${component.version}${by}\nLicence: ${declared(component)}\n${text.map((t) => `\n${t}\n`).join('')}`;
  }).join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = new Map();
  for (let i = 2; i < process.argv.length; i += 2) given.set(process.argv[i].replace(/^--/, ''), process.argv[i + 1]);
  const read = (name, otherwise) => JSON.parse(readFileSync(given.get(name) ?? path.join(root, otherwise), 'utf8'));
  process.stdout.write(`What Tokonomics brings along, and under which licences.\n\n${notices({ assets: read('assets', 'src/Standalone/obj/project.assets.json'), lock: read('lock', 'src/Web.Portal/package-lock.json'), rid: given.get('rid'), runtime: given.get('runtime') })}`);
}
