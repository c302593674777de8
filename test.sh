#!/usr/bin/env bash
# Installs what the tests need and runs them all. Ends with one line: N passed, N failed, N skipped.
#   ./test.sh                 everything
#   ./test.sh Domain.Tests    one project of tests/
# Needs the .NET 10 SDK, Node 20 and apt; runs as root without a terminal. A missing server is a failure, never a silent skip.
set -uo pipefail
cd "$(dirname "$0")" || exit
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 npm_config_loglevel=error npm_config_audit=false npm_config_fund=false
# What is started a hundred times and lives for seconds gains nothing from being measured for its optimization.
export DOTNET_TieredPGO=0
only="${1:-}"

install() { # command package
  command -v "$1" >/dev/null && return
  if [ -z "${updated:-}" ]; then
    echo "Installing what is missing from Debian's packages"
    apt-get update -qq >/dev/null || { echo "apt-get update failed: the tests need $2, and apt to install it" >&2; exit 1; }
    updated=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null || { echo "could not install $2" >&2; exit 1; }
}
PATH="$PATH:/usr/sbin:$(printf %s: /usr/lib/postgresql/*/bin)"
install curl curl
install nginx nginx-light
install initdb postgresql
install chromium chromium
install faketime faketime
install strace strace
install redis-server redis-server
install oathtool oathtool
install pgrep procps
install python3 python3
install wrk wrk
install go golang-go
/usr/bin/python3 -c 'import httpx' 2>/dev/null || install python3-httpx python3-httpx
install openssl openssl
install shellcheck shellcheck
install systemd-analyze systemd
install promtool prometheus

echo "Building"
dotnet build Tokonomics.sln --nologo -v quiet || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
npm ci --prefix tests/clients >/dev/null || { echo "npm ci in tests/clients failed" >&2; echo "0 passed, 1 failed, 0 skipped"; exit 1; }

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# What the tests start as processes, hundreds of times, is the product as users have it: compiled ahead, it is sooner ready than what was built for the tests.
case ${only:-Standalone.Tests} in
  Standalone.Tests|Web.Proxy.Tests|clients|bench)
    echo "Publishing"
    export TOKONOMICS_TEST_PRODUCT="$results/product"
    dotnet publish src/Standalone -c Release -r "linux-$(dpkg --print-architecture | sed s/amd64/x64/)" --self-contained false -o "$TOKONOMICS_TEST_PRODUCT" --nologo -v quiet -p:RunAnalyzers=false ||
      { echo "dotnet publish failed" >&2; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
    ;;
esac
passed=0 failed=0 skipped=0
count() { passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + $3)); }

for project in tests/*.Tests; do
  name=$(basename "$project")
  [ -n "$only" ] && [ "$only" != "$name" ] && continue
  echo "== $name"
  began=$SECONDS log="$results/$name.log" trx="$results/$name.trx"
  # Writes_until_it_is_killed is no test of its own: a test starts it as the process that is killed.
  dotnet test "$project" --no-build --nologo -v quiet --filter 'FullyQualifiedName!~Writes_until_it_is_killed' --logger "trx;LogFileName=$trx" --logger "console;verbosity=normal" >"$log" 2>&1
  status=$?
  counters=$(grep -o '<Counters [^>]*' "$trx" 2>/dev/null)
  value() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$counters"; }
  if [ -z "$counters" ]; then
    tail -n 40 "$log"
    count 0 1 0
    continue
  fi
  p=$(value passed) f=$(value failed) s=$(($(value total) - $(value executed)))
  # A run that ended badly without a failed test (a crash after the last one) is a failure of its own.
  [ "$f" -eq 0 ] && [ "$status" -ne 0 ] && f=1
  [ "$f" -ne 0 ] && grep -vE '^ *(Passed|Skipped) ' "$log" | tail -n 200
  [ "$s" -ne 0 ] && grep -A1 -E '^ *Skipped ' "$log"
  echo "   $p passed, $f failed, $s skipped, $((SECONDS - began)) s"
  count "$p" "$f" "$s"
done

if [ -z "$only" ] || [ "$only" = clients ]; then
  echo "== clients"
  began=$SECONDS
  node --test --test-reporter=tap tests/clients/*.test.mjs >"$results/clients.log" 2>&1
  status=$?
  tally() { sed -n "s/^# $1 \([0-9]*\)$/\1/p" "$results/clients.log" | tail -n 1; }
  p=$(tally pass) f=$(tally fail) s=$(tally skipped)
  p=${p:-0} f=${f:-1} s=${s:-0}
  [ "$f" -eq 0 ] && [ "$status" -ne 0 ] && f=1
  [ "$f" -ne 0 ] && grep -vE '^ *ok ' "$results/clients.log" | tail -n 200
  echo "   $p passed, $f failed, $s skipped, $((SECONDS - began)) s"
  count "$p" "$f" "$s"
fi

# Half a minute: ratios to nginx, to be read; they fail nothing. Failed requests and a ledger that doesn't hold do.
if [ -z "$only" ] || [ "$only" = bench ]; then
  echo "== bench"
  began=$SECONDS
  p=1 f=0
  env -u DOTNET_TieredPGO timeout 900 bench/run.sh --smoke --app "$TOKONOMICS_TEST_PRODUCT" >"$results/bench.log" 2>&1 || { p=0 f=1; tail -n 40 "$results/bench.log"; }
  grep '^   ' "$results/bench.log"
  echo "   $p passed, $f failed, 0 skipped, $((SECONDS - began)) s"
  count "$p" "$f" 0
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
