#!/usr/bin/env bash
# Measures, in one run, a provider called directly, through nginx's proxy_pass, through Portkey's gateway, and through Tokonomics with everything on (key, route, peek,
# five budgets, a rate limit, price, journal, ledger): embedded on SQLite, and one proxy on PostgreSQL and Redis. They take turns, several rounds, and medians are
# reported: absolute figures of a shared machine mean little, their ratios in one run do. Writes docs/benchmarks/latest.md; what is measured and how: docs/benchmarks/README.md.
#   bench/run.sh                      all parts, 5 rounds of 3 seconds: some 45 minutes
#   bench/run.sh --rounds 1 --seconds 1 --parts pipe,tls
#   bench/run.sh --smoke              some 30 seconds and a Release build: ratios to nginx on the terminal, no report
# Options: --rounds N, --seconds S of each measurement, --parts of pipe,bodies,tls,streams,rate,memory,start, --streams N that are held open (10,000), --hold SECONDS that
# they are held (120), --report FOLDER (docs/benchmarks), --raw FILE for the single measurements, --app FOLDER with a publish of Standalone.
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/product.sh
for part in bench/parts/*.sh; do . "$part"; done

rounds=5 seconds=3 parts=pipe,bodies,tls,streams,rate,memory,start open_streams=10000 hold=120 report=docs/benchmarks raw="" smoke=""
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2;; --seconds) seconds=$2;; --parts) parts=$2;; --streams) open_streams=$2;; --hold) hold=$2;; --report) report=$2;; --raw) raw=$2;; --app) APP=$2;;
    --smoke) smoke=1; shift; continue;;
    *) sed -n '2,/^cd/{/^#/p}' "$0"; exit 2;;
  esac
  shift 2
done
has() { [[ ,$parts, == *,$1,* ]]; }

if [ -n "$smoke" ]; then
  need nginx:nginx-light wrk:wrk curl:curl openssl:openssl pgrep:procps
  seconds=2 targets=(direct nginx tokonomics)
  build
  provider_start
  relay_start
  product_make tokonomics
  for target in "${targets[@]}"; do check $target plain; hammer warm plain 32 $target 0; done
  seconds=20 && hammer warm plain 32 tokonomics 0 && seconds=2 # see below
  for connections in 32 1; do for target in "${targets[@]}"; do hammer pipe plain $connections $target 1; done; done
  product_verify tokonomics
  node bench/report.mjs --smoke "$results"
  exit
fi

need nginx:nginx-light wrk:wrk curl:curl openssl:openssl pgrep:procps initdb:postgresql psql:postgresql-client redis-server:redis-server setpriv:util-linux
providers
say "Starting nginx, Portkey's gateway, PostgreSQL, Redis, Tokonomics on SQLite and on both"
relay_start
portkey_start
postgres_start
product_make tokonomics
product_make pg
stop pg # its budgets and routes are made: now a proxy alone, as each node of a fleet is
product_run pg Web.Proxy
if has tls; then product_make tokonomics-tls; fi
record '"part":"run"' "$(node bench/parts/machine.mjs "$rounds" "$seconds" "$parts" "$hold" "$descriptors")"

say "Warming up"
paced_kinds=""
if has bodies; then paced_kinds="100k 1m"; fi
if has streams; then for target in direct nginx portkey tokonomics pg; do check $target paced2000; done; fi
began=$SECONDS seconds_of=$seconds seconds=1
warm direct nginx portkey tokonomics pg route group repeat
if has tls; then warm nginx-tls tokonomics-tls; fi
# .NET compiles what is called often anew, for some twenty seconds under load: what a node costs that has served for a while. "Cold starts" are measured by themselves.
for target in portkey tokonomics pg route group repeat; do
  for kind in plain stream; do
    case $target in tokonomics|pg) seconds=15;; *) seconds=4;; esac
    hammer warm $kind 32 $target 0
  done
done
seconds=$seconds_of
for round in $(seq "$rounds"); do
  for part in pipe bodies tls streams rate; do if has $part; then say "Round $round of $rounds: $part"; $part "$round"; fi; done
done
if has memory; then memory; fi
product_verify tokonomics
product_verify pg
if has tls; then product_verify tokonomics-tls; fi
if has start; then say "Cold starts"; start; fi
say "Measured for $((SECONDS - began)) s"

raw=${raw:-${TMPDIR:-/tmp}/tokonomics-bench-$(date +%Y%m%d-%H%M%S).jsonl}
cp "$results" "$raw"
say "Single measurements: $raw (node bench/report.mjs $raw $report makes the report again)"
node bench/report.mjs "$raw" "$report"
