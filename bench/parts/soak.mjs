// The report of bench/soak.sh: node bench/parts/soak.mjs FOLDER REPORT MAXIMUM RATE TICKS INVARIANTS
import { readFileSync, writeFileSync } from 'node:fs';
import { lines, number } from '../charts.mjs';

const [folder, report, most, rate, hz, holds] = process.argv.slice(2);
const windows = readFileSync(`${folder}/windows`, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const all = windows.pop();
const samples = readFileSync(`${folder}/samples`, 'utf8').trim().split('\n').map((line) => line.split(' ').map(Number));
const held = JSON.parse(readFileSync(`${folder}/held`, 'utf8').trim().split('\n').at(-1));
const rows = windows.map((w, i) => {
  const [, rss, handles, threads, ticks] = samples[Math.min(i, samples.length - 1)];
  const before = i > 0 && i < samples.length ? samples[i - 1][4] : NaN;
  return { second: w.until_s, ok: w.ok, shed: w.shed, refused: w.refused, broken: w.broken, p50_us: w.p50_us, p99_us: w.p99_us, max_us: w.max_us, resident_kb: rss, handles, threads, cpu_cores: i > 0 ? Math.round((ticks - before) / hz * 10) / 100 : '' };
});
writeFileSync(`${report}/soak.csv`, [Object.keys(rows[0]).join(','), ...rows.map((r) => Object.values(r).join(','))].join('\n') + '\n');
const of = (field, scale = 1) => rows.map((r) => [r.second / 60, r[field] / scale]);
const one = (name, unit, field, scale, colour = 3) => ({ name, unit, lines: [{ name, colour, points: of(field, scale) }] });
writeFileSync(`${report}/soak.svg`, lines(`${rate} calls a second, plain and streamed`, [
  { name: 'latency', unit: 'ms', lines: [{ name: 'p99', colour: 3, points: of('p99_us', 1000) }, { name: 'median', colour: 1, points: of('p50_us', 1000) }] },
  one('resident size', 'MB', 'resident_kb', 1024), one('open handles', '', 'handles', 1), one('threads', '', 'threads', 1),
], 'minutes'));

// The first sixth of the run is left out: a process that was just started still grows into its load.
const later = rows.slice(Math.floor(rows.length / 6)), median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const third = Math.max(1, Math.floor(later.length / 3));
const change = (field) => [median(later.slice(0, third).map((r) => r[field])), median(later.slice(-third).map((r) => r[field]))];
const [rss, handles, threads, p99] = ['resident_kb', 'handles', 'threads', 'p99_us'].map(change);
writeFileSync(`${report}/soak.md`, `# Soak

Made by \`bench/soak.sh ${Math.round(rows.at(-1).second / 60)}\` on ${new Date().toISOString().slice(0, 10)}; not edited by hand. ${number(+rate, 0)} calls a second, 70 % of the ${number(+most, 0)} that this mixture reached: nine in ten plain with 1 kB, one a stream of 50 events,
of which three in ten are left by the client in the middle; a hundred streams stand open beside them. Each call is timed from when it was due. Tokonomics on SQLite, everything on.

| | after a sixth of the run | at its end |
|---|---|---|
| resident size, MB | ${number(rss[0] / 1024, 0)} | ${number(rss[1] / 1024, 0)} |
| open handles | ${handles[0]} | ${handles[1]} |
| threads | ${threads[0]} | ${threads[1]} |
| p99 of 10 s, ms | ${number(p99[0] / 1000, 1)} | ${number(p99[1] / 1000, 1)} |

Each is the median of a third of what follows the first sixth. ${number(all.calls, 0)} calls: ${number(all.ok, 0)} answered, ${all.shed} shed with 503, ${all.refused} refused otherwise, ${all.broken} broken, ${all.unsent} not sent in time; median ${number(all.p50_us / 1000, 2)} ms, p99 ${number(all.p99_us / 1000, 1)} ms, slowest ${number(all.max_us / 1000, 0)} ms.
Of the hundred open streams ${held.broken} broke. Afterwards ${holds} invariants of the ledger hold. The managed heap isn't measured: .NET's counters need a tool of their own.

![${rate} calls a second](soak.svg)

Every 10 s: [soak.csv](soak.csv).
`);
console.log(`${report}/soak.md`);
