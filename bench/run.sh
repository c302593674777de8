#!/usr/bin/env bash
# Measures, in one run, a provider called directly, through nginx's proxy_pass, and through Tokonomics with everything on (key, route, peek,
# five budgets, a rate limit, price, journal, ledger), and writes docs/benchmarks/latest.md. Plain answers of 1 kB and streams of 50 events, at 1 and 32 connections. The three
# take turns, several rounds, and medians are reported: absolute figures of a shared machine mean little, their ratios in one run do.
#   bench/run.sh [ROUNDS] [SECONDS]      default 5 rounds of 3 seconds: about 8 minutes
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-3}
PATH="$PATH:/usr/sbin"
missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v wrk >/dev/null || missing+=(wrk)
command -v curl >/dev/null || missing+=(curl)
[ ${#missing[@]} -eq 0 ] || { apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }

work=$(mktemp -d)
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT
free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
provider=$(free_port) relay=$(free_port) product=$(free_port)

# The provider: what a chat answers, plain and as a stream whose last chunk has the usage.
node - "$work" <<'JS'
const fs = require('fs'), dir = process.argv[2];
const usage = { prompt_tokens: 120, completion_tokens: 50, total_tokens: 170, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
const plain = { id: 'chatcmpl-bench', object: 'chat.completion', created: 1795000000, model: 'gpt-4o-mini-2024-07-18', choices: [{ index: 0, message: { role: 'assistant', content: '' }, logprobs: null, finish_reason: 'stop' }], usage };
plain.choices[0].message.content = 'word '.repeat(Math.ceil((1024 - JSON.stringify(plain).length) / 5));
const chunk = (delta, finish, more) => 'data: ' + JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1795000000, model: 'gpt-4o-mini-2024-07-18', choices: [{ index: 0, delta, finish_reason: finish }], usage: null, ...more }) + '\n\n';
let stream = chunk({ role: 'assistant', content: '' }, null);
for (let i = 0; i < 48; i++) stream += chunk({ content: ' word' + i }, null);
stream += chunk({}, 'stop') + chunk({}, null, { choices: [], usage }) + 'data: [DONE]\n\n';
fs.mkdirSync(dir + '/html'); fs.writeFileSync(dir + '/html/plain', JSON.stringify(plain)); fs.writeFileSync(dir + '/html/stream', stream);
JS
nginx_conf() { # name, server block
  cat >"$work/$1.conf" <<CONF
user root;
worker_processes 1;
daemon off;
pid $work/$1.pid;
error_log $work/$1.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path $work/$1-body; proxy_temp_path $work/$1-proxy; fastcgi_temp_path $work/$1-f; uwsgi_temp_path $work/$1-u; scgi_temp_path $work/$1-s;
  keepalive_requests 100000000; keepalive_timeout 300s;
  $2
}
CONF
  nginx -c "$work/$1.conf" & pids+=($!)
}
# error_page 405: nginx serves a static file to GET only; this makes it answer a POST with the file, its body read and dropped.
nginx_conf provider "server { listen 127.0.0.1:$provider backlog=4096; root $work/html; error_page 405 =200 \$uri;
  location = /plain/v1/chat/completions { default_type application/json; alias $work/html/plain; error_page 405 =200 /plain-file; }
  location = /stream/v1/chat/completions { default_type text/event-stream; alias $work/html/stream; error_page 405 =200 /stream-file; }
  location = /stream/chat/completions { default_type text/event-stream; alias $work/html/stream; error_page 405 =200 /stream-file; }
  location = /plain/chat/completions { default_type application/json; alias $work/html/plain; error_page 405 =200 /plain-file; }
  location = /plain-file { default_type application/json; alias $work/html/plain; }
  location = /stream-file { default_type text/event-stream; alias $work/html/stream; } }"
provider_pid=${pids[-1]}
nginx_conf relay "upstream p { server 127.0.0.1:$provider; keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:$relay backlog=4096; location / { proxy_pass http://p; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; } }"
relay_pid=${pids[-1]}

