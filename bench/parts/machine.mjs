// What was run where, as a line of JSON: node bench/parts/machine.mjs ROUNDS SECONDS PARTS HOLD DESCRIPTORS
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { dotnet, first, machine, nginx } from './host.mjs';

const [rounds, seconds, parts, hold, descriptors] = process.argv.slice(2);
console.log(JSON.stringify({
  day: new Date().toISOString().slice(0, 10), rounds: +rounds, seconds: +seconds, parts, hold: +hold,
  machine: machine(),
  load: os.loadavg()[0], descriptors: +descriptors, hz: +first('getconf CLK_TCK'),
  versions: [
    dotnet(), nginx(), `wrk ${first('wrk -v').split(' ')[1]}`, `Node ${process.version.slice(1)}`,
    `Portkey gateway ${JSON.parse(readFileSync('bench/node_modules/@portkey-ai/gateway/package.json')).version}`, first('postgres --version').replace('postgres (PostgreSQL)', 'PostgreSQL'), `Redis ${first('redis-server --version').match(/v=([^ ]+)/)?.[1]}`,
  ].join(', '),
}));
