# The product as it is measured: everything on. Sourced after lib.sh.

postgres_start() { # PostgreSQL and Redis as Debian packages them, with their own settings but for durability of Redis, which only has rate limits
  local run=() data=$work/postgres
  [ "$(id -u)" -ne 0 ] || run=(setpriv --reuid=postgres --regid=postgres --init-groups)
  mkdir "$data" && { [ ${#run[@]} -eq 0 ] || chown postgres "$data"; }
  port[postgres]=$(free_port) port[redis]=$(free_port)
  (cd / && "${run[@]}" initdb -D "$data" -U postgres -A trust --no-instructions -E UTF8 --locale=C.UTF-8) >"$work/postgres.log" 2>&1 || fail "initdb: $(tail -n 3 "$work/postgres.log")"
  (cd / && exec "${run[@]}" postgres -D "$data" -p "${port[postgres]}" -h 127.0.0.1 -k "$data") >"$work/postgres.log" 2>&1 & started postgres
  redis-server --port "${port[redis]}" --bind 127.0.0.1 --save "" --dir "$work" >"$work/redis.log" 2>&1 & started redis
  local tries
  for tries in $(seq 300); do psql -h 127.0.0.1 -p "${port[postgres]}" -U postgres -qc 'CREATE DATABASE bench' >/dev/null 2>&1 && return; sleep 0.1; done
  fail "PostgreSQL does not answer: $(tail -n 3 "$work/postgres.log")"
}

# The settings of one installation, in the environment of what follows it: settings NAME COMMAND …
settings() {
  local name=$1 scheme=http
  shift
  local of=(TOKONOMICS_DATA="$work/data-$name${database:+-$database}") # database: another one of the same PostgreSQL, with a data folder of its own
  case $name in
    *-tls) scheme=https; of+=(Kestrel__Certificates__Default__Path="$work/tls.crt" Kestrel__Certificates__Default__KeyPath="$work/tls.key");;
    pg) of+=(ConnectionStrings__Postgres="Host=127.0.0.1;Port=${port[postgres]};Database=${database:-bench};Username=postgres" ConnectionStrings__Redis="127.0.0.1:${port[redis]}" Journal__Node=bench);;
  esac
  # Five names, so that one run has all answers: openai's is plain, deepseek's a stream of 50 events (a provider whose usage is asked for), cerebras' one of 2,000.
  ${replace:-} env "${of[@]}" ASPNETCORE_URLS="$scheme://127.0.0.1:${port[$name]}" Providers__openai__BaseUrl="http://127.0.0.1:${port[direct]}/plain" Providers__deepseek__BaseUrl="http://127.0.0.1:${port[direct]}/stream" \
    Providers__cerebras__BaseUrl="http://127.0.0.1:${port[direct]}/long" Providers__mistral__BaseUrl="http://127.0.0.1:${port[paced]:-${port[direct]}}/paced" "$@"
}

product_run() { # name, program: serves, and returns when it is ready
  local scheme=http
  [[ $1 == *-tls ]] && scheme=https
  behind "$1" settings "$1" dotnet "$app/Tokonomics.${2:-Standalone}.dll" >>"$work/$1.log" 2>&1
  answers "$scheme://127.0.0.1:${port[$1]}/readyz" "$1"
}

product_make() { # name: a tenant, five strict budgets that hold every call and none near its end, a rate limit that counts and doesn't bind, and routes; it serves
  local name=$1 made budget kind model key_id token scheme=http
  [[ $name == *-tls ]] && scheme=https
  port[$name]=$(free_port)
  made=$(settings "$name" dotnet "$app/Tokonomics.Standalone.dll" provision --tenant bench --email bench@example.com --plan pro --json $(printf -- '--provider %s=sk-bench-0123456789 ' openai deepseek cerebras mistral))
  field() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" <<<"$made"; }
  key[$name]=$(field metering_key) key_id=$(field metering_key_id) token=$(field api_token)
  product_run "$name"
  api() { curl -skf -X "$1" -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d "$3" "$scheme://127.0.0.1:${port[$name]}/api/v1/$2" >/dev/null || fail "$1 $2 failed"; }
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
}

product_verify() { # name: stops it, and looks whether every call stands in the ledger once and at its price
  stop "$1"
  local said
  said=$(settings "$1" dotnet "$app/Tokonomics.Standalone.dll" verify) || { echo "$said" >&2; fail "the ledger of $1 does not hold"; }
  record "\"part\":\"verify\",\"target\":\"$1\"" "{\"holds\":$(grep -c '^holds' <<<"$said")}"
  say "$1: $(grep -c '^holds' <<<"$said") invariants hold"
}

# Where a target answers a kind of call, what it is told beside the body, and whose CPU is counted.
path_of() { case $1 in plain|stream|long) echo "$1";; *) echo paced;; esac; }
url_of() { # target kind
  local way provider
  case $2 in plain) provider=openai;; stream) provider=deepseek;; long) provider=cerebras;; *) provider=mistral;; esac
  way=$(path_of "$2")
  case $1 in
    direct) if [ "$way" = paced ]; then echo "http://127.0.0.1:${port[paced]}/paced/v1/chat/completions"; else echo "http://127.0.0.1:${port[direct]}/$way/v1/chat/completions"; fi;;
    nginx) echo "http://127.0.0.1:${port[nginx]}/$way/v1/chat/completions";;
    nginx-tls) echo "https://127.0.0.1:${port[nginx-tls]}/$way/v1/chat/completions";;
    portkey) echo "http://127.0.0.1:${port[portkey]}/v1/chat/completions";;
    tokonomics|pg|fresh) echo "http://127.0.0.1:${port[$1]}/proxy/$provider/v1/chat/completions";;
    tokonomics-tls) echo "https://127.0.0.1:${port[$1]}/proxy/$provider/v1/chat/completions";;
    route|group|repeat) echo "http://127.0.0.1:${port[tokonomics]}/v1/chat/completions";;
  esac
}
install_of() { case $1 in route|group|repeat) echo tokonomics;; *) echo "$1";; esac; }
headers_of() { # target kind, each ended by a semicolon
  case $1 in
    direct|nginx*) ;;
    portkey) echo "x-portkey-provider: openai; x-portkey-custom-host: $(url_of direct "$2" | sed 's,/chat/completions$,,');";;
    *) echo "X-Tokonomics-Tags: customer=acme;";;
  esac
}
body_of() { case $1 in route|group|repeat) echo "$work/bodies/$1-$2.json";; *) echo "$work/bodies/$2.json";; esac; }
process_of() { # target kind
  if [ "$1" = direct ] && [ "$(path_of "$2")" = paced ]; then echo "${pid[paced]}"; else echo "${pid[$(install_of "$1")]}"; fi
}