echo "Publishing Release"
dotnet publish src/Standalone -c Release -o "$work/app" --nologo -v quiet
export TOKONOMICS_DATA="$work/data" ASPNETCORE_URLS="http://127.0.0.1:$product"
made=$(dotnet "$work/app/Tokonomics.Standalone.dll" provision --tenant bench --email bench@example.com --plan pro --provider openai=sk-bench-0123456789 --provider deepseek=sk-bench-0123456789 --json)
field() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" <<<"$made"; }
key=$(field metering_key) key_id=$(field metering_key_id) token=$(field api_token)
# Two providers, so that one run has both answers: openai's is plain, deepseek's a stream (a provider whose usage is asked for).
Providers__openai__BaseUrl="http://127.0.0.1:$provider/plain" Providers__deepseek__BaseUrl="http://127.0.0.1:$provider/stream" dotnet "$work/app/Tokonomics.Standalone.dll" >"$work/product.log" 2>&1 & pids+=($!)
product_pid=${pids[-1]}
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$product/readyz" >/dev/null && break; sleep 0.1; done
api() { curl -sf -X "$1" -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d "$3" "http://127.0.0.1:$product/api/v1/$2" >/dev/null || { echo "$1 $2 failed" >&2; exit 1; }; }
# Five budgets hold every call, all strict and none near its end; and a rate limit that counts and does not bind.
for budget in '{"type":"tenant"},"period":"month"' '{"type":"tenant"},"period":"day"' "{\"type\":\"key\",\"id\":\"$key_id\"},\"period\":\"month\"" "{\"type\":\"key\",\"id\":\"$key_id\"},\"period\":\"week\"" '{"type":"tag","key":"customer"},"period":"month"'; do
  api POST budgets "{\"scope\":$budget,\"limit_usd\":\"10000000\"}"
done
api PUT limits '{"requests_per_minute":1000000000}'
# The same models behind a route, in a quality group that only watches, and behind a route that keeps answers: a repeat reaches no provider.
for kind in plain stream; do
  [ $kind = plain ] && model=openai/gpt-4o-mini || model=deepseek/deepseek-chat
  api POST routes "{\"name\":\"route-$kind\",\"rules\":[{\"targets\":[{\"model\":\"$model\"}]}]}"
  api POST routes "{\"name\":\"group-$kind\",\"rules\":[{\"targets\":[{\"model\":\"$model\"}],\"quality\":{\"candidates\":[\"openai/gpt-4.1-nano\"],\"sample_percent\":0,\"sample_limit_usd\":\"10\"}}]}"
  api POST routes "{\"name\":\"repeat-$kind\",\"rules\":[{\"targets\":[{\"model\":\"$model\"}],\"cache_seconds\":86400}]}"
done

post() { # file, model, stream?
  cat >"$work/$1.lua" <<LUA
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer $key"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Tokonomics-Tags"] = "customer=acme"
wrk.body = '{"model":"$2","max_tokens":500,"messages":[{"role":"user","content":"$(printf 'Tell me something. %.0s' $(seq 20))"}]$3}'
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %.1f %.1f %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect))
end
LUA
}
post plain gpt-4o-mini ''
post stream deepseek-chat ',"stream":true'
for way in route group repeat; do post $way-plain $way-plain ''; post $way-stream $way-stream ',"stream":true'; done
targets=(direct nginx tokonomics route group repeat)
url() { # target kind
  case $1-$2 in
    direct-*) echo "http://127.0.0.1:$provider/$2/v1/chat/completions";;
    nginx-*) echo "http://127.0.0.1:$relay/$2/v1/chat/completions";;
    tokonomics-plain) echo "http://127.0.0.1:$product/proxy/openai/v1/chat/completions";;
    tokonomics-stream) echo "http://127.0.0.1:$product/proxy/deepseek/v1/chat/completions";;
    *) echo "http://127.0.0.1:$product/v1/chat/completions";;
  esac
}
ticks() { # CPU of a process and its workers, clock ticks
  local total=0 pid
  for pid in $1 $(pgrep -P "$1" || true); do total=$((total + $(awk '{print $14+$15}' "/proc/$pid/stat" 2>/dev/null || echo 0))); done
  echo $total
}
pid_of() { case $1 in direct) echo "$provider_pid";; nginx) echo "$relay_pid";; *) echo "$product_pid";; esac; }
lua() { case $1 in direct|nginx|tokonomics) echo "$work/$2.lua";; *) echo "$work/$1-$2.lua";; esac; }
model() { case $1 in direct|nginx|tokonomics) [ $2 = stream ] && echo deepseek-chat || echo gpt-4o-mini;; *) echo "$1-$2";; esac; }

for kind in plain stream; do # each answers what it should, and a first warm-up
  for target in "${targets[@]}"; do
    body=$(curl -sf -X POST -H "Authorization: Bearer $key" -d '{"model":"'"$(model $target $kind)"'","messages":[]'"$([ $kind = stream ] && echo ',"stream":true')"'}' "$(url $target $kind)") || { echo "$target refuses $kind" >&2; exit 1; }
    [[ $body == *chatcmpl-bench* ]] || { echo "$target does not answer $kind: $body" >&2; exit 1; }
    wrk -t1 -c8 -d"${seconds}s" -s "$(lua $target $kind)" "$(url $target $kind)" >/dev/null
  done
