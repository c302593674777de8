// The machine that a benchmark runs on, in words.
import { execSync } from 'node:child_process';
import os from 'node:os';

/** The first line that a command of the shell prints, its errors too. */
export const first = (command) => execSync(`${command} 2>&1 || true`, { shell: '/bin/bash' }).toString().trim().split('\n')[0];

export const machine = () =>
  `${os.cpus().length} cores (${os.cpus()[0].model}), ${Math.round(os.totalmem() / 2 ** 30)} GB, ${first('. /etc/os-release && echo $PRETTY_NAME')}, Linux ${os.release().split('-')[0]}`;

export const dotnet = () => `.NET ${first('dotnet --list-runtimes | sed -n "s/^Microsoft.NETCore.App \\(10[^ ]*\\).*/\\1/p" | tail -n 1')}`;

export const nginx = () => first('nginx -v').replace('nginx version: ', '');
