// What bench/ledger.sh ran where, as a line of JSON: node bench/parts/here.mjs ROWS ROUNDS RATE SECONDS EVENTS TENANTS PARTS
import os from 'node:os';
import { dotnet, first, machine, nginx } from './host.mjs';

const [rows, rounds, rate, seconds, events, tenants, parts] = process.argv.slice(2);
console.log(JSON.stringify({
  day: new Date().toISOString().slice(0, 10), rows, rounds: +rounds, rate: +rate, seconds: +seconds, events: +events, tenants: +tenants, parts, load: os.loadavg()[0],
  machine: machine(),
  versions: [dotnet(), first('postgres --version').replace('postgres (PostgreSQL)', 'PostgreSQL'), nginx(), `Redis ${first('redis-server --version').match(/v=([^ ]+)/)?.[1]}`].join(', '),
}));
