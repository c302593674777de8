// Sends calls to the provider itself while Tokonomics can't be reached, and reports them afterwards. For the `fetch` option of any SDK. Node 20 or newer.
// Answers of the proxy's own that are no outage. A cap that can't be checked is a cap; and of the others the provider may be at work already.
const FINAL = new Set(['budget_unverifiable', 'provider_timeout', 'provider_broke_off']);

/**
 * @param {string} proxy      where it is: 'https://tokonomics.example'
 * @param {string} base       what the SDK has for its base URL there: '/proxy/openai/v1'
 * @param {string} direct     what it would have without: 'https://api.openai.com/v1'
 * @param {string} meteringKey  mk_live_…, to report with
 * @param {Record<string, string>} headers  with the provider's own key: { authorization: 'Bearer sk-…' }
 * @param {number} probeMs    how often it is asked whether it is alive while a call waits, and how soon again when it was not
 */
export function failOpen({ proxy, base, direct, meteringKey, headers, probeMs = 5000, fetch = globalThis.fetch }) {
  let [awayUntil, pending, sending] = [0, [], null];

  const alive = () => fetch(new URL('/healthz', proxy), { signal: AbortSignal.timeout(1000) }).then((r) => r.ok, () => false);

  async function viaProxy(url, init) {
    if (awayUntil > 0 && (Date.now() < awayUntil || !(await alive()))) return null;
    const hung = new AbortController();
    const probe = setInterval(async () => (await alive()) || hung.abort(), probeMs);
    try {
      const answer = await fetch(url, { ...init, signal: init.signal ? AbortSignal.any([init.signal, hung.signal]) : hung.signal });
      const own = answer.headers.get('x-tokonomics-error');
      // A provider's own errors pass; so do refusals by cap, limit or key. A balancer that finds no proxy answers without an id of ours.
      const away = answer.status >= 500 && (own ? !FINAL.has(own) : [502, 503, 504].includes(answer.status) && !answer.headers.has('x-tokonomics-request-id'));
      if (!away) return answer;
      await answer.body?.cancel();
    } catch (error) {
      if (init.signal?.aborted) throw error;
    } finally {
      clearInterval(probe);
    }
    return null;
  }

  async function past(url, init) {
    const sent = new Headers(init.headers);
    const tags = Object.fromEntries((sent.get('x-tokonomics-tags') ?? '').split(',').filter(Boolean).map((t) => t.split('=').map((p) => p.trim())));
    for (const name of [...sent.keys()]) if (name.startsWith('x-tokonomics-') || sent.get(name).includes(meteringKey)) sent.delete(name);
    for (const [name, value] of Object.entries(headers)) sent.set(name, value);
    const target = new URL(direct.replace(/\/$/, '') + url.pathname.slice(base.length) + url.search);
    const [began, call] = [performance.now(), { id: crypto.randomUUID(), at: new Date().toISOString(), path: url.pathname + url.search, method: init.method, request: init.body ?? undefined, tags }];
    const report = (more) => { pending.push({ ...call, latency_ms: performance.now() - began, ...more }); flush(); };
    let answer;
    try {
      answer = await fetch(target, { ...init, headers: sent });
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED' && error.cause?.code !== 'ENOTFOUND') report({});
      throw error;
    }
    const told = { status: answer.status, provider_request_id: answer.headers.get('x-request-id') ?? answer.headers.get('request-id') ?? undefined };
    const [text, reader] = [new TextDecoder(), answer.body?.getReader()];
    if (!reader) { report(told); return answer; }
    let response = '';
    const end = (complete) => report({ ...told, response, complete });
    const body = new ReadableStream({
      async pull(to) {
        try {
          const { done, value } = await reader.read();
          if (done) { end(true); to.close(); return; }
          told.first_byte_ms ??= performance.now() - began;
          response += text.decode(value, { stream: true });
          to.enqueue(value);
        } catch (error) { end(false); to.error(error); }
      },
      cancel(why) { end(false); return reader.cancel(why); },
    }, { highWaterMark: 0 });
    return new Response(body, { status: answer.status, statusText: answer.statusText, headers: answer.headers });
  }

  async function deliver() {
    for (let wait = 1000; pending.length > 0; wait = Math.min(wait * 2, 60_000)) {
      const some = pending.slice(0, 20);
      const answer = await fetch(new URL('/api/v1/usage/import', proxy), {
        method: 'POST', signal: AbortSignal.timeout(10_000), headers: { authorization: `Bearer ${meteringKey}`, 'content-type': 'application/json' }, body: JSON.stringify({ calls: some }),
      }).catch(() => null);
      if (answer?.ok) { pending = pending.slice(some.length); wait = 500; continue; }
      if (answer?.status === 422) { console.error(`Tokonomics takes no report of ${some.length} calls: ${await answer.text()}`); pending = pending.slice(some.length); continue; }
      await new Promise((r) => setTimeout(r, Math.min(wait, probeMs)).unref());
    }
  }

  /** Resolves when every call that went past the proxy is reported: before a process ends. */
  function flush() { return (sending ??= deliver().finally(() => { sending = null; })); }

  const failing = async (input, init = {}) => {
    const url = new URL(input);
    const answer = await viaProxy(url, init);
    if (answer) { awayUntil = 0; return answer; }
    awayUntil = Date.now() + probeMs;
    return past(url, init);
  };
  return Object.assign(failing, { flush });
}
