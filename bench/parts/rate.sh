# Plain calls at half of what goes, 32 connections: each timed from when it was due.
rate() { # round
  local target other most half
  for target in tokonomics pg portkey; do
    most=$(loaded "$target" plain rate --connections 32 --seconds "$seconds" | sed -n 's/.*"per_second":\([0-9]*\).*/\1/p')
    quiet "${pid[$target]}" >/dev/null
    half=$((most / 2))
    record "\"part\":\"most\",\"target\":\"$target\",\"round\":$1" "{\"per_second\":$most}"
    at_rate "$target" "$target" "$half" "$1"
    if [ $target = tokonomics ]; then for other in direct nginx; do at_rate $other $target "$half" "$1"; done; fi
  done
}
at_rate() { # target whose-rate rate round
  record "\"part\":\"rate\",\"target\":\"$1\",\"of\":\"$2\",\"rate\":$3,\"round\":$4" "$(loaded "$1" plain rate --connections 32 --rate "$3" --seconds $((seconds + 2)))"
  quiet "$(process_of "$1" plain)" >/dev/null
}
