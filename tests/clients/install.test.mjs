// The installer, into folders of their own (--root): what it checks, makes, keeps and takes away. Root's rights are needed, as everywhere in these tests (./test.sh). The archive has
// the release's shape with a stand-in for the program; deploy/release/build.sh makes real ones.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));
const units = ['tokonomics', 'tokonomics-portal', 'tokonomics-proxy', 'tokonomics-workers'];
let folder, released;
let roots = 0;

/** An archive as build.sh makes it, beside a SHA256SUMS; its program prints its version and what it was given. */
function archive(version, { sum } = {}) {
  const name = `tokonomics-${version}-linux-x64`;
  const stage = path.join(released, name);
  mkdirSync(path.join(stage, 'deploy'), { recursive: true });
  cpSync(path.join(deploy, 'systemd'), path.join(stage, 'deploy/systemd'), { recursive: true });
  writeFileSync(path.join(stage, 'VERSION'), `${version}\n`);
  for (const host of ['Standalone', 'Web.Proxy', 'Web.Portal', 'Workers']) writeFileSync(path.join(stage, `Tokonomics.${host}`), `#!/bin/sh\necho "${version} $* $TOKONOMICS_DATA $Portal__PublicUrl $Odd"\n`, { mode: 0o755 });
  const file = path.join(released, `${name}.tar.gz`);
  execFileSync('tar', ['-czf', file, '-C', released, name]);
  rmSync(stage, { recursive: true });
  const line = `${sum ?? createHash('sha256').update(readFileSync(file)).digest('hex')}  ${name}.tar.gz\n`;
  writeFileSync(path.join(released, 'SHA256SUMS'), line, { flag: 'a' });
  return file;
}

