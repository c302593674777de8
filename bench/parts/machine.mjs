// What was run where, as a line of JSON: node bench/parts/machine.mjs ROUNDS SECONDS PARTS HOLD DESCRIPTORS
import { execSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

const [rounds, seconds, parts, hold, descriptors] = process.argv.slice(2);
const first = (command) => execSync(`${command} 2>&1 || true`, { shell: '/bin/bash' }).toString().trim().split('\n')[0];
console.log(JSON.stringify({
  day: new Date().toISOString().slice(0, 10), rounds: +rounds, seconds: +seconds, parts, hold: +hold,
  machine: `${os.cpus().length} cores (${os.cpus()[0].model}), ${Math.round(os.totalmem() / 2 ** 30)} GB, ${first('. /etc/os-release && echo $PRETTY_NAME')}, Linux ${os.release().split('-')[0]}`,
  load: os.loadavg()[0], descriptors: +descriptors, hz: +first('getconf CLK_TCK'),
  versions: [
    `.NET ${first('dotnet --list-runtimes | sed -n "s/^Microsoft.NETCore.App \\(10[^ ]*\\).*/\\1/p" | tail -n 1')}`, first('nginx -v').replace('nginx version: ', ''), `wrk ${first('wrk -v').split(' ')[1]}`, `Node ${process.version.slice(1)}`,
    `Portkey gateway ${JSON.parse(readFileSync('bench/node_modules/@portkey-ai/gateway/package.json')).version}`, first('postgres --version').replace('postgres (PostgreSQL)', 'PostgreSQL'), `Redis ${first('redis-server --version').match(/v=([^ ]+)/)?.[1]}`,
  ].join(', '),
}));
