// What bench/ledger.sh ran where, as a line of JSON: node bench/parts/here.mjs ROWS ROUNDS RATE SECONDS EVENTS TENANTS PARTS
import { execSync } from 'node:child_process';
import os from 'node:os';

const [rows, rounds, rate, seconds, events, tenants, parts] = process.argv.slice(2);
const first = (command) => execSync(`${command} 2>&1 || true`, { shell: '/bin/bash' }).toString().trim().split('\n')[0];
console.log(JSON.stringify({
  day: new Date().toISOString().slice(0, 10), rows, rounds: +rounds, rate: +rate, seconds: +seconds, events: +events, tenants: +tenants, parts, load: os.loadavg()[0],
  machine: `${os.cpus().length} cores (${os.cpus()[0].model}), ${Math.round(os.totalmem() / 2 ** 30)} GB, ${first('. /etc/os-release && echo $PRETTY_NAME')}, Linux ${os.release().split('-')[0]}`,
  versions: [`.NET ${first('dotnet --list-runtimes | sed -n "s/^Microsoft.NETCore.App \\(10[^ ]*\\).*/\\1/p" | tail -n 1')}`, first('postgres --version').replace('postgres (PostgreSQL)', 'PostgreSQL'), first('nginx -v').replace('nginx version: ', ''), `Redis ${first('redis-server --version').match(/v=([^ ]+)/)?.[1]}`].join(', '),
}));
