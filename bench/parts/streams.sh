# Streams whose events come one at a time: 3 at 200 a second, so that there are many first bytes; 50 at 100 a second, one stream and 32; 2,000 at up to 1,000 a second. Time to first byte, and how long each event is on its way.
streams() { # round
  local kind count target
  for kind in paced3:1 paced50:1 paced50:32 paced2000:1; do
    count=${kind#*:}
    for target in "${targets[@]}"; do
      record "\"part\":\"streams\",\"kind\":\"${kind%:*}\",\"connections\":$count,\"target\":\"$target\",\"round\":$1" "$(loaded "$target" "${kind%:*}" streams --streams "$count" --seconds "$seconds")"
      quiet "$(process_of "$target" plain)" >/dev/null
    done
  done
}
