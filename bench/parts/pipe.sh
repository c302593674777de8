# Calls as fast as answers come: plain answers and streams that the provider sends at once, large prompts, TLS.
targets=(direct nginx portkey tokonomics pg)

pipe() { # round
  local kind connections target
  for kind in plain stream; do
    for connections in 1 32 256; do for target in "${targets[@]}"; do hammer pipe $kind $connections "$target" "$1"; done; done
    # A route of one target, a quality group that only watches, and a repeat that the cache answers.
    for connections in 1 32; do for target in route group repeat; do hammer pipe $kind $connections $target "$1"; done; done
  done
  for connections in 1 32; do for target in "${targets[@]}"; do hammer pipe long $connections "$target" "$1"; done; done
}

bodies() { # round: prompts of 100 kB and 1 MB, to the provider that reads them whole
  local kind connections target
  for kind in 100k 1m; do for connections in 1 32; do for target in "${targets[@]}"; do hammer bodies $kind $connections "$target" "$1"; done; done; done
}

tls() { # round: TLS to the client, connections kept; an installation of its own, since one that has TLS refuses plain calls
  local kind connections target
  for kind in plain stream; do for connections in 1 32; do for target in direct nginx-tls tokonomics-tls; do hammer tls $kind $connections $target "$1"; done; done; done
}

warm() { # targets: each answers what it should, and has run for a while
  local target kind kinds
  for target in "$@"; do
    case $target in
      route|group|repeat|*-tls) kinds="plain stream";;
      *) kinds="plain stream long ${paced_kinds:-}";;
    esac
    for kind in $kinds; do
      check "$target" "$kind"
      hammer warm "$kind" 8 "$target" 0
    done
  done
}
