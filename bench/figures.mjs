// Medians of what bench/run.sh recorded, one line of JSON for each measurement.
import { readFileSync } from 'node:fs';

export const names = { direct: 'direct', nginx: 'nginx', portkey: 'Portkey', tokonomics: 'Tokonomics, SQLite', pg: 'Tokonomics, PostgreSQL + Redis', 'nginx-tls': 'nginx, TLS', 'tokonomics-tls': 'Tokonomics, SQLite, TLS', route: '… by a route', group: '… in a quality group', repeat: '… a repeat from the cache' };
export const colours = { direct: 0, nginx: 1, 'nginx-tls': 1, portkey: 2, tokonomics: 3, 'tokonomics-tls': 3, pg: 4 };

export const median = (all) => {
  const sorted = all.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted.length % 2 ? sorted[sorted.length >> 1] : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
};

export function read(file) {
  const rows = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const run = rows.find((r) => r.part === 'run') ?? { hz: 100 };
  for (const row of rows)
    if (row.ticks !== undefined) {
      row.rps = row.calls / (row.us / 1e6);
      row.cpu = (row.ticks / run.hz) * 1e6 / row.calls;
      row.store = (row.store_ticks / run.hz) * 1e6 / row.calls;
    }
  // Where nothing was answered, wrk says 0 of all times.
  for (const row of rows) if (row.calls === 0) row.p50 = row.p99 = row.rps = NaN;
  const matching = (where) => rows.filter((row) => Object.entries(where).every(([name, value]) => row[name] === value));
  /** The median over the rounds of a field of the measurements that have these values; NaN where there are none. */
  const of = (where, field) => median(matching(where).map((row) => row[field]));
  /** What a target adds to the provider called directly, in the same part of the run. */
  const added = (where, field) => of(where, field) - of({ ...where, target: 'direct' }, field);
  /** In so many times of what another target adds; NaN where one of both adds less than can be measured. */
  const times = (where, relay, field) => {
    const [own, floor] = [added(where, field), added({ ...where, target: relay }, field)];
    return own > 0 && floor > 0 ? own / floor : NaN;
  };
  return { rows, run, matching, of, added, times, has: (part) => rows.some((row) => row.part === part), targets: (where) => Object.keys(names).filter((target) => matching({ ...where, target }).length > 0) };
}
