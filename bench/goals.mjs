// The goals, and what a run says of each. A figure is NaN where its part didn't run.
import { number } from './charts.mjs';

export function goals(f, target = 'tokonomics') {
  const plain = (connections, t = target) => ({ part: 'pipe', kind: 'plain', connections, target: t });
  const paced = (t) => ({ part: 'streams', kind: 'paced50', connections: 1, target: t });
  const times = (field, where) => f.added(where(target), field) / f.added(where('nginx'), field);
  const rate = (t) => ({ part: 'rate', of: 'tokonomics', target: t });
  const memory = f.matching({ part: 'memory', target })[0], slope = memory ? slopeOf(memory) : NaN, grown = memory ? grownOf(memory) : NaN;
  const p99 = target === 'tokonomics' ? f.added(rate(target), 'p99_us') / 1000 : (f.of({ part: 'rate', of: target, target }, 'p99_us') - f.of(rate('direct'), 'p99_us')) / 1000;
  const held = memory?.held.at(-1)?.second ?? 0;
  const goal = (name, wanted, value, met, said) => ({ name, wanted, value, said: Number.isFinite(value) ? said ?? number(value, 1) : 'not measured', met: Number.isFinite(value) ? met(value) : undefined });
  return [
    goal('median added latency, 1 connection, plain 1 kB', '≤ 3 × nginx', f.added(plain(1), 'p50') / f.added(plain(1, 'nginx'), 'p50'), (x) => x <= 3, `${number(f.added(plain(1), 'p50') / f.added(plain(1, 'nginx'), 'p50'), 1)} × (${number(f.added(plain(1), 'p50'), 0)} us, nginx ${number(f.added(plain(1, 'nginx'), 'p50'), 0)} us)`),
    goal('added time to first byte of a stream', '≤ 3 × nginx', times('first_p50_us', paced), (x) => x <= 3, `${number(times('first_p50_us', paced), 1)} × (${number(f.added(paced(target), 'first_p50_us'), 0)} us, nginx ${number(f.added(paced('nginx'), 'first_p50_us'), 0)} us)`),
    goal('added per event of a stream', '≤ 3 × nginx', times('event_p50_us', paced), (x) => x <= 3, `${number(times('event_p50_us', paced), 1)} × (${number(f.added(paced(target), 'event_p50_us'), 0)} us, nginx ${number(f.added(paced('nginx'), 'event_p50_us'), 0)} us)`),
    goal('requests/s at 32 connections, of nginx', '≥ 40 %', 100 * f.of(plain(32), 'rps') / f.of(plain(32, 'nginx'), 'rps'), (x) => x >= 40, `${number(100 * f.of(plain(32), 'rps') / f.of(plain(32, 'nginx'), 'rps'), 0)} % (${number(f.of(plain(32), 'rps'), 0)} of ${number(f.of(plain(32, 'nginx'), 'rps'), 0)})`),
    goal('requests/s at 32 connections, to Portkey', '≥ 10 ×', f.of(plain(32), 'rps') / f.of(plain(32, 'portkey'), 'rps'), (x) => x >= 10, `${number(f.of(plain(32), 'rps') / f.of(plain(32, 'portkey'), 'rps'), 1)} × (Portkey ${number(f.of(plain(32, 'portkey'), 'rps'), 0)})`),
    goal('CPU per request, 32 connections', '≤ 4 × nginx', f.of(plain(32), 'cpu') / f.of(plain(32, 'nginx'), 'cpu'), (x) => x <= 4, `${number(f.of(plain(32), 'cpu') / f.of(plain(32, 'nginx'), 'cpu'), 1)} × (${number(f.of(plain(32), 'cpu'), 0)} us, nginx ${number(f.of(plain(32, 'nginx'), 'cpu'), 0)} us)`),
    goal('p99 added at half the maximum rate', '≤ 1 ms', p99, (x) => x <= 1, `${number(p99, 2)} ms (at ${number(f.of({ part: 'rate', of: target, target }, 'rate'), 0)}/s)`),
    goal('memory per open stream', '≤ 24 kB', slope, (x) => x <= 24, `${number(slope, 1)} kB, at ${number(memory?.steps.at(-1).open, 0)} open`),
    goal(`growth while ${memory ? number(memory.steps.at(-1).open, 0) : ''} streams are held`, 'flat over 30 minutes', grown, (x) => (held >= 1800 ? x <= 5 : undefined), `${number(grown, 1)} % in ${number(held / 60, 1)} minutes`),
    goal('cold start to the first proxied call', '≤ 1.5 s', f.of({ part: 'start', target }, 'ms') / 1000, (x) => x <= 1.5, `${number(f.of({ part: 'start', target }, 'ms') / 1000, 2)} s`),
  ];
}

/** kB of resident size for each stream, between the first step and the last. */
export const slopeOf = ({ steps }) => (steps.at(-1).resident_kb - steps[0].resident_kb) / (steps.at(-1).open - steps[0].open);
/** Per cent of what the streams took, from the last step to the end of holding them. */
const grownOf = ({ steps, held }) => (held.length === 0 ? NaN : 100 * (held.at(-1).resident_kb - steps.at(-1).resident_kb) / (steps.at(-1).resident_kb - steps[0].resident_kb));
