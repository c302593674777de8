#!/usr/bin/env bash
# The ledger at scale: how fast events go in, alone and beside a product that serves; what a million takes on disk; how long the questions of the pages take at 1 M, 10 M and more rows; what a node
# takes of 1 M keys and 100 k budgets; how long a start with a full journal takes. Writes docs/benchmarks/ledger.md and its charts.
#   bench/ledger.sh [--rows 1000000,10000000,30000000,100000000] [--disk GB, 45] [--sqlite-most ROWS, 10000000] [--verify-most ROWS, 1000000] [--keys N, 1000000] [--budgets N, 100000] [--rounds N, 3]
#     [--rate CALLS A SECOND while serving, 500] [--seconds OF SERVING, 20] [--parts ingest,serving,size,keys,journal] [--app FOLDER with a publish of Standalone] [--report FOLDER] [--smoke]
#   --rows: the first are written by the product itself, the others are copies of them; what would need more than --disk is left out, and the page says so. --smoke: all of it, small, in two minutes.
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/product.sh
. bench/parts/ledger.sh
rows=1000000,10000000,30000000,100000000 disk=45 sqlite_most=10000000 verify_most=1000000 keys=1000000 budgets=100000 rounds=3 rate=500 seconds=20 parts=ingest,serving,size,keys,journal report=docs/benchmarks
events=100000 batches=100,1000,10000 tenants=20 warm=20 most_events=30000 question_rounds=9 rest=10 changes=5 journal_options=() waiting_options=()
while [ $# -gt 0 ]; do
  case $1 in
    --rows) rows=$2; shift 2;; --disk) disk=$2; shift 2;; --sqlite-most) sqlite_most=$2; shift 2;; --verify-most) verify_most=$2; shift 2;; --keys) keys=$2; shift 2;; --budgets) budgets=$2; shift 2;; --rounds) rounds=$2; shift 2;;
    --rate) rate=$2; shift 2;; --seconds) seconds=$2; shift 2;; --parts) parts=$2; shift 2;; --app) APP=$2; shift 2;; --report) report=$2; shift 2;;
    --smoke)
      smoke=1 rows=20000,200000,400000 sqlite_most=200000 verify_most=400000 keys=20000 budgets=2000 rounds=1 rate=200 seconds=5 events=10000 batches=100,1000 tenants=3 warm=3 question_rounds=2 rest=1 changes=2
      journal_options=(Journal__MaxBytes=16777216 Journal__SegmentBytes=1048576) waiting_options=(Recorder__MaxWaiting=5000)
      shift;;
    *) sed -n '2,7s/^# \{0,1\}//p' bench/ledger.sh >&2; exit 2;;
  esac
done
scale=$PWD/bench/LedgerScale/bin/Release/net10.0/Tokonomics.LedgerScale.dll
need nginx:nginx-light curl:curl openssl:openssl pgrep:procps initdb:postgresql redis-server:redis-server sqlite3:sqlite3
providers
dotnet build bench/LedgerScale -c Release --nologo -v quiet -p:RunAnalyzers=false >&2
dotnet build bench/SpendQuestions -c Release --nologo -v quiet -p:RunAnalyzers=false >&2
postgres_start
product_make pg
stop pg
record '"part":"run"' "$(node bench/parts/here.mjs "$rows" "$rounds" "$rate" "$seconds" "$events" "$tenants" "$parts")"
raw=${TMPDIR:-/tmp}/tokonomics-ledger-$(date +%Y%m%d-%H%M%S).jsonl
began=$SECONDS
for part in ${parts//,/ }; do
  case $part in ingest|serving|size|keys|journal) say "Part: $part"; $part;; *) fail "there is no part $part";; esac
  cp "$results" "$raw" # whatever the next part meets
done
record '"part":"end"' "{\"seconds\":$((SECONDS - began))}"
cp "$results" "$raw"
say "Measured for $((SECONDS - began)) s. Single measurements: $raw (node bench/parts/ledger.mjs $raw $report makes the report again)"
node bench/parts/ledger.mjs "$raw" "$report"
