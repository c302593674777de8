# The parts of bench/ledger.sh. Sourced after lib.sh and product.sh.

lines_of() { while IFS= read -r line; do record "$1" "$line"; done; } # each line of the input becomes a record
sql() { psql -X -q -At -h 127.0.0.1 -p "${port[postgres]}" -U postgres -d "${database:-bench}" -c "$1"; }

# A writer beside the product that serves from the same database: a node of its own, with the same master key.
second_node() { mkdir -p "$work/data-second" && cp "$work/data-pg${database:+-$database}/master.key" "$work/data-second/"; }
as_second() { settings pg env TOKONOMICS_DATA="$work/data-second" Journal__Node=second "$@"; }

ingest() {
  local options=(--rounds "$rounds" --events "$events")
  say "Ingest into SQLite"
  product_make tokonomics
  stop tokonomics
  settings tokonomics dotnet "$scale" ingest --batches "$batches" --writers 1,2 "${options[@]}" | lines_of '"part":"ingest","store":"sqlite"'
  product_verify tokonomics
  rm -rf "$work/data-tokonomics"
  say "Ingest into PostgreSQL"
  settings pg dotnet "$scale" ingest --batches "$batches" --writers 1,2 --store "${pid[postgres]}" "${options[@]}" | lines_of '"part":"ingest","store":"postgres"'
  say "Ingest into PostgreSQL, $tenants tenants"
  settings pg dotnet "$scale" ingest --batches 1000 --writers 1,2 --tenants "$tenants" --store "${pid[postgres]}" "${options[@]}" | lines_of '"part":"ingest","store":"postgres"'
}

serving() { # a product process answers at a fixed rate: alone, then with one and with two writers beside it
  local writers said
  second_node
  product_run pg Web.Proxy
  called() { loaded pg plain rate --connections 16 --rate "$rate" --seconds "$seconds"; }
  loaded pg plain rate --connections 16 --rate "$rate" --seconds "$warm" >/dev/null
  say "$rate calls a second for $seconds s, alone"
  said=$(called)
  record '"part":"serving","writers":0' "$said"
  for writers in 1 2; do
    say "$rate calls a second for $seconds s, $writers writing beside them"
    behind ingest as_second dotnet "$scale" ingest --batches 1000 --writers "$writers" --wait "$work/made" --events $((seconds * most_events)) --seconds "$seconds" --store "${pid[postgres]}" >"$work/ingest"
    until [ -f "$work/made" ]; do sleep 0.1; kill -0 "${pid[ingest]}" || fail "the writer ended"; done
    quiet "${pid[pg]}" >/dev/null
    rm "$work/made"
    said=$(called)
    wait "${pid[ingest]}" || fail "the writer failed"
    record "\"part\":\"serving\",\"writers\":$writers" "${said%\}},\"ingest\":$(tail -n 1 "$work/ingest")}"
  done
  product_verify pg
}