done
: >"$work/results"
for round in $(seq "$rounds"); do
  for kind in plain stream; do
    for connections in 1 32; do
      for target in "${targets[@]}"; do
        before=$(ticks "$(pid_of $target)")
        line=$(wrk -t1 -c$connections -d"${seconds}s" -s "$(lua $target $kind)" "$(url $target $kind)" | sed -n 's/^RESULT //p')
        after=$(ticks "$(pid_of $target)")
        echo "$kind $connections $target $line $((after - before))" >>"$work/results"
      done
    done
  done
  echo "round $round of $rounds"
done

report=docs/benchmarks/latest.md
node - "$work/results" "$rounds" "$seconds" "$(getconf CLK_TCK)" >"$report" <<'JS'
const fs = require('fs'), os = require('os'), { execSync } = require('child_process');
const [, , file, rounds, seconds, hz] = process.argv;
const rows = fs.readFileSync(file, 'utf8').trim().split('\n').map(l => { const [kind, c, target, n, us, p50, p99, errors, ticks] = l.split(' '); return { kind, c: +c, target, rps: n / (us / 1e6), p50: +p50, p99: +p99, errors: +errors, cpu: ticks / hz * 1e6 / n }; });
const median = a => { const s = [...a].sort((x, y) => x - y); return s[s.length >> 1]; };
const of = (kind, c, target, f) => median(rows.filter(r => r.kind === kind && r.c === c && r.target === target).map(r => r[f]));
const run = c => execSync(c + ' 2>&1 || true').toString().trim().split('\n')[0];
const ours = t => t !== 'direct' && t !== 'nginx';
const n = (x, d = 0) => x.toLocaleString('en-US', { maximumFractionDigits: d, minimumFractionDigits: d });
console.log(`# Benchmark of the pipe

Made by \`bench/run.sh ${rounds} ${seconds}\` on ${new Date().toISOString().slice(0, 10)}; not edited by hand.

${os.cpus().length} cores (${os.cpus()[0].model}), ${Math.round(os.totalmem() / 2 ** 30)} GB, ${run('. /etc/os-release && echo $PRETTY_NAME')}, .NET ${run('dotnet --version')} SDK, ${run('nginx -v')}, ${run('wrk -v | head -1')}.

The provider is nginx with a file: a chat completion of 1 kB, or a stream of 50 events with usage. It is called directly, through nginx's
\`proxy_pass\` (kept-alive connections, no buffering) and through Tokonomics with everything on: key look-up, routing, a peek
at every request, holds on five strict budgets, a rate limit, tap on every answer, price, the journal (two records for each call) and a ledger row in SQLite; streams have
\`include_usage\` injected and its chunk swallowed. "route" is the same call by a route of one target, "group" by one with a quality group that only watches (what a decision costs), "repeat" a call whose answer the cache has.
All take turns in ${rounds} rounds of ${seconds} s each; figures are medians over the
rounds. Client (wrk, one thread), provider and relay share the machine's cores, so that at 32 connections the figures are a contest for CPU.
"Added" is the relay's median less the direct one's of the same run.

| answer | connections | target | median us | added us | × nginx's added | p99 us | p99 added us | requests/s | % of nginx's | CPU us/request | × nginx's CPU |
|---|---|---|---|---|---|---|---|---|---|---|---|`);
for (const kind of ['plain', 'stream']) for (const c of [1, 32]) for (const t of ['direct', 'nginx', 'tokonomics', 'route', 'group', 'repeat']) {
  const g = f => of(kind, c, t, f), base = f => of(kind, c, 'direct', f), ng = f => of(kind, c, 'nginx', f);
  const added = g('p50') - base('p50'), nginxAdded = ng('p50') - base('p50');
  console.log(`| ${kind} | ${c} | ${t} | ${n(g('p50'))} | ${t === 'direct' ? '' : n(added)} | ${ours(t) ? n(added / nginxAdded, 1) : ''} | ${n(g('p99'))} | ${t === 'direct' ? '' : n(g('p99') - base('p99'))} | ${n(g('rps'))} | ${ours(t) ? n(100 * g('rps') / ng('rps')) + ' %' : ''} | ${n(g('cpu'), 1)} | ${ours(t) ? n(g('cpu') / ng('cpu'), 1) : ''} |`);
}
const errors = rows.reduce((a, r) => a + r.errors, 0);
console.log(`\nFailed requests in all rounds: ${errors}. CPU is user and system time of the process (and its workers), both cores counted; for "direct" it is the provider's own.`);
JS
# Every call of the run stands in the ledger, once, and at its price.
kill "$product_pid"; wait "$product_pid" 2>/dev/null || true
dotnet "$work/app/Tokonomics.Standalone.dll" verify | grep -c holds | sed 's/$/ invariants hold after the run/'
cat "$report"