check() { # target kind: it answers what it should
  local headers=() header answer
  while IFS= read -r -d ';' header; do headers+=(-H "${header# }"); done <<<"$(headers_of "$1" "$2")"
  answer=$(curl -sk -X POST -H "Authorization: Bearer ${key[$(install_of "$1")]:-none}" -H 'Content-Type: application/json' ${headers[@]+"${headers[@]}"} --data-binary "@$(body_of "$1" "$2")" "$(url_of "$1" "$2")" | tr -d '\0') || fail "$1 refuses $2"
  [[ $answer == *chatcmpl-bench* ]] || fail "$1 does not answer $2: ${answer:0:300}"
  case $2 in stream|long|paced*) [[ $answer == *'data: [DONE]'* ]] || fail "$1 does not answer $2 to its end: ${answer: -300}";; esac
}

hammer() { # part kind connections target round: wrk calls as fast as answers come, for $seconds
  local headers=() header process before store=0 n us p50 p99 errors
  while IFS= read -r -d ';' header; do headers+=(-H "${header# }"); done <<<"$(headers_of "$4" "$2")"
  process=$(process_of "$4" "$2")
  before=$(ticks "$process")
  [ "$4" = pg ] && store=$(stores)
  read -r n us p50 p99 errors < <(BENCH_BODY=$(body_of "$4" "$2") wrk -t1 "-c$3" "-d${seconds}s" --timeout 10s -H "Authorization: Bearer ${key[$(install_of "$4")]:-none}" ${headers[@]+"${headers[@]}"} -s bench/parts/call.lua "$(url_of "$4" "$2")" | sed -n 's/^RESULT //p') || fail "wrk failed at $4 $2"
  # What a call costs after its answer, in the ledger, is counted.
  before=$(($(quiet "$process") - before))
  [ "$4" = pg ] && store=$(($(stores) - store))
  record "\"part\":\"$1\",\"kind\":\"$2\",\"connections\":$3,\"target\":\"$4\",\"round\":$5" "{\"calls\":$n,\"us\":$us,\"p50\":$p50,\"p99\":$p99,\"errors\":$errors,\"ticks\":$before,\"store_ticks\":$store}"
}
stores() { echo $(($(ticks "${pid[postgres]}") + $(ticks "${pid[redis]}"))); }

loaded() { # target kind, further options: the options of the load generator for it
  ${replace:-} "${load[@]}" "$3" --url "$(url_of "$1" "$2")" --body "$(body_of "$1" "$2")" --key "${key[$(install_of "$1")]:-none}" --headers "$(headers_of "$1" "$2")" "${@:4}"
}
