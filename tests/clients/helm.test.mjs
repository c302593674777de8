// The Helm chart: its values against their schema, and what its templates come to against the manifests of deploy/kubernetes. Rendered by helm.mjs, not by Helm.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import { parseAllDocuments } from 'yaml';
import { Chart, merge } from './helm.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
let chart, valid;
before(async () => {
  chart = await Chart.read(here('../../deploy/helm/tokonomics'));
  valid = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(chart.schema);
});

/** An object of the cluster without what a chart has by its nature: labels and names of the release, the checksum, where images come from. */
function plain(object, release) {
  const seen = JSON.parse(JSON.stringify(object), (key, value) => {
    if (key === 'app.kubernetes.io/instance' || key === 'app.kubernetes.io/version' || key === 'app.kubernetes.io/managed-by' || key === 'helm.sh/chart' || key === 'imagePullPolicy' || key === 'tokonomics/settings' || key === 'file') return undefined;
    if (key === 'image') return value.replace(/^.*\/([a-z]+):.*$/, 'tokonomics-$1');
    // Set on all three by the chart; nothing is on the disks of the other two.
    if (key === 'fsGroupChangePolicy') return undefined;
    if (release && typeof value === 'string') return value.replace(new RegExp(`^${release}-(proxy-pods|proxy|portal|workers)$`), '$1').replace(new RegExp(`^${release}-(settings|ingress)$`), 'tokonomics');
    return value;
  });
  delete seen.metadata.labels;
  if (seen.spec?.template) {
    if (seen.spec.template.metadata.annotations && Object.keys(seen.spec.template.metadata.annotations).length === 0) delete seen.spec.template.metadata.annotations;
  }
  return seen;
}

describe('the values', () => {
  test('keep to their schema', () => assert.ok(valid(chart.values), JSON.stringify(valid.errors)));

  const refusedValues = {
    'a value that nothing reads': { proxy: { replicas: 3 } },
    'a number where a text belongs': { settings: { Proxy__RequireTls: true } },
    'a secret among the settings': { settings: { Secrets__MasterKey: 'AAAA' } },
    'a setting that the chart makes itself': { settings: { Drain__Timeout: '00:01:00' } },
    'no proxy': { proxy: { minReplicas: 0 } },
    'a port that is none': { networkPolicy: { storePorts: [70000] } },
    'a journal without a unit': { proxy: { journal: { size: '4' } } },
    'a policy of pulling that there isn\'t': { images: { pullPolicy: 'Sometimes' } },
  };
  for (const [what, values] of Object.entries(refusedValues)) test(`${what} is refused`, () => assert.ok(!valid(merge(chart.values, values))));

  test('each one is read by a template, and has a place in the schema', async () => {
    const templates = (await Promise.all((await readdir(here('../../deploy/helm/tokonomics/templates'))).map((f) => readFile(here(`../../deploy/helm/tokonomics/templates/${f}`), 'utf8')))).join('\n');
    const leaves = (value, at) => (typeof value === 'object' && !Array.isArray(value) && value && Object.keys(value).length && !['settings', 'resources'].includes(at.at(-1)) ? Object.entries(value).flatMap(([k, v]) => leaves(v, [...at, k])) : [at]);
    const unread = (all) => all.filter((at) => !templates.includes(`.Values.${at.join('.')}`) && !(['proxy', 'portal', 'workers'].includes(at[0]) && templates.includes(`.values.${at.slice(1).join('.')}`))).map((at) => at.join('.'));
    assert.deepEqual(unread(leaves(chart.values, [])), []);
    assert.deepEqual(unread([['proxy', 'noSuchThing']]), ['proxy.noSuchThing']);
  });
});