function newRoot() {
  const root = path.join(folder, `root-${++roots}`);
  mkdirSync(path.join(root, 'etc'), { recursive: true });
  writeFileSync(path.join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n');
  writeFileSync(path.join(root, 'etc/group'), 'root:x:0:\n');
  return root;
}

const install = (...args) => {
  const { status, stdout, stderr } = spawnSync(path.join(deploy, 'install.sh'), args, { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
};
const done = (...args) => {
  const ran = install(...args);
  assert.equal(ran.status, 0, ran.err + ran.out);
  return ran.out;
};
const mode = (file) => (statSync(file).mode & 0o7777).toString(8);
/** Everything in a folder by path, kind, mode, owner and content. */
function listing(at, within = '') {
  return readdirSync(path.join(at, within), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((e) => {
    const name = path.join(within, e.name);
    const full = path.join(at, name);
    if (e.isSymbolicLink()) return [`${name} -> ${readlinkSync(full)}`];
    const { uid, gid } = statSync(full);
    return e.isDirectory() ? [`${name}/ ${mode(full)} ${uid}:${gid}`, ...listing(at, name)] : [`${name} ${mode(full)} ${uid}:${gid} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`];
  });
}

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tokonomics-install-'));
  released = path.join(folder, 'released');
  mkdirSync(released);
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('an archive', () => {
  test('that is not what was released changes nothing', () => {
    const [root, file] = [newRoot(), archive('9.9.1', { sum: '0'.repeat(64) })];
    const was = listing(root);
    const { status, err } = install('--root', root, file);
    assert.equal(status, 1);
    assert.match(err, /is not what was released: its SHA-256 is [0-9a-f]{64}, and 0{64} was expected/);
    assert.deepEqual(listing(root), was);
  });

  test('of which nothing says what it hashes to is refused, and goes with --sha256', () => {
    const root = newRoot();
    const lone = path.join(folder, 'lone.tar.gz');
    cpSync(archive('9.9.2'), lone);
    assert.match(install('--root', root, lone).err, /there is no SHA256SUMS beside lone\.tar\.gz/);
    done('--root', root, '--sha256', createHash('sha256').update(readFileSync(lone)).digest('hex').toUpperCase(), lone);
    assert.equal(readlinkSync(path.join(root, 'opt/tokonomics/current')), '9.9.2');
  });

  test('of something else is refused, and leaves no half of it', () => {
    const root = newRoot();
    const other = path.join(folder, 'other.tar.gz');
    mkdirSync(path.join(folder, 'other/bin'), { recursive: true });
    execFileSync('tar', ['-czf', other, '-C', folder, 'other']);
    const { status, err } = install('--root', root, '--sha256', createHash('sha256').update(readFileSync(other)).digest('hex'), other);
    assert.equal(status, 1);
    assert.match(err, /is no release of Tokonomics/);
    assert.deepEqual(readdirSync(path.join(root, 'opt/tokonomics')), []);
  });
});

describe('an installation', () => {
  test('has its user, its folders and rights, and starts what it was told to', () => {
    const root = newRoot();
    const said = done('--root', root, archive('1.0.0'));
    assert.match(said, /Tokonomics 1\.0\.0 is installed/);
    const [, , uid, gid, , home, shell] = readFileSync(path.join(root, 'etc/passwd'), 'utf8').split('\n').find((l) => l.startsWith('tokonomics:')).split(':');
    assert.ok(Number(uid) > 0 && Number(uid) < 1000, 'a user of the system');
    assert.equal(home, '/var/lib/tokonomics');
    assert.equal(shell, '/usr/sbin/nologin');
    const owner = (at) => `${mode(path.join(root, at))} ${statSync(path.join(root, at)).uid} ${statSync(path.join(root, at)).gid}`;
    assert.equal(owner('etc/tokonomics'), `750 0 ${gid}`);
    assert.equal(owner('etc/tokonomics/tokonomics.env'), `640 0 ${gid}`);
    assert.equal(owner('var/lib/tokonomics'), `700 ${uid} ${gid}`);
    // Nothing that runs may change what runs.
    assert.equal(owner('opt/tokonomics/1.0.0/Tokonomics.Standalone'), '755 0 0');
    assert.deepEqual(readdirSync(path.join(root, 'etc/systemd/system/multi-user.target.wants')), ['tokonomics.service']);
    for (const unit of units) assert.ok(existsSync(path.join(root, `etc/systemd/system/${unit}.service`)), unit);
  });

  test('run again changes nothing', () => {
    const [root, file] = [newRoot(), archive('1.0.1')];
    done('--root', root, '--host', 'proxy', '--host', 'portal', file);
    const was = listing(root);
    done('--root', root, file);
    assert.deepEqual(listing(root), was);
    assert.deepEqual(readdirSync(path.join(root, 'etc/systemd/system/multi-user.target.wants')), ['tokonomics-portal.service', 'tokonomics-proxy.service']);
  });

  test('upgraded keeps settings, data and the version before, and puts rights right', () => {
    const root = newRoot();
    done('--root', root, archive('1.1.0'));
    const settings = path.join(root, 'etc/tokonomics/tokonomics.env');
    writeFileSync(settings, 'TOKONOMICS_DATA=/srv/tokens\n');
    execFileSync('chmod', ['644', settings]);
    writeFileSync(path.join(root, 'etc/tokonomics/proxy.env'), 'Journal__Node=a\n', { mode: 0o644 });
    writeFileSync(path.join(root, 'var/lib/tokonomics/tokonomics.db'), 'the ledger');
    done('--root', root, archive('1.2.0'));
    assert.equal(readFileSync(settings, 'utf8'), 'TOKONOMICS_DATA=/srv/tokens\n');
    assert.equal(mode(settings), '640');
    assert.equal(mode(path.join(root, 'etc/tokonomics/proxy.env')), '640');
    assert.equal(readFileSync(path.join(root, 'var/lib/tokonomics/tokonomics.db'), 'utf8'), 'the ledger');
    const opt = path.join(root, 'opt/tokonomics');
    assert.deepEqual(readdirSync(opt).sort(), ['1.1.0', '1.2.0', 'current']);
    assert.equal(readlinkSync(path.join(opt, 'current')), '1.2.0');
    // The same again keeps the version to go back to.
    done('--root', root, path.join(released, 'tokonomics-1.2.0-linux-x64.tar.gz'));
    assert.deepEqual(readdirSync(opt).sort(), ['1.1.0', '1.2.0', 'current']);
    done('--root', root, archive('1.3.0'));
    assert.deepEqual(readdirSync(opt).sort(), ['1.2.0', '1.3.0', 'current']);
  });

  test('taken away keeps settings and data, until it is purged', () => {
    const root = newRoot();
    const bare = listing(root);
    done('--root', root, archive('2.0.0'));
    writeFileSync(path.join(root, 'var/lib/tokonomics/tokonomics.db'), 'the ledger');
    done('--root', root, '--uninstall');
    assert.ok(!existsSync(path.join(root, 'opt/tokonomics')) && !existsSync(path.join(root, 'usr/local/bin/tokonomics')));
    assert.deepEqual(readdirSync(path.join(root, 'etc/systemd/system')).filter((f) => f.startsWith('tokonomics')), []);
    assert.deepEqual(readdirSync(path.join(root, 'etc/systemd/system/multi-user.target.wants')), []);
    assert.equal(readFileSync(path.join(root, 'var/lib/tokonomics/tokonomics.db'), 'utf8'), 'the ledger');
    assert.ok(existsSync(path.join(root, 'etc/tokonomics/tokonomics.env')));

    done('--root', root, archive('2.0.1'));
    done('--root', root, '--uninstall', '--purge');
    assert.ok(!existsSync(path.join(root, 'var/lib/tokonomics')) && !existsSync(path.join(root, 'etc/tokonomics')));
    for (const file of ['etc/passwd', 'etc/group']) assert.deepEqual(listing(root).find((l) => l.startsWith(`${file} `)), bare.find((l) => l.startsWith(`${file} `)));
    // Once more there is nothing to do, and that is no fault.
    done('--root', root, '--uninstall', '--purge');
  });

  test('asked for what there is not says so', () => {
    assert.match(install('--host', 'sandbox', 'x.tar.gz').err, /--host is standalone, proxy, portal or workers, not sandbox/);
    assert.match(install('--purge', 'x.tar.gz').err, /--purge goes with --uninstall/);
    assert.match(install('--root', folder).err, /which archive\?/);
    assert.match(install('--help').out, /--uninstall --purge/);
  });
});

describe('the command', () => {
  test('runs the program with the settings as systemd reads them, and nothing in them is run', () => {
    const settings = path.join(folder, 'command.env');
    const program = path.join(folder, 'program');
    writeFileSync(program, '#!/bin/sh\necho "$1|$TOKONOMICS_DATA|$Portal__PublicUrl|$Odd"\n', { mode: 0o755 });
    writeFileSync(settings, '# a remark\nTOKONOMICS_DATA=/var/lib/x\nPortal__PublicUrl="https://a.example"\nOdd=$(touch /tmp/never) a=b');
    // As another user: root's way goes through setpriv to the user that an installation makes.
    execFileSync('chmod', ['755', folder]);
    const { stdout, stderr } = spawnSync('setpriv', ['--reuid=65534', '--clear-groups', path.join(deploy, 'systemd/tokonomics'), 'verify'], { encoding: 'utf8', cwd: '/', env: { ...process.env, TOKONOMICS_SETTINGS: settings, TOKONOMICS_PROGRAM: program } });
    assert.equal(stdout, 'verify|/var/lib/x|https://a.example|$(touch /tmp/never) a=b\n', stderr);
  });
});

describe('the scripts', () => {
  test('have nothing that shellcheck finds', () => {
    const scripts = ['install.sh', 'systemd/tokonomics', 'release/build.sh', 'release/version.sh'];
    const check = (...args) => spawnSync('shellcheck', args, { encoding: 'utf8', cwd: deploy });
    const { status, stdout, error } = check(...scripts);
    assert.equal(error, undefined);
    assert.equal(status, 0, stdout);
    const broken = path.join(folder, 'broken.sh');
    writeFileSync(broken, '#!/bin/bash\nrm -rf $1/*\n');
    assert.equal(check(broken).status, 1);
  });
});

describe('the units', () => {
  test('are what systemd takes', () => {
    const copies = path.join(folder, 'units');
    mkdirSync(copies);
    // The program itself is not on this machine; everything else is looked at.
    for (const unit of units) writeFileSync(path.join(copies, `${unit}.service`), readFileSync(path.join(deploy, `systemd/${unit}.service`), 'utf8').replace(/^ExecStart=.*$/m, 'ExecStart=/bin/true'));
    const verify = (...files) => spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8', cwd: copies });
    const { status, stderr } = verify(...units.map((u) => `./${u}.service`));
    assert.equal(stderr, '');
    assert.equal(status, 0);
    writeFileSync(path.join(copies, 'broken.service'), '[Service]\nExecStart=/bin/true\nNoNewPriviledges=yes\n');
    assert.match(verify('./broken.service').stderr, /Unknown key (name )?'NoNewPriviledges'/);
  });

  test('give the program as little as they say', () => {
    for (const unit of units) {
      const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', path.join(deploy, `systemd/${unit}.service`)], { encoding: 'utf8' });
      const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      // 0 is nothing, 10 everything; a unit that says nothing has 9.2 or more. What is left is the network.
      assert.ok(exposure <= 2, `${unit}: ${exposure}`);
    }
  });
});
