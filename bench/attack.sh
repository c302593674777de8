#!/usr/bin/env bash
# What good callers notice of attacks: calls at a fixed rate, over kept connections and over a new one each, before, while and after one; then twice what goes.
# Writes docs/benchmarks/attack.md with its charts.
#   bench/attack.sh [SECONDS of each phase, 40] [--connections N, 10000] [--app FOLDER with a publish of Standalone] [--report FOLDER]
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/product.sh
phase=40 connections=10000 report=docs/benchmarks
while [ $# -gt 0 ]; do
  case $1 in --app) APP=$2; shift 2;; --report) report=$2; shift 2;; --connections) connections=$2; shift 2;; *) phase=$1; shift;; esac
done
need nginx:nginx-light curl:curl openssl:openssl pgrep:procps
providers
certificate
product_make tokonomics
product_make tokonomics-tls
say "Warming up, and finding the maximum"
loaded tokonomics-tls plain rate --connections 32 --seconds 5 >/dev/null
most=0
for try in 1 2 3 4; do # the best: what is too low would be no overload later
  got=$(loaded tokonomics plain rate --connections 32 --seconds 4 | sed -n 's/.*"per_second":\([0-9]*\).*/\1/p')
  [ "$got" -le "$most" ] || most=$got
  quiet "${pid[tokonomics]}" >/dev/null
done
rate=$((most / 10))
[ $rate -le 500 ] || rate=500

good() { # target kind-of-connections: three windows, one for each phase
  local options=(--connections 8 --rate "$rate")
  [ "$2" = kept ] || options=(--connections 8 --rate 20 --headers "$(headers_of "$1" plain) Connection: close")
  ${replace:-} "${load[@]}" rate --url "$(url_of "$1" plain)" --body "$(body_of "$1" plain)" --key "${key[$1]}" --headers "$(headers_of "$1" plain)" --seconds $((phase * 3)) --every "$phase" "${options[@]}"
}
attack() { # kind connections target call
  local said
  say "$1 with $2 connections"
  behind kept good "$3" kept >"$work/kept"
  behind new good "$3" new >"$work/new"
  sleep "$phase"
  said=$(loaded "$3" "$4" attack --kind "$1" --connections "$2" --seconds $((phase - 1))) || fail "the attack failed"
  wait "${pid[kept]}" "${pid[new]}"
  local kind
  for kind in kept new; do sed '$d' "$work/$kind" | while read -r line; do record "\"part\":\"good\",\"kind\":\"$1\",\"over\":\"$kind\"" "$line"; done; done
  record '"part":"attack"' "$said"
  kill -0 "${pid[$3]}" || fail "the product ended under $1"
  quiet "${pid[$3]}" >/dev/null
}
attack slowloris 2000 tokonomics plain
attack idle "$connections" tokonomics plain
attack slow-read 500 tokonomics long
attack reset 20 tokonomics-tls plain

say "Overload: $((most * 2)) calls a second, twice the maximum"
overload() { loaded tokonomics plain rate --connections "$2" --rate "$3" --seconds "$phase" "${@:4}" >"$work/overload"; record "\"part\":\"overload\",\"phase\":\"$1\",\"rate\":$3" "$(tail -n 1 "$work/overload")"; }
overload before 32 $((most * 3 / 10))
overload during 8000 $((most * 2)) # as many callers who wait for an answer
overload after 32 $((most * 3 / 10)) --every 1
head -n -1 "$work/overload" | while read -r line; do record '"part":"recovery"' "$line"; done
kill -0 "${pid[tokonomics]}" || fail "the product ended under overload"
quiet "${pid[tokonomics]}" >/dev/null
product_verify tokonomics
product_verify tokonomics-tls
node bench/parts/attack.mjs "$results" "$report" "$phase" "$rate" "$most" "$descriptors"
