#!/usr/bin/env bash
# Half an hour at 70 % of the maximum: plain calls and, one in ten, streams, of which three in ten are left by the client in the middle; a hundred open streams beside them.
# Every 10 s latency, memory, handles and threads; writes docs/benchmarks/soak.md with its chart and the figures as CSV.
#   bench/soak.sh [MINUTES] [--app FOLDER with a publish of Standalone] [--report FOLDER]
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/product.sh
minutes=30 report=docs/benchmarks
while [ $# -gt 0 ]; do
  case $1 in --app) APP=$2; shift 2;; --report) report=$2; shift 2;; *) minutes=$1; shift;; esac
done
need nginx:nginx-light curl:curl openssl:openssl pgrep:procps
providers
product_make tokonomics
seconds=$((minutes * 60))
mix() { # as fast as it goes, or at a rate
  loaded tokonomics plain rate --connections 64 --stream-url "$(url_of tokonomics stream)" --stream-body "$work/bodies/stream.json" --stream-share 0.1 --leave-share 0.3 "$@"
}
say "Warming up, and finding the maximum of this mixture"
mix --seconds 15 >/dev/null
most=$(mix --seconds 15 | sed -n 's/.*"per_second":\([0-9]*\).*/\1/p')
rate=$((most * 7 / 10))
quiet "${pid[tokonomics]}" >/dev/null
say "$rate calls a second, of a maximum of $most, for $minutes minutes"
behind load mix --rate "$rate" --seconds "$seconds" --every 10 >"$work/windows"
behind held loaded tokonomics held hold --steps 100 --seconds "$((seconds - 15))" --pid "${pid[tokonomics]}" >"$work/held" 2>/dev/null
id=${pid[tokonomics]}
for second in $(seq 10 10 "$seconds"); do
  sleep 10
  kill -0 "$id" 2>/dev/null || fail "the product ended: $(tail -n 5 "$work/tokonomics.log")"
  echo "$second $(awk '/^VmRSS/ {print $2}' "/proc/$id/status") $(ls "/proc/$id/fd" | wc -l) $(awk '/^Threads/ {print $2}' "/proc/$id/status") $(ticks "$id")" >>"$work/samples"
  [ $((second % 60)) -ne 0 ] || say "$((second / 60)) of $minutes minutes: $(tail -n 1 "$work/samples" | awk '{printf "%d MB, %d handles, %d threads", $2 / 1024, $3, $4}')"
done
wait "${pid[load]}" || true
wait "${pid[held]}" || true
quiet "$id" >/dev/null
product_verify tokonomics
node bench/parts/soak.mjs "$work" "$report" "$most" "$rate" "$(getconf CLK_TCK)" "$(sed -n 's/.*"holds":\([0-9]*\).*/\1/p' "$results" | tail -n 1)"
