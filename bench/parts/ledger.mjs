// The report of bench/ledger.sh: node bench/parts/ledger.mjs RAW REPORT
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { bars, number } from '../charts.mjs';
import { median } from '../figures.mjs';

const [raw, report] = process.argv.slice(2);
mkdirSync(report, { recursive: true });
const all = readFileSync(raw, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const of = (part, where = {}) => all.filter((row) => row.part === part && Object.entries(where).every(([name, value]) => row[name] === value));
const [run] = of('run'), [end] = of('end');
const distinct = (list) => [...new Set(list)];
const stores = { sqlite: 'SQLite', postgres: 'PostgreSQL' };
const whole = (x) => number(x, 0);
const short = (x) => (x >= 1e6 ? `${number(x / 1e6, x % 1e6 ? 1 : 0)} M` : x >= 1e3 ? `${number(x / 1e3, 0)} k` : `${x}`);
const table = (head, rows) => `| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|\n${rows.map((r) => `| ${r.join(' | ')} |`).join('\n')}\n`;
const chart = (name, title, groups, unit) => { writeFileSync(`${report}/${name}.svg`, bars(title, groups, unit)); return `![${title}](${name}.svg)`; };
const several = (n, word) => (n === 1 ? `one ${word}` : `${whole(n)} ${word}s`);
const sections = [];

const goal = 20_000, ingest = of('ingest');
if (ingest.length > 0) {
  const groups = distinct(ingest.map((r) => [r.store, r.tenants, r.batch, r.writers].join('/'))).map((key) => {
    const [store, tenants, batch, writers] = key.split('/').map((v, i) => (i ? +v : v)), rows = ingest.filter((r) => r.store === store && r.tenants === tenants && r.batch === batch && r.writers === writers);
    return { store, tenants, batch, writers, ...Object.fromEntries(['per_second', 'writer_us', 'store_us'].map((f) => [f, median(rows.map((r) => r[f]))])), low: Math.min(...rows.map((r) => r.per_second)), high: Math.max(...rows.map((r) => r.per_second)) };
  });
  const picture = chart('ledger-ingest', 'Events a second into the ledger, nothing beside', Object.keys(stores).filter((s) => groups.some((g) => g.store === s)).map((store) => ({
    name: stores[store], bars: groups.filter((g) => g.store === store).map((g) => ({ name: `batches of ${whole(g.batch)}, ${several(g.writers, 'writer')}${g.tenants > 1 ? `, ${g.tenants} tenants` : ''}`, value: g.per_second, colour: g.tenants > 1 ? 2 : g.writers > 1 ? 4 : 3 })),
  })), '/s');
  sections.push(`## Ingest
${picture}

${table(['store', 'tenants', 'events in a batch', 'writers', 'events/s', 'lowest to highest round', 'CPU of the writer, us/event', 'CPU of the database, us/event'], groups.map((g) => [
    stores[g.store], g.tenants, whole(g.batch), g.writers, whole(g.per_second), `${whole(g.low)} to ${whole(g.high)}`, number(g.writer_us, 0), g.store === 'sqlite' ? 'in the writer\'s' : number(g.store_us, 0)]))}
The product's own writer (\`IUsageLedger.AppendAsync\`), each batch a transaction that is on disk when it returns: events, hourly sums by key and model, by tag, by customer and feature, what caches saved, and the postings of budgets. The calls are
those of \`tokonomics demo\` as if they ended now, with what the product's gate held for them: most count on five strict budgets. They are made before the clock runs. ${run.rounds === 1 ? 'One round' : `${run.rounds} rounds`} of ${whole(run.events)} events each (a fifth of that for batches below 500),
the median. Shipping appends up to 1,000 at once (\`Recorder:BatchSize\`). Two writers are two nodes that append to the same ${of('ingest').some((r) => r.tenants > 1) ? 'tenants' : 'tenant'}; SQLite lets one write at a time. One tenant's events meet in few sums and accounts;
with ${run.tenants} tenants a batch touches many more.
`);
}

const serving = of('serving');
if (serving.length > 0) {
  const alone = serving.find((r) => r.writers === 0), beside = serving.filter((r) => r.writers > 0), best = beside.reduce((a, b) => (a.ingest.per_second > b.ingest.per_second ? a : b));
  sections.push(`## Ingest while serving
**${whole(best.ingest.per_second)} events a second into PostgreSQL while it serves; the goal of ${whole(goal)} on two cores is ${best.ingest.per_second >= goal ? 'met' : 'missed'}.**

${table(['beside the calls', 'events/s', 'calls answered/s', 'not answered', 'median, ms', 'p99, ms', 'p99.9, ms', 'CPU of writer and database, us/event'], serving.map((r) => [
    r.writers === 0 ? 'nothing' : several(r.writers, 'writer'), r.ingest ? whole(r.ingest.per_second) : '', whole(r.per_second), r.shed + r.refused + r.broken + r.unsent, number(r.p50_us / 1000, 2), number(r.p99_us / 1000, 1), number(r.p999_us / 1000, 1),
    r.ingest ? `${number(r.ingest.writer_us, 0)} + ${number(r.ingest.store_us, 0)}` : '']))}
\`Tokonomics.Web.Proxy\` on the same PostgreSQL answers ${whole(run.rate)} plain calls of 1 kB a second, each timed from when it was due, and ships them in its own batches; the writer appends batches of 1,000 as fast as they are taken, for ${run.seconds} s. Added by one writer: ${number((beside[0].p50_us - alone.p50_us) / 1000, 2)} ms at the
median, ${number((beside[0].p99_us - alone.p99_us) / 1000, 1)} ms at p99. Client, provider (nginx), Redis, the proxy, the writer and PostgreSQL share the machine's cores. Afterwards every invariant of the ledger holds.
`);
}

const sizes = of('size');
if (sizes.length > 0) {
  const kind = (r) => (r.name.startsWith('usage_events') || /autoindex_usage_events_/.test(r.name) ? (r.kind === 'index' ? 'indexes' : 'events') : /^(sqlite_autoindex_)?(usage_|cache_savings|repeat_savings|routing_daily)/.test(r.name) ? 'sums' : 'other');
  const kinds = { events: 'events', indexes: 'their indexes', sums: 'hourly and daily sums', other: 'all else' };
  const sum = (s, which) => s.relations.filter((r) => !which || kind(r) === which).reduce((total, r) => total + r.bytes, 0);
  const picture = chart('ledger-size', 'Storage of a million events', sizes.map((s) => ({ name: `${stores[s.store]}, ${short(s.rows)} events`, bars: Object.keys(kinds).map((k, i) => ({ name: kinds[k], value: sum(s, k) / s.rows, colour: [3, 4, 2, 0][i] })) })), 'MB');
  const largest = Object.keys(stores).map((store) => sizes.filter((s) => s.store === store).at(-1)).filter(Boolean);
  const left = of('left').map((l) => `${short(l.rows)} rows on ${stores[l.store]} were not measured: they would take some ${l.gb} GB by what a row took before, and ${l.gb > l.allowed ? `${l.allowed} GB were allowed (\`--disk\`)` : `only ${l.free} GB were free`}.`);
  sections.push(`## Size
${picture}

${table(['store', 'events', 'in all, GB', ...Object.values(kinds).map((k) => `${k}, MB per million`), 'in all, MB per million'], sizes.map((s) => [stores[s.store], short(s.rows), number(sum(s) / 1e9, 2), ...Object.keys(kinds).map((k) => number(sum(s, k) / s.rows, 0)), number(sum(s) / s.rows, 0)]))}
${left.length > 0 ? `**${left.join(' ')}** \`bench/ledger.sh --rows … --disk …\` goes further for who has the disk and the time.\n` : ''}
By relation, the largest of each store:

${table(['relation', ...largest.map((s) => `${stores[s.store]} at ${short(s.rows)}, MB`)], distinct(largest.flatMap((s) => s.relations.map((r) => r.name)))
    .map((name) => [name, largest.map((s) => s.relations.find((r) => r.name === name)?.bytes ?? 0)]).filter(([, bytes]) => Math.max(...bytes) >= 1e6).sort((a, b) => Math.max(...b[1]) - Math.max(...a[1])).slice(0, 24)
    .map(([name, bytes]) => [`\`${name}\``, ...bytes.map((b) => (b ? number(b / 1e6, 1) : ''))]))}
The first ${short(sizes[0].rows)} events are \`tokonomics demo\`'s: one tenant, 90 days, thirty customers, written by the product's own writer. What is more are copies of those with other ids, inserted into the same tables and indexes by SQL, and sums that have as much added as the copies would have:
ten times the demonstration in each 90 days, then the 90 days before, each month of PostgreSQL in its partition.${of('verified').map((v) => ` \`tokonomics verify\` at ${short(v.rows)} events on ${stores[v.store]}: ${v.holds} invariants hold.`).join('')}
Copying took ${of('grown').map((g) => `${whole(g.seconds)} s for ${short(g.copied)} (${stores[g.store]}, ${whole(g.copied / g.seconds)} a second)`).join(', ')}. PostgreSQL was vacuumed and analyzed before each measurement, as it would by itself in time. Bytes are those of pages, free ones in them included; a partitioned table's parts are together.
`);
}

const questions = of('question');
if (questions.length > 0) {
  const columns = distinct(questions.map((q) => `${q.store}/${q.rows}`)).map((c) => { const [store, rows] = c.split('/'); return { store, rows: +rows }; });
  const cell = (name, c) => questions.find((q) => q.question === name && q.store === c.store && q.rows === c.rows);
  const ms = (x) => number(x, x < 10 ? 1 : 0);
  const shown = ['explore by model, 90 days', 'explore by customer, 90 days', 'overview', 'most expensive calls, 30 days', 'calls, newest 50'];
  const picture = chart('ledger-questions', 'Questions of the pages, median', shown.map((name) => ({ name, bars: columns.map((c) => ({ name: `${stores[c.store]}, ${short(c.rows)}`, value: cell(name, c)?.median_ms, colour: c.store === 'sqlite' ? 4 : 3 })) })), 'ms');
  const slow = columns.map((c) => ({ ...c, worst: questions.filter((q) => q.store === c.store && q.rows === c.rows).reduce((a, b) => (a.median_ms > b.median_ms ? a : b)) }));
  sections.push(`## Questions of the pages
${picture}

The first time in a process that has nothing remembered, and the median of those after it, ms:

${table(['question', ...columns.map((c) => `${stores[c.store]}, ${short(c.rows)}`)], distinct(questions.map((q) => q.question)).map((name) => [name, ...columns.map((c) => { const q = cell(name, c); return q ? `${ms(q.first_ms)}; ${ms(q.median_ms)}` : ''; })]))}
\`bench/SpendQuestions\`: the use cases behind the portal's pages, on services of their own for each question. The slowest at the median: ${slow.map((s) => `${stores[s.store]} at ${short(s.rows)}: ${s.worst.question}, ${ms(s.worst.median_ms)} ms`).join('; ')}.
`);
}

