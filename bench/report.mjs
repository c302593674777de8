// The report of a run: node bench/report.mjs RAW FOLDER writes FOLDER/latest.md and its charts; node bench/report.mjs --smoke RAW prints ratios.
import { existsSync, writeFileSync } from 'node:fs';
import { bars, number } from './charts.mjs';
import { colours, names, read } from './figures.mjs';
import { goals, slopeOf } from './goals.mjs';

const [first, second] = process.argv.slice(2);
if (!second) { console.error('node bench/report.mjs RAW FOLDER | --smoke RAW'); process.exit(2); }
if (first === '--smoke') smoke(read(second));
else report(read(first), second);

function smoke(f) {
  for (const goal of goals(f)) if (Number.isFinite(goal.value)) console.log(`   ${goal.name}: ${goal.said}; goal ${goal.wanted}`);
  const failed = f.rows.reduce((all, row) => all + (row.errors ?? 0), 0);
  console.log(`   failed requests: ${failed}; invariants that hold: ${f.of({ part: 'verify' }, 'holds')}`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function report(f, folder) {
  const { run } = f, files = [];
  const chart = (name, title, groups, unit) => { writeFileSync(`${folder}/${name}.svg`, bars(title, groups, unit)); files.push(`![${title}](${name}.svg)`); };
  const group = (name, where, value) => ({ name, bars: f.targets(where).filter((t) => t in colours).map((t) => ({ name: names[t], colour: colours[t], value: value({ ...where, target: t }) })).filter((b) => Number.isFinite(b.value)) });
  const withoutDirect = (g) => ({ ...g, bars: g.bars.filter((b) => b.name !== 'direct') });

  if (f.has('pipe')) {
    chart('latency', 'Median latency added to a call, 1 connection', ['plain', 'stream'].map((kind) => withoutDirect(group(kind === 'plain' ? 'answer of 1 kB' : 'stream of 50 events, sent at once', { part: 'pipe', kind, connections: 1 }, (w) => f.added(w, 'p50')))), 'us');
    chart('throughput', 'Calls a second, 32 connections', ['plain', 'stream'].map((kind) => withoutDirect(group(kind === 'plain' ? 'answer of 1 kB' : 'stream of 50 events', { part: 'pipe', kind, connections: 32 }, (w) => f.of(w, 'rps')))), '/s');
    chart('cpu', 'CPU of a call, 32 connections, both cores counted', ['plain', 'stream'].map((kind) => withoutDirect(group(kind === 'plain' ? 'answer of 1 kB' : 'stream of 50 events', { part: 'pipe', kind, connections: 32 }, (w) => f.of(w, 'cpu')))), 'us');
  }
  if (f.has('streams')) chart('streams', 'A stream, an event at a time: median added', [withoutDirect(group('time to first byte', { part: 'streams', kind: 'paced3', connections: 1 }, (w) => f.added(w, 'first_p50_us'))), withoutDirect(group('each event', { part: 'streams', kind: 'paced50', connections: 1 }, (w) => f.added(w, 'event_p50_us')))], 'us');
  if (f.has('rate')) chart('half', 'p99 at half the maximum rate of Tokonomics on SQLite', [group(`plain, ${number(f.of({ part: 'rate', of: 'tokonomics' }, 'rate'), 0)} calls/s`, { part: 'rate', of: 'tokonomics' }, (w) => f.of(w, 'p99_us'))], 'us');
  if (f.has('memory')) chart('memory', 'Memory of an open stream', [group('resident size', { part: 'memory' }, (w) => slopeOf(f.matching(w)[0]))], 'kB');

  const table = (head, rows) => `| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|\n${rows.map((r) => `| ${r.join(' | ')} |`).join('\n')}\n`;
  const kinds = { plain: 'plain, 1 kB', stream: 'stream, 50 events', long: 'stream, 2,000 events', '100k': 'prompt of 100 kB', '1m': 'prompt of 1 MB' };
  const hammered = (part, relay = 'nginx') => table(
    ['call', 'connections', 'through', 'median us', 'added us', '× nginx\'s', 'p99 us', 'calls/s', '% of nginx\'s', 'CPU us/call', '× nginx\'s CPU'],
    ['plain', 'stream', 'long', '100k', '1m'].flatMap((kind) => [1, 32, 256].flatMap((connections) => f.targets({ part, kind, connections }).map((target) => {
      const w = { part, kind, connections, target }, n = { ...w, target: relay }, it = (field) => f.of(w, field);
      const compared = target !== 'direct' && target !== relay;
      return [kinds[kind], connections, names[target], number(it('p50'), 0), target === 'direct' ? '' : number(f.added(w, 'p50'), 0), compared ? number(f.times(w, relay, 'p50'), 1) : '', number(it('p99'), 0),
        number(it('rps'), 0), compared ? number(100 * it('rps') / f.of(n, 'rps'), 0) : '', number(it('cpu'), 1) + (target === 'pg' ? ` + ${number(it('store'), 1)}` : ''), compared ? number(it('cpu') / f.of(n, 'cpu'), 1) : ''];
    }))));

  const sqlite = goals(f), pg = goals(f, 'pg');
  const told = (goal) => (goal.met === undefined ? '' : goal.met ? 'met' : '**missed**');
  const parts = [`# Benchmarks

Made by \`bench/run.sh --rounds ${run.rounds} --seconds ${run.seconds} --parts ${run.parts}\` on ${run.day}; not edited by hand. What is measured and how, and how the others were set up: [README.md](README.md).

${run.machine}; at the start the load average was ${number(run.load, 1)}. ${run.versions}. Client, provider and what is measured share the cores, so that from 32 connections on the figures are a contest for CPU. Medians over ${run.rounds} rounds of ${run.seconds} s each;
"added" is less what the provider called directly takes in the same run.

## Goals
${table(['figure', 'goal', 'Tokonomics, SQLite', '', 'PostgreSQL + Redis', ''], sqlite.map((goal, i) => [goal.name, goal.wanted, goal.said, told(goal), pg[i].value === undefined || !Number.isFinite(pg[i].value) ? '' : pg[i].said, told(pg[i])]))}
${files.join('\n')}
`];
  if (f.has('pipe')) parts.push(`## Calls as fast as answers come\nCPU is of the process and its workers until it has come to rest, and so includes writing the ledger; for "direct" it is the provider's own; after the plus it is PostgreSQL's and Redis'.\n\n${hammered('pipe')}`);
  if (f.has('bodies')) parts.push(`## Long prompts\nTo a provider that reads the request whole, so that "direct" is slower than above.\n\n${hammered('bodies')}`);
  if (f.has('tls')) parts.push(`## With TLS to the client\nKept connections, the same certificate (RSA 2048). "direct" is without TLS.\n\n${hammered('tls', 'nginx-tls')}`);
  if (f.has('streams')) parts.push(`## Streams, an event at a time\nTime to first byte from sending the request; an event from its sending at the provider to its arrival at the client.\n\n${table(
    ['stream', 'at once', 'through', 'first byte us', 'added us', '× nginx\'s', 'event us', 'added us', '× nginx\'s', 'event p99 us', 'broken'],
    [['paced3', 1, '3 events, 200/s'], ['paced50', 1, '50 events, 100/s'], ['paced50', 32, '50 events, 100/s'], ['paced2000', 1, '2,000 events, up to 1,000/s']].flatMap(([kind, connections, name]) => f.targets({ part: 'streams', kind, connections }).map((target) => {
      const w = { part: 'streams', kind, connections, target }, compared = !['direct', 'nginx'].includes(target);
      const of = (field) => [number(f.of(w, field), 0), target === 'direct' ? '' : number(f.added(w, field), 0), compared ? number(f.times(w, 'nginx', field), 1) : ''];
      return [name, connections, names[target], ...of('first_p50_us'), ...of('event_p50_us'), number(f.of(w, 'event_p99_us'), 0), f.matching(w).reduce((all, row) => all + row.broken, 0)];
    })))}`);
  if (f.has('rate')) parts.push(`## At half the maximum rate\nPlain calls over 32 connections, each timed from when it was due. The maximum is the load generator's own, at 32 connections: ${f.targets({ part: 'most' }).map((t) => `${names[t]} ${number(f.of({ part: 'most', target: t }, 'per_second'), 0)}/s`).join(', ')}.\n\n${table(
    ['through', 'calls/s', 'median us', 'p99 us', 'p99.9 us', 'slowest us', 'not answered with 200'],
    [['direct', 'tokonomics'], ['nginx', 'tokonomics'], ['tokonomics', 'tokonomics'], ['pg', 'pg'], ['portkey', 'portkey']].filter(([target]) => f.targets({ part: 'rate' }).includes(target)).map(([target, of]) => {
      const w = { part: 'rate', target, of };
      return [names[target], number(f.of(w, 'rate'), 0), ...['p50_us', 'p99_us', 'p999_us', 'max_us'].map((field) => number(f.of(w, field), 0)), f.matching(w).reduce((all, row) => all + row.shed + row.refused + row.broken + row.unsent, 0)];
    }))}`);
  if (f.has('memory')) parts.push(`## Memory of open streams\nEach with a prompt of 4 kB and an event every 10 s; open files are limited to ${number(run.descriptors, 0)} here.\n\n${table(
    ['through', ...f.matching({ part: 'memory' })[0].steps.map((_, i) => ['first step', 'half', 'all'][i] ?? ''), 'kB a stream', 'after holding them', 'broken'],
    f.matching({ part: 'memory' }).map((row) => [names[row.target], ...row.steps.map((s) => `${number(s.open, 0)} open: ${number(s.resident_kb / 1024, 0)} MB`), number(slopeOf(row), 1), row.held.length ? `${number(row.held.at(-1).open, 0)} open: ${number(row.held.at(-1).resident_kb / 1024, 0)} MB after ${row.held.at(-1).second} s` : '', row.broken]))}`);
  if (f.has('start')) {
    const starts = f.matching({ part: 'start' }), size = f.matching({ part: 'size' })[0];
    parts.push(`## Cold start\nFrom starting the published process (\`dotnet Tokonomics.Standalone.dll\`, files in the system's cache, a data folder that exists) to the answer of the first proxied call: ${starts.map((s) => `${number(s.ms, 0)}`).join(', ')} ms. ` +
      `Published: ${number(size.published_bytes / 1e6, 0)} MB in ${size.files} files. Resident at rest, 15 s after that call: ${number(starts[0].resident_kb / 1024, 0)} MB.`);
  }
  for (const [file, name] of [['soak', 'Soak'], ['attack', 'Attacks and overload']]) if (existsSync(`${folder}/${file}.md`)) parts.push(`See also: [${name}](${file}.md).`);
  const failed = f.rows.filter((row) => row.part !== 'warm').reduce((all, row) => all + (row.errors ?? 0), 0);
  const whose = Object.keys(names).map((t) => [t, f.matching({ target: t }).filter((r) => r.part !== 'warm').reduce((all, r) => all + (r.errors ?? 0), 0)]).filter(([, n]) => n > 0).map(([t, n]) => `${names[t]} ${n}`).join(', ');
  parts.push(`Failed requests: ${failed}${whose ? ` (${whose})` : ''}. After the run: ${f.matching({ part: 'verify' }).map((v) => `${names[v.target]}, ${v.holds} invariants hold`).join('; ')}.`);
  writeFileSync(`${folder}/latest.md`, parts.join('\n\n') + '\n');
  console.log(`${sqlite.map((goal) => `${goal.name}: ${goal.said}; goal ${goal.wanted}${goal.met === undefined ? '' : goal.met ? ', met' : ', missed'}`).join('\n')}\n${folder}/latest.md`);
}
