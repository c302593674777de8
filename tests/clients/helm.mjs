// Renders a Helm chart by what Go's text/template and Helm's functions say, as far as the chart here goes; whatever it doesn't know is an error, never left out. It is no Helm: it
// proves that the templates close, that every value they name exists, and what they come to.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { parse, stringify } from 'yaml';

/** A template's text in pieces, blanks trimmed where `{{-` and `-}}` say so. */
function pieces(text) {
  const found = [];
  let at = 0;
  let trim = false;
  for (const m of text.matchAll(/\{\{(- )?((?:"(?:[^"\\]|\\.)*"|`[^`]*`|(?! -\}\})(?!\}\})[^"`])*?)( -)?\}\}|\{\{-?\/\*[\s\S]*?\*\/-?\}\}/g)) {
    let before = text.slice(at, m.index);
    if (trim) before = before.trimStart();
    const comment = m[2] === undefined;
    if (m[1] || (comment && m[0].startsWith('{{-'))) before = before.trimEnd();
    found.push({ text: before });
    if (!comment) found.push({ action: m[2].trim() });
    trim = Boolean(m[3]) || (comment && m[0].endsWith('-}}'));
    at = m.index + m[0].length;
  }
  const rest = text.slice(at);
  assert.ok(!rest.includes('{{') && found.every((p) => !p.text?.includes('{{')), `an action that isn't read: ${rest.slice(0, 80)}`);
  return [...found, { text: trim ? rest.trimStart() : rest }];
}

/** Words of an action: strings, numbers, variables, fields, names, brackets, pipes. */
function words(action) {
  const found = action.match(/"(?:[^"\\]|\\.)*"|:=|[|(),]|\$?[A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+|\$[A-Za-z0-9_]*|\.|-?\d+|[A-Za-z][A-Za-z0-9]*/g) ?? [];
  assert.equal(found.join('').replace(/\s/g, ''), action.replace(/\s(?=(?:[^"]*"[^"]*")*[^"]*$)/g, '').replace(/\s/g, ''), `words that aren't read in {{ ${action} }}`);
  return found;
}

function tree(all, file) {
  let next = 0;
  const body = (closers) => {
    const nodes = [];
    for (;;) {
      const piece = all[next++];
      if (!piece) {
        assert.ok(closers.length === 0, `${file}: an end is missing`);
        return { nodes };
      }
      if (piece.text !== undefined) {
        nodes.push(piece);
        continue;
      }
      const [word] = piece.action.split(/\s+/, 1);
      if (word === 'end' || word === 'else') {
        assert.ok(closers.includes(word), `${file}: {{ ${piece.action} }} closes nothing`);
        return { nodes, closer: piece.action };
      }
      if (['if', 'range', 'with', 'define'].includes(word)) {
        const node = { kind: word, head: piece.action.slice(word.length).trim() };
        const first = body(['end', ...(word === 'define' ? [] : ['else'])]);
        node.body = first.nodes;
        if (first.closer.startsWith('else')) {
          assert.equal(first.closer, 'else', `${file}: only a plain else is read`);
          node.otherwise = body(['end']).nodes;
        }
        nodes.push(node);
      } else nodes.push({ kind: 'print', head: piece.action });
    }
  };
  return body([]).nodes;
}

const truth = (v) => !(v === undefined || v === null || v === false || v === 0 || v === '' || (Array.isArray(v) && v.length === 0) || (typeof v === 'object' && Object.keys(v).length === 0));
const print = (v) => {
  assert.ok(v !== undefined && v !== null && typeof v !== 'object', `a value that is not there, or no text, would be printed: ${JSON.stringify(v)}`);
  return String(v);
};
const integer = (v) => {
  const n = Math.trunc(Number(v));
  assert.ok(Number.isSafeInteger(n), `${v} is no number`);
  return n;
};

export class Chart {
  static async read(folder) {
    const chart = new Chart();
    const text = (name) => readFile(path.join(folder, name), 'utf8');
    [chart.about, chart.values, chart.schema] = [parse(await text('Chart.yaml')), parse(await text('values.yaml')), JSON.parse(await text('values.schema.json'))];
    chart.files = new Map();
    for (const name of (await readdir(path.join(folder, 'templates'))).sort()) chart.files.set(name, tree(pieces(await text(`templates/${name}`)), name));
    return chart;
  }

  /** What Helm would send: the objects of each file, and the notes. */
  render(more = {}, release = { Name: 'tokonomics', Namespace: 'llm', Service: 'Helm' }) {
    const root = { Values: merge(this.values, more), Release: release, Chart: { Name: this.about.name, Version: this.about.version, AppVersion: this.about.appVersion } };
    const defined = new Map();
    for (const nodes of this.files.values()) for (const node of nodes) if (node.kind === 'define') defined.set(JSON.parse(node.head), node.body);
    const out = {};
    for (const [name, nodes] of this.files) if (!name.startsWith('_')) out[name] = run(nodes, root, { $: root }, defined);
    const objects = Object.entries(out).filter(([name]) => name.endsWith('.yaml')).flatMap(([name, text]) => text.split(/^---$/m).map((t) => parse(t, { strict: true, uniqueKeys: true })).filter(Boolean).map((object) => ({ file: name, ...object })));
    return { objects, notes: out['NOTES.txt'], text: out };
  }
}

/** Values over values, as --set and -f do: maps are merged, everything else is taken. */
export function merge(under, over) {
  if (Array.isArray(over) || typeof over !== 'object' || over === null || typeof under !== 'object' || under === null) return over;
  return Object.fromEntries([...new Set([...Object.keys(under), ...Object.keys(over)])].map((k) => [k, k in over ? (k in under ? merge(under[k], over[k]) : over[k]) : under[k]]));
}

function run(nodes, dot, variables, defined) {
  let out = '';
  const scope = { ...variables };
  for (const node of nodes) {
    if (node.text !== undefined) out += node.text;
    else if (node.kind === 'define') continue;
    else if (node.kind === 'print') {
      const set = /^(\$\w+)\s*:=\s*(.+)$/s.exec(node.head);
      if (set) scope[set[1]] = evaluate(set[2], dot, scope, defined);
      else out += print(evaluate(node.head, dot, scope, defined));
    } else if (node.kind === 'if') out += run(truth(evaluate(node.head, dot, scope, defined)) ? node.body : (node.otherwise ?? []), dot, scope, defined);
    else if (node.kind === 'with') {
      const value = evaluate(node.head, dot, scope, defined);
      out += truth(value) ? run(node.body, value, scope, defined) : run(node.otherwise ?? [], dot, scope, defined);
    } else {
      const named = /^(\$\w+),\s*(\$\w+)\s*:=\s*(.+)$/s.exec(node.head);
      const value = evaluate(named ? named[3] : node.head, dot, scope, defined);
      // Go goes through a map by its keys' order.
      const entries = Array.isArray(value) ? value.map((v, i) => [i, v]) : Object.entries(value ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [key, item] of entries) out += run(node.body, item, named ? { ...scope, [named[1]]: key, [named[2]]: item } : scope, defined);
    }
  }
  return out;
}

function evaluate(text, dot, variables, defined) {
  const all = words(text);
  let next = 0;
  const operand = () => {
    const word = all[next++];
    if (word === '(') {
      const value = pipeline();
      assert.equal(all[next++], ')', `a bracket is open in {{ ${text} }}`);
      return value;
    }
    if (word[0] === '"') return JSON.parse(word);
    if (/^-?\d+$/.test(word)) return Number(word);
    if (word === 'true' || word === 'false') return word === 'true';
    if (word === '.') return dot;
    if (word[0] === '.' || word[0] === '$') {
      const [first, ...fields] = word.split('.');
      if (first) assert.ok(first in variables, `${first} is not set in {{ ${text} }}`);
      let value = first ? variables[first] : dot;
      for (const field of fields) {
        assert.ok(value !== undefined && value !== null, `${word} in {{ ${text} }}: nothing has a ${field}`);
        // A field that is in no values would be empty in Helm; here it is a mistake.
        assert.ok(field in value, `${word} in {{ ${text} }}: there is no ${field}`);
        value = value[field];
      }
      return value;
    }
    throw new Error(`{{ ${text} }}: ${word} is no operand`);
  };
  const command = (piped) => {
    const word = all[next];
    if (!/^[a-z][A-Za-z0-9]*$/.test(word) || word === 'true' || word === 'false') {
      assert.equal(piped.length, 0, `{{ ${text} }}: ${word} takes nothing`);
      return operand();
    }
    next++;
    const args = [];
    while (next < all.length && all[next] !== '|' && all[next] !== ')') args.push(/^[a-z]/.test(all[next]) && !['true', 'false'].includes(all[next]) ? call(all[next++], [], defined) : operand());
    return call(word, [...args, ...piped], defined);
  };
  const pipeline = () => {
    let value = command([]);
    while (all[next] === '|') {
      next++;
      value = command([value]);
    }
    return value;
  };
  const value = pipeline();
  assert.equal(next, all.length, `{{ ${text} }} goes on after its end`);
  return value;
}

const yaml = (value) => stringify(value, { lineWidth: 0, sortMapEntries: true }).replace(/\n$/, '');
const functions = {
  include: (defined, name, dot) => {
    assert.ok(defined.has(name), `there is no template ${name}`);
    return run(defined.get(name), dot, { $: dot }, defined);
  },
  dict: (_, ...args) => Object.fromEntries(Array.from({ length: args.length / 2 }, (__, i) => [args[2 * i], args[2 * i + 1]])),
  list: (_, ...args) => args,
  default: (_, otherwise, value) => (truth(value) ? value : otherwise),
  quote: (_, value) => JSON.stringify(print(value)),
  toYaml: (_, value) => yaml(value),
  nindent: (_, by, value) => `\n${value.split('\n').map((l) => ' '.repeat(by) + l).join('\n')}`,
  trunc: (_, to, value) => value.slice(0, to),
  trimSuffix: (_, suffix, value) => (value.endsWith(suffix) ? value.slice(0, -suffix.length) : value),
  replace: (_, from, to, value) => value.replaceAll(from, to),
  sha256sum: (_, value) => createHash('sha256').update(value).digest('hex'),
  int: (_, value) => integer(value),
  add: (_, ...args) => args.map(integer).reduce((a, b) => a + b, 0),
  div: (_, a, b) => Math.trunc(integer(a) / integer(b)),
  mod: (_, a, b) => integer(a) % integer(b),
  gt: (_, a, b) => a > b,
  not: (_, value) => !truth(value),
  fail: (_, why) => {
    throw new Error(why);
  },
  printf: (_, format, ...args) => {
    let used = 0;
    const text = format.replace(/%(s|d|02d)/g, (__, verb) => (verb === 's' ? print(args[used++]) : verb === 'd' ? String(integer(args[used++])) : String(integer(args[used++])).padStart(2, '0')));
    assert.equal(used, args.length, `printf ${format} has ${args.length} values`);
    return text;
  },
};

function call(name, args, defined) {
  assert.ok(Object.hasOwn(functions, name), `the function ${name} isn't read here`);
  return functions[name](defined, ...args);
}