const keys = of('keys');
if (keys.length > 0) {
  const mb = (kb) => number(kb / 1024, 0), [none, many] = keys;
  const picture = chart('ledger-node', 'Resident size of a proxy on PostgreSQL', keys.map((k) => ({ name: `${short(k.keys)} keys, ${short(k.budgets)} budgets`, bars: [{ name: 'at rest', value: k.node.resident_kb / 1024, colour: 3 }, { name: 'highest, at its start', value: k.node.peak_kb / 1024, colour: 0 }] })), 'MB');
  const seen = (k, which) => (k.node.seen[which] ? `${whole(k.node.seen[which].made_ms)}; ${whole(k.node.seen[which].revoked_ms)}` : '');
  sections.push(`## Memory of a node
${picture}

${table(['tenants', 'keys', 'budgets', 'ready after, s', 'resident, MB', 'highest, MB', 'a key made; revoked in a tenant of 100 keys is seen after, ms', `in one of ${short(many?.keys > 1000 ? Math.round(many.keys / 10 / 1000) * 1000 : 0)} keys, ms`], keys.map((k) => [
    whole(k.tenants), whole(k.keys), whole(k.budgets), number(k.node.ready_ms / 1000, 1), mb(k.node.resident_kb), mb(k.node.peak_kb), seen(k, 'small'), seen(k, 'big')]))}
\`Tokonomics.Web.Proxy\` on PostgreSQL, started anew for each line. ${many && many.keys > none.keys ? `A key takes ${number((many.node.resident_kb - none.node.resident_kb) * 1024 / (many.keys - none.keys), 0)} bytes of resident size` : ''}${keys.length > 2 && keys[2].budgets > many.budgets ? `, a budget ${number((keys[2].node.resident_kb - many.node.resident_kb) * 1024 / (keys[2].budgets - many.budgets), 0)} (nobody called on them, so that no account is open)` : ''}.
A tenth of the keys belongs to one tenant, the others have a hundred each; budgets are by key and month. Their rows are copies by SQL of one tenant, key and budget that the product made; triggers were off meanwhile, and what they note was written at once. "Seen": from the commit of the use case
in another process to the first answer that knows of it (200 from the sandbox; 401); the node asks five times a second whether anything changed, and reads a tenant whole. The median of several.
`);
}

