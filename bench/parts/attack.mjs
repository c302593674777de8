// The report of bench/attack.sh: node bench/parts/attack.mjs RAW REPORT SECONDS RATE MAXIMUM DESCRIPTORS
import { writeFileSync } from 'node:fs';
import { bars, number } from '../charts.mjs';
import { read } from '../figures.mjs';

const [raw, report, seconds, rate, most, descriptors] = process.argv.slice(2);
const f = read(raw);
const attacks = {
  slowloris: 'connections that send a byte of a header every 3 s', idle: 'connections that send nothing', 'slow-read': 'readers of 1 kB a second, of streams of 2,000 events', reset: 'connections that reset each request at once (HTTP/2, CVE-2023-44487)',
};
const share = (w) => 100 * w.ok / Math.max(1, w.ok + w.shed + w.refused + w.broken);
const phases = ['before', 'while', 'after'];
const rows = f.matching({ part: 'attack' }).flatMap((attack) => ['kept', 'new'].map((over) => {
  const windows = f.matching({ part: 'good', kind: attack.kind, over });
  return { attack, over, windows };
}));
const lines = rows.map(({ attack, over, windows }) => {
  const what = over === 'kept' ? [`${number(attack.most_open, 0)} ${attacks[attack.kind]}`, `opened ${number(attack.opened, 0)}, closed by the server ${number(attack.closed, 0)}, not let in ${number(attack.refused, 0)}${attack.requests ? `, requests ${number(attack.requests, 0)}` : ''}`] : ['', ''];
  return `| ${[...what, over === 'kept' ? `kept, ${rate}/s` : 'new for each call, 20/s', ...windows.map((w) => `${number(share(w), 2)} %`), ...windows.map((w) => number(w.p99_us / 1000, 1))].join(' | ')} |`;
});
const group = (over) => rows.filter((r) => r.over === over).map(({ attack, windows }) => ({ name: attack.kind, bars: windows.map((w, i) => ({ name: phases[i], colour: i === 1 ? 2 : 3, value: w.p99_us / 1000 })) }));
writeFileSync(`${report}/attack.svg`, bars('p99 of good calls over kept connections', group('kept'), 'ms'));
writeFileSync(`${report}/attack-new.svg`, bars('p99 of good calls over a new connection each', group('new'), 'ms'));

const overload = Object.fromEntries(f.matching({ part: 'overload' }).map((w) => [w.phase, w]));
writeFileSync(`${report}/overload.svg`, bars('Answers a second', Object.values(overload).map((w) => ({
  name: `${w.phase} (${number(w.rate, 0)}/s due)`, bars: [{ name: '200', colour: 3, value: w.per_second }, { name: '503', colour: 2, value: w.shed / seconds }],
})), '/s'));
const recovered = f.matching({ part: 'recovery' }).find((w) => w.ok === w.calls && w.p99_us <= 2 * overload.before.p99_us);
writeFileSync(`${report}/attack.md`, `# Attacks and overload

Made by \`bench/attack.sh ${seconds}\` on ${new Date().toISOString().slice(0, 10)}; not edited by hand. Tokonomics on SQLite, everything on, by itself: no balancer before it. Attackers, good callers, provider and product share the machine's cores, so that an attack costs good calls what
it costs to make it, too. Open files are limited to ${number(+descriptors, 0)}; the product takes at most half as many connections as it has descriptors beyond 768.

Good calls at a fixed rate, ${seconds} s each before, while and after; answered with 200, and p99 from when each was due:

| attack | what became of it | good calls' connections | before | while | after | p99 ms before | while | after |
|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}

![p99, kept connections](attack.svg)
![p99, new connections](attack-new.svg)

## Overload
Plain calls at three tenths of the maximum (${number(+most, 0)}/s), at twice the maximum over 8,000 connections, and at three tenths again. New calls are refused with 503 where for a second nothing got to a thread within \`Proxy:ShedAfter\`, 100 ms:

| | calls/s due | answered with 200, /s | shed with 503 | otherwise refused | broken | not sent in time | median ms | p99 ms | from sending: median ms | p99 ms |
|---|---|---|---|---|---|---|---|---|---|---|
${Object.entries(overload).map(([phase, w]) => `| ${[phase, number(w.rate, 0), number(w.per_second, 0), number(w.shed, 0), w.refused, w.broken, number(w.unsent, 0), number(w.p50_us / 1000, 2), number(w.p99_us / 1000, 1), number(w.sent_p50_us / 1000, 2), number(w.sent_p99_us / 1000, 1)].join(' | ')} |`).join('\n')}

![Answers a second](overload.svg)

${overload.during.ok >= 0.95 * overload.during.rate * seconds ? '**It was no overload**: the maximum was measured too low, on a machine that was busy then. ' : ''}Callers wait for their answers, so that no more than 8,000 calls are in flight: what was due beyond them was not sent in time, and a call is timed from when it was due; who is refused calls again at once. ${recovered ? `Within ${number(recovered.until_s, 0)} s all calls were answered again, with a p99 of no more than twice that before.` : `**It had not recovered ${seconds} s later**: by then not all calls of a second were answered with a p99 of no more than twice that before.`}

After all this ${f.matching({ part: 'verify' }).map((v) => v.holds).join(' and ')} invariants of the two ledgers hold.
`);
console.log(`${report}/attack.md`);