describe('the objects', () => {
  test('are those of deploy/kubernetes, to the last field that is not the chart\'s own', async () => {
    const files = ['proxy', 'portal', 'workers', 'ingress'];
    const shipped = (await Promise.all(files.map((f) => readFile(here(`../../deploy/kubernetes/${f}.yaml`), 'utf8')))).flatMap((text) => parseAllDocuments(text).map((d) => plain(d.toJS())));
    const rendered = chart.render().objects.filter((o) => files.includes(o.file.replace('.yaml', ''))).map((o) => plain(o, 'tokonomics'));
    const key = (o) => `${o.kind} ${o.metadata.name}`;
    assert.deepEqual(rendered.map(key).sort(), shipped.map(key).sort());
    for (const want of shipped) {
      const got = rendered.find((o) => key(o) === key(want));
      // The autoscaler's own from the first minute on; in the chart it alone says how many.
      if (want.kind === 'StatefulSet') {
        assert.equal(want.spec.replicas, rendered.find((o) => o.kind === 'HorizontalPodAutoscaler').spec.minReplicas);
        delete want.spec.replicas;
      }
      assert.deepEqual(got, want, key(want));
    }
  });

  test('are of the version that deploy/kubernetes names', async () => {
    const [{ images }] = parseAllDocuments(await readFile(here('../../deploy/kubernetes/kustomization.yaml'), 'utf8')).map((d) => d.toJS());
    const rendered = chart.render().objects.flatMap((o) => o.spec?.template?.spec.containers ?? []).map((c) => c.image);
    assert.deepEqual(rendered.sort(), images.map((i) => `${i.newName}:${i.newTag}`).sort());
  });

  test('name only settings that exist, and the same as deploy/kubernetes', async () => {
    const page = await readFile(here('../../docs/operations/configuration.md'), 'utf8');
    const { data } = chart.render().objects.find((o) => o.kind === 'ConfigMap');
    for (const name of Object.keys(data)) assert.ok(page.includes(`| \`${name.replaceAll('__', ':')}\` |`), name);
    const [shipped] = parseAllDocuments(await readFile(here('../../deploy/kubernetes/settings.yaml'), 'utf8')).map((d) => d.toJS());
    assert.deepEqual(data, shipped.data);
  });

  test('keep the time that an end takes together', () => {
    const { objects } = chart.render({ drain: { preStopSeconds: 10, noticeSeconds: 20, timeoutSeconds: 3600 } });
    const { data } = objects.find((o) => o.kind === 'ConfigMap');
    assert.equal(data.Drain__Notice, '00:00:20');
    assert.equal(data.Drain__Timeout, '01:00:00');
    for (const o of objects.filter((x) => x.spec?.template)) assert.equal(o.spec.template.spec.terminationGracePeriodSeconds, 10 + 20 + 3600 + 50, o.metadata.name);
  });

  test('belong together, whatever the release is called', () => {
    const { objects, notes } = chart.render({ images: { tag: '1.2.3', pullSecrets: ['here'] }, proxy: { journal: { storageClass: 'fast' }, nodeSelector: { disk: 'ssd' }, tolerations: [{ key: 'llm', operator: 'Exists' }] } }, { Name: 'acme-llm', Namespace: 'spend', Service: 'Helm' });
    const names = objects.map((o) => `${o.kind}/${o.metadata.name}`);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.every((n) => n.includes('/acme-llm-')));
    const pods = objects.filter((o) => o.spec?.template);
    assert.equal(pods.length, 3);
    const config = objects.find((o) => o.kind === 'ConfigMap').metadata.name;
    for (const { kind, metadata, spec } of pods) {
      const [container] = spec.template.spec.containers;
      assert.match(container.image, /^registry\.example\.com\/tokonomics\/(proxy|portal|workers):1\.2\.3$/);
      assert.equal(container.envFrom[0].configMapRef.name, config);
      for (const [label, value] of Object.entries(spec.selector.matchLabels)) assert.equal(spec.template.metadata.labels[label], value, `${kind} ${metadata.name}`);
      assert.deepEqual(spec.template.spec.imagePullSecrets, [{ name: 'here' }]);
      assert.equal(spec.template.spec.securityContext.runAsNonRoot, true);
    }
    const proxy = pods.find((o) => o.kind === 'StatefulSet');
    assert.equal(proxy.spec.volumeClaimTemplates[0].spec.storageClassName, 'fast');
    assert.deepEqual(proxy.spec.template.spec.nodeSelector, { disk: 'ssd' });
    assert.deepEqual(proxy.spec.template.spec.tolerations, [{ key: 'llm', operator: 'Exists' }]);
    const services = new Map(objects.filter((o) => o.kind === 'Service').map((s) => [s.metadata.name, s]));
    assert.ok(services.has(proxy.spec.serviceName));
    for (const service of services.values()) assert.equal(pods.filter((p) => Object.entries(service.spec.selector).every(([k, v]) => p.spec.template.metadata.labels[k] === v)).length, 1, service.metadata.name);
    for (const { backend } of objects.find((o) => o.kind === 'Ingress').spec.rules[0].http.paths) assert.ok(services.has(backend.service.name));
    assert.match(notes, /statefulset\/acme-llm-proxy/);
    assert.ok(!notes.includes('The ingress is off'));
  });

  test('leave out what is switched off, and settings that changed start the pods anew', () => {
    const { objects, notes } = chart.render({ ingress: { enabled: false }, networkPolicy: { enabled: false } });
    assert.ok(!objects.some((o) => o.kind === 'Ingress' || o.kind === 'NetworkPolicy'));
    assert.match(notes, /The ingress is off/);
    const sum = (values) => chart.render(values).objects.find((o) => o.kind === 'StatefulSet').spec.template.metadata.annotations['tokonomics/settings'];
    assert.notEqual(sum({}), sum({ settings: { Portal__Signup: 'Closed' } }));
    assert.throws(() => chart.render({ proxy: { minReplicas: 5, maxReplicas: 2 } }), /the first is at most the second/);
  });
});
