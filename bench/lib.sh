# What the benchmarks share: what they need, servers on free ports of 127.0.0.1 that end with the script, and one measurement. Sourced, with the repository's
# root as working folder.
set -euo pipefail
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 npm_config_loglevel=error npm_config_audit=false npm_config_fund=false
PATH="$PATH:/usr/sbin$(printf ':%s' /usr/lib/postgresql/*/bin)"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
descriptors=$(ulimit -n)
[ "$descriptors" != unlimited ] || descriptors=1048576
work=$(mktemp -d)
chmod 755 "$work" # PostgreSQL isn't root
declare -A pid port key
pids=()
results=$work/results.jsonl

say() { echo "$(date +%H:%M:%S) $*" >&2; }
fail() { echo "$*" >&2; exit 1; }
finish() {
  local id
  # PostgreSQL would wait for whoever is connected: to it the signal means now.
  [ -z "${pid[postgres]:-}" ] || kill -INT "${pid[postgres]}" 2>/dev/null || true
  for id in "${pids[@]}"; do kill "$id" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

need() { # package for each command that is missing: need wrk:wrk initdb:postgresql
  local pair missing=()
  for pair in "$@"; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}"); done
  [ ${#missing[@]} -eq 0 ] && return
  say "Installing ${missing[*]}"
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || fail "could not install ${missing[*]}"
  PATH="$PATH$(printf ':%s' /usr/lib/postgresql/*/bin)"
}

free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
started() { pid[$1]=$!; pids+=($!); } # the command that was just sent to the background
# name, function that ends in a command: in the background, and in place of the shell there, so that its process is the command's. The functions say ${replace:-} before it.
behind() { local name=$1; shift; replace=exec "$@" & started "$name"; }
stop() { # name: asks it to end, and waits
  kill "${pid[$1]}" 2>/dev/null || true
  wait "${pid[$1]}" 2>/dev/null || true
}
answers() { # url, what: waits until it answers
  local tries
  for tries in $(seq 600); do curl -skf -o /dev/null "$1" && return; sleep 0.1; done
  fail "$2 does not answer at $1: $(tail -n 5 "$work/$2.log" 2>/dev/null)"
}

build() { # the product as it is published; APP names a publish that exists already. Analyzers have had their say when it was built for the tests
  app=${APP:-$work/app}
  [ ! -f "$app/Tokonomics.Standalone.dll" ] || return 0
  say "Publishing Release"
  local ahead=(-r "linux-$(dpkg --print-architecture | sed s/amd64/x64/)" --self-contained false) # compiled ahead, as the images are
  [ -z "${smoke:-}" ] || ahead=() # which takes a minute
  dotnet publish src/Standalone -c Release "${ahead[@]}" -o "$app" --nologo -v quiet -p:RunAnalyzers=false >&2
}
build_load() {
  say "Building the load"
  dotnet build bench/Load -c Release --nologo -v quiet >&2
  load=(dotnet "$PWD/bench/Load/bin/Release/net10.0/Tokonomics.Load.dll")
}

certificate() { # for https addresses, nginx's and the product's
  [ -f "$work/tls.crt" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
}

nginx_start() { # name, server block: one worker, as the goals are set
  cat >"$work/$1.conf" <<CONF
user root;
worker_processes 1;
worker_rlimit_nofile $descriptors;
daemon off;
pid $work/$1.pid;
error_log $work/$1.log crit;
events { worker_connections 24000; }
http {
  access_log off;
  client_max_body_size 64m; client_body_buffer_size 2m;
  client_body_temp_path $work/$1-body; proxy_temp_path $work/$1-proxy; fastcgi_temp_path $work/$1-f; uwsgi_temp_path $work/$1-u; scgi_temp_path $work/$1-s;
  keepalive_requests 100000000; keepalive_timeout 300s;
  $2
}
CONF
  nginx -c "$work/$1.conf" & started "$1"
}

# The provider of plain answers and of streams that come at once: nginx with files.
provider_start() {
  node bench/parts/files.mjs "$work"
  port[direct]=$(free_port)
  # error_page 405: nginx serves a static file to GET only; this makes it answer a POST with the file, its body read and dropped.
  local places="" kind type
  for kind in plain stream long; do
    type=text/event-stream; [ $kind = plain ] && type=application/json
    places+="location ~ ^/$kind/(v1/)?chat/completions\$ { default_type $type; error_page 405 =200 /$kind-file; return 405; }
      location = /$kind-file { default_type $type; alias $work/html/$kind; }
      "
  done
  nginx_start direct "server { listen 127.0.0.1:${port[direct]} backlog=4096; root $work/html; $places }"
}

# The provider that reads requests whole and sends each event at its time: see Load/Provider.cs.
paced_start() { port[paced]=$(free_port); "${load[@]}" provider --port "${port[paced]}" >"$work/paced.log" 2>&1 & started paced; }

providers() { # what is measured with which load, and both providers
  build
  build_load
  provider_start
  paced_start
}

relay_start() { # nginx before both providers, on http and https
  certificate
  port[nginx]=$(free_port) port[nginx-tls]=$(free_port)
  local common="proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; proxy_read_timeout 3600s;"
  nginx_start nginx "upstream p { server 127.0.0.1:${port[direct]}; keepalive 256; keepalive_requests 100000000; }
    upstream q { server 127.0.0.1:${port[paced]:-${port[direct]}}; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:${port[nginx]} backlog=4096; listen 127.0.0.1:${port[nginx-tls]} ssl backlog=4096;
      ssl_certificate $work/tls.crt; ssl_certificate_key $work/tls.key;
      $common location / { proxy_pass http://p; } location /paced/ { proxy_pass http://q; } }"
  pid[nginx-tls]=${pid[nginx]}
}

portkey_start() { # as its own start script runs it: one process of node
  npm ci --ignore-scripts --prefix bench >/dev/null || fail "npm ci in bench failed"
  port[portkey]=$(free_port) key[portkey]=sk-bench-0123456789
  NODE_ENV=production node bench/node_modules/@portkey-ai/gateway/build/start-server.js "--port=${port[portkey]}" --headless >"$work/portkey.log" 2>&1 & started portkey
  answers "http://127.0.0.1:${port[portkey]}/" portkey
}

ticks() { # CPU of a process and its workers, clock ticks
  local total=0 id
  for id in $1 $(pgrep -P "$1" || true); do total=$((total + $(awk '{print $14+$15}' "/proc/$id/stat" 2>/dev/null || echo 0))); done
  echo $total
}
quiet() { # process: waits until it has done what it put off, such as writing a ledger: the next target must not pay for it. Prints its ticks then
  local before after tries
  before=$(ticks "$1")
  for tries in $(seq 60); do
    sleep 0.3
    after=$(ticks "$1")
    [ $((after - before)) -le 3 ] && break
    before=$after
  done
  ticks "$1"
}
worker_of() { pgrep -P "$1" | head -n 1; } # nginx's, which holds the connections

record() { # JSON members, and those of a line of JSON: record '"part":"rate"' '{"p50_us":1}'
  printf '{%s,%s\n' "$1" "${2#\{}" >>"$results"
}
