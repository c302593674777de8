# From starting the published product on a data folder that exists to its first proxied call, five times, and its memory at rest.
start() {
  local round
  product_make fresh
  stop fresh
  for round in 1 2 3 4 5; do
    record "\"part\":\"start\",\"target\":\"tokonomics\",\"round\":$round" "$(settings fresh "${load[@]}" start --url "$(url_of fresh plain)" --body "$(body_of fresh plain)" --key "${key[fresh]}" --headers "$(headers_of fresh plain)" --rest "$([ $round = 1 ] && echo 15 || echo 1)" -- dotnet "$app/Tokonomics.Standalone.dll")"
  done
  record '"part":"size"' "{\"published_bytes\":$(du -sb "$app" | cut -f1),\"files\":$(find "$app" -type f | wc -l)}"
}