const journals = of('journal');
if (journals.length > 0) {
  sections.push(`## Start with a full journal
${table(['full by', 'events that wait', 'journal, MB', 'ready after, s', 'first call answered after, s', 'events that waited then', 'all shipped after, s', 'events/s', 'resident at that call, MB', 'highest, MB'], journals.map((j) => [
    j.bound === 'waiting' ? 'what may wait (`Recorder:MaxWaiting`)' : 'the journal\'s bound (`Journal:MaxBytes`), `Recorder:MaxWaiting` raised to 10,000,000', whole(j.events), whole(j.on_disk / 1e6), number(j.node.ready_ms / 1000, 1), number(j.node.call_ms / 1000, 1), whole(j.node.waiting_at_call),
    number(j.node.shipped_ms / 1000, 1), whole(j.events / ((j.node.shipped_ms - j.node.ready_ms) / 1000)), whole(j.node.resident_first_kb / 1024), whole(j.node.peak_kb / 1024)]))}
The product's gate, journal and recorder take calls while the ledger's table is locked, until the product itself admits no more; then the process is killed with SIGKILL, the lock ends with it, and \`Tokonomics.Web.Proxy\` starts on the same journal and PostgreSQL. By the default settings what may wait ends first;
the journal's bound is met where records are long or \`Recorder:MaxWaiting\` was raised. What was left is shipped while it serves, in batches of 1,000; calls are refused with 503 until fewer wait than may.
`);
}

writeFileSync(`${report}/ledger.md`, `# The ledger at scale

Made by \`bench/ledger.sh\` on ${run.day} in ${whole(Math.max(1, end.seconds / 60))} min; not edited by hand. ${run.machine}; ${run.versions}. Release builds, what serves compiled ahead as the images are; PostgreSQL with Debian's settings, all on one disk. Load average at the start: ${number(run.load, 1)}.${run.load > 1 ? ' **Others worked on the machine: these are no best figures.**' : ''}
How it is measured is told with each table; what the figures of one run can be compared with, in [README.md](README.md).

${sections.join('\n')}`);
console.log(`${report}/ledger.md`);