# A demonstration, then copies of it: see LedgerScale/Grow.cs. Sizes and the questions of the pages at each number of rows.
size_of() { # tokonomics|pg store most
  local target=$1 store=$2 most=$3 of need free first=${rows%%,*} taken=0 gb
  say "$store: tokonomics demo, $first events"
  settings "$target" dotnet "$app/Tokonomics.Standalone.dll" demo --events "$first" | tail -n 12 | grep '^done' >&2
  for of in ${rows//,/ }; do
    [ "$of" -le "$most" ] || continue
    # What a row took so far tells what the next number takes; copying needs a tenth more for a while.
    gb=$(awk -v rows="$of" -v per="${bytes_per:-1000}" 'BEGIN { printf "%d", rows * per * 1.1 / 1e9 + 1 }')
    free=$(($(df --output=avail -B1 "$work" | tail -n 1) / 1000000000)) need=$((gb - taken))
    if [ "$gb" -gt "$disk" ] || [ "$need" -ge "$free" ]; then
      say "$store: $of rows would take some $gb GB, and $disk GB may be used ($free are free)"
      record "\"part\":\"left\",\"store\":\"$store\"" "{\"rows\":$of,\"gb\":$gb,\"allowed\":$disk,\"free\":$free}"
      continue
    fi
    say "$store: $of rows"
    [ "$of" = "$first" ] || settings "$target" dotnet "$scale" grow --rows "$of" | lines_of "\"part\":\"grown\",\"store\":\"$store\""
    [ "$store" = sqlite ] || sql 'VACUUM (ANALYZE)' # as autovacuum would in time
    case $store in sqlite) sizes_of_sqlite;; *) settings "$target" dotnet "$scale" sizes;; esac >"$work/sizes"
    record "\"part\":\"size\",\"store\":\"$store\",\"rows\":$of" "$(cat "$work/sizes")"
    bytes_per=$(node -e 'const r=JSON.parse(require("fs").readFileSync(process.argv[1])).relations;console.log(Math.ceil(r.reduce((a,b)=>a+b.bytes,0)/process.argv[2]))' "$work/sizes" "$of")
    taken=$gb
    say "$store: $bytes_per bytes for each of $of rows; the questions"
    settings "$target" dotnet bench/SpendQuestions/bin/Release/net10.0/Tokonomics.SpendQuestions.dll "$question_rounds" | node bench/parts/questions.mjs "$store" "$of" >>"$results"
    if [ "$of" -le "$verify_most" ]; then verified "$target" "$store" "$of"; fi
  done
  bytes_per=
}
sizes_of_sqlite() { # each page belongs to one table or index
  sqlite3 -json "$work/data-tokonomics/tokonomics.db" "SELECT d.name, coalesce(m.type, 'table') AS kind, sum(d.pgsize) AS bytes FROM dbstat AS d LEFT JOIN sqlite_master AS m ON m.name = d.name WHERE d.name NOT LIKE 'bench\_%' ESCAPE '\' GROUP BY 1, 2" |
    node -e 'console.log(JSON.stringify({ relations: JSON.parse(require("fs").readFileSync(0)) }))'
}
verified() { # the product's own check that sums are the sums of their events, at a number of rows at which it doesn't take all day
  local said
  said=$(settings "$1" dotnet "$app/Tokonomics.Standalone.dll" verify) || { echo "$said" >&2; fail "the ledger of $2 does not hold"; }
  record "\"part\":\"verified\",\"store\":\"$2\",\"rows\":$3" "{\"holds\":$(grep -c '^holds' <<<"$said")}"
}
size() {
  rm -rf "$work/data-tokonomics"
  port[tokonomics]=$(free_port)
  size_of tokonomics sqlite "$sqlite_most"
  rm -rf "$work/data-tokonomics"
  sql 'CREATE DATABASE scale'
  database=scale size_of pg postgres 1000000000000
  sql 'DROP DATABASE scale WITH (FORCE)'
}

# A proxy on PostgreSQL with nothing in its directories, with keys, with keys and budgets.
watched() { # state, options of `LedgerScale node`
  settings pg env Telemetry__Prometheus=true Telemetry__PrometheusOpen=true "${more[@]}" dotnet "$scale" node --url "$(url_of pg plain)" --body "$work/bodies/plain.json" --key "${key[pg]}" --headers "$(headers_of pg plain)" "$@" \
    -- dotnet "$app/Tokonomics.Web.Proxy.dll"
}
keys() {
  local state made node more=() ids key_before=${key[pg]}
  sql 'CREATE DATABASE crowd'
  local database=crowd
  product_make pg
  stop pg
  for state in 0,0 "$keys,0" "0,$budgets"; do
    say "Directories: $state more keys and budgets"
    made=$(settings pg dotnet "$scale" crowd --keys "${state%,*}" --budgets "${state#*,}")
    [ "$state" = 0,0 ] || sql 'VACUUM (ANALYZE)'
    ids=$(node -e 'const m=JSON.parse(process.argv[1]);console.log(m.small?`small=${m.small},big=${m.big}`:"")' "$made")
    node=$(watched --rest "$rest" ${ids:+--tenants "$ids"} --changes "$changes")
    record '"part":"keys"' "${made%\}},\"node\":$node}"
  done
  key[pg]=$key_before
  database=bench sql 'DROP DATABASE crowd WITH (FORCE)'
}

# Killed with a full journal: by the bound on what may wait, then by the journal's own.
journal() {
  local bound more held node
  for bound in waiting bytes; do
    more=("${journal_options[@]}")
    if [ $bound = waiting ]; then more+=("${waiting_options[@]}"); else more+=(Recorder__MaxWaiting=10000000); fi
    say "Filling the journal to its bound of $bound"
    rm -f "$work/held"
    behind filler settings pg env "${more[@]}" dotnet "$scale" fill --held "$work/held"
    until [ -s "$work/held" ]; do sleep 0.2; kill -0 "${pid[filler]}" || fail "the filler ended"; done
    held=$(cat "$work/held")
    kill -9 "${pid[filler]}"
    wait "${pid[filler]}" 2>/dev/null || true
    held="${held%\}},\"on_disk\":$(du -sb "$work/data-pg/journal/bench" | cut -f1)}"
    say "Started again"
    node=$(watched --rest 1)
    record "\"part\":\"journal\",\"bound\":\"$bound\"" "${held%\}},\"node\":$node}"
  done
}
