# Memory of open streams, by a product that was just started: its resident size with 50, half and all of them open, then while they are held.
# It takes at most half as many connections as it has descriptors beyond 768, and so does what is opened here.
memory() {
  local most target
  most=$(((descriptors - 768) / 2 - 200))
  [ $most -gt 10000 ] && most=10000
  [ $most -ge "$open_streams" ] || say "ulimit -n is $descriptors: $most streams instead of $open_streams"
  [ $most -gt "$open_streams" ] && most=$open_streams
  stop tokonomics
  product_run tokonomics
  loaded tokonomics plain rate --connections 8 --rate 200 --seconds 5 >/dev/null
  loaded tokonomics paced50 streams --streams 32 --seconds 2 >/dev/null
  for target in nginx tokonomics; do
    say "$target holds $most streams"
    record "\"part\":\"memory\",\"target\":\"$target\"" "$(loaded "$target" held hold --steps "50,$((most / 2)),$most" --seconds "$hold" --pid "$([ $target = nginx ] && worker_of "${pid[nginx]}" || echo "${pid[$target]}")")"
    sleep 3
  done
}
