// The goals, and what a run says of each. A figure is NaN where its part didn't run.
import { number } from './charts.mjs';

/** For each goal: name, wanted, value, what is said of it, and whether it is met (undefined where that can't be said). */
export function goals(f, target = 'tokonomics') {
  const of = (name, wanted, value, said, met) => ({ name, wanted, value, said: Number.isFinite(value) ? said : 'not measured', met: Number.isFinite(value) ? met(value) : undefined });
  const plain = (connections) => (t) => ({ part: 'pipe', kind: 'plain', connections, target: t });
  const stream = (kind) => (t) => ({ part: 'streams', kind, connections: 1, target: t });

  // A time that is added to the provider's own, in so many times of what nginx adds.
  const added = (name, where, field) => {
    const [own, floor] = [f.added(where(target), field), f.added(where('nginx'), field)];
    return of(name, '≤ 3 × nginx', own / floor, `${number(own / floor, 1)} × (${number(own, 0)} us, nginx ${number(floor, 0)} us)`, (times) => times <= 3);
  };
  const calls = (t) => f.of(plain(32)(t), 'rps'), cpu = (t) => f.of(plain(32)(t), 'cpu');
  // Each installation at half of its own maximum; the provider called directly at half of SQLite's.
  const tail = (f.of({ part: 'rate', of: target, target }, 'p99_us') - f.of({ part: 'rate', of: 'tokonomics', target: 'direct' }, 'p99_us')) / 1000;
  const memory = f.matching({ part: 'memory', target })[0];
  const [slope, growth] = memory ? [slopeOf(memory), growthOf(memory)] : [NaN, NaN];
  const open = memory ? number(memory.steps.at(-1).open, 0) : '', minutes = (memory?.held.at(-1)?.second ?? 0) / 60;
  const started = f.of({ part: 'start', target }, 'ms') / 1000;
  return [
    added('median added latency, 1 connection, plain 1 kB', plain(1), 'p50'),
    added('added time to first byte of a stream', stream('paced3'), 'first_p50_us'),
    added('added per event of a stream', stream('paced50'), 'event_p50_us'),
    of('requests/s at 32 connections, of nginx', '≥ 40 %', 100 * calls(target) / calls('nginx'), `${number(100 * calls(target) / calls('nginx'), 0)} % (${number(calls(target), 0)} of ${number(calls('nginx'), 0)})`, (share) => share >= 40),
    of('requests/s at 32 connections, to Portkey', '≥ 10 ×', calls(target) / calls('portkey'), `${number(calls(target) / calls('portkey'), 1)} × (Portkey ${number(calls('portkey'), 0)})`, (times) => times >= 10),
    of('CPU per request, 32 connections', '≤ 4 × nginx', cpu(target) / cpu('nginx'), `${number(cpu(target) / cpu('nginx'), 1)} × (${number(cpu(target), 0)} us, nginx ${number(cpu('nginx'), 0)} us)`, (times) => times <= 4),
    of('p99 added at half the maximum rate', '≤ 1 ms', tail, `${number(tail, 2)} ms (at ${number(f.of({ part: 'rate', of: target, target }, 'rate'), 0)}/s)`, (ms) => ms <= 1),
    of('memory per open stream', '≤ 24 kB', slope, `${number(slope, 1)} kB, at ${open} open`, (kB) => kB <= 24),
    of('growth while they are held', 'flat over 30 minutes', growth, `${number(growth, 1)} % in ${number(minutes, 1)} minutes`, (percent) => (minutes >= 30 ? percent <= 5 : undefined)),
    of('cold start to the first proxied call', '≤ 1.5 s', started, `${number(started, 2)} s`, (seconds) => seconds <= 1.5),
  ];
}

/** kB of resident size for each stream, between the first step and the last. */
export const slopeOf = ({ steps }) => (steps.at(-1).resident_kb - steps[0].resident_kb) / (steps.at(-1).open - steps[0].open);
/** Per cent of what the streams took, from the last step to the end of holding them. */
const growthOf = ({ steps, held }) => (held.length === 0 ? NaN : 100 * (held.at(-1).resident_kb - steps.at(-1).resident_kb) / (steps.at(-1).resident_kb - steps[0].resident_kb));
