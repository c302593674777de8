#!/usr/bin/env bash
# Makes the archives of a release from this clone, into artifacts/release: one for each platform, with all four hosts, .NET itself and an SBOM in it, and SHA256SUMS.
#   deploy/release/build.sh                         every platform
#   deploy/release/build.sh linux-x64 osx-arm64     some
#   deploy/release/build.sh --allow-dirty linux-x64 to try it: what isn't committed is in no version
# Needs the .NET 10 SDK, Node 20, git, tar and zip; runs on Linux x64 (the compiler ahead of time is of the machine that builds, and makes all five).
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
all=(linux-x64 linux-arm64 osx-x64 osx-arm64 win-x64)
rids=() dirty=no
for argument in "$@"; do
  case $argument in
    --allow-dirty) dirty=yes ;;
    -*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *)
      [[ " ${all[*]} " = *" $argument "* ]] || { echo "build.sh: there is no platform $argument; there are ${all[*]}" >&2; exit 2; }
      rids+=("$argument") ;;
  esac
done
[ ${#rids[@]} -gt 0 ] || rids=("${all[@]}")

if [ "$dirty" = no ] && [ -n "$(git status --porcelain)" ]; then
  echo "build.sh: there are changes that no commit has: commit them, or try it with --allow-dirty" >&2
  exit 1
fi
version=$(deploy/release/version.sh)
case $version in *-unversioned) echo "build.sh: git says nothing of a version here: a release is made from a clone" >&2; exit 1 ;; esac
# A tagged version has its section in CHANGELOG.md; what comes between two has "Unreleased".
section=$(awk -v version="$version" '/^## /{ on = index($2, "[" version "]") == 1 || (version ~ /dev/ && $2 == "[Unreleased]") ; next } /^\[[^]]*\]: /{ on = 0 } on' CHANGELOG.md)
[ -n "${section//[$'\n ']/}" ] || { echo "build.sh: CHANGELOG.md has no section [$version] with anything in it" >&2; exit 1; }

# It is said to every build once: a commit that is made meanwhile would give its later parts another.
# The commit's time, for every file: the same commit gives the same archive.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
out=artifacts/release
rm -rf "$out"
mkdir -p "$out"
printf '%s\n' "$section" >"$out/CHANGES.md"
runtime=$(dotnet msbuild src/Standalone -getProperty:BundledNETCoreAppPackageVersion -nologo)

for rid in "${rids[@]}"; do
  name=tokonomics-$version-$rid
  stage=$out/stage/$name
  echo "== $rid"
  dotnet publish src/Standalone -c Release -r "$rid" --self-contained true -p:DebugType=none -p:InformationalVersion="$version" -o "$stage" --nologo -v quiet
  rm -f "$stage"/Tokonomics.*.xml
  for host in Standalone Web.Proxy Web.Portal Workers; do
    suffix=''
    [ "$rid" != win-x64 ] || suffix=.exe
    [ -f "$stage/Tokonomics.$host$suffix" ] || { echo "build.sh: the archive for $rid would lack Tokonomics.$host" >&2; exit 1; }
  done
  node deploy/release/sbom.mjs --version "$version" --rid "$rid" --runtime "$runtime" >"$stage/sbom.cdx.json"
  node deploy/release/notices.mjs --rid "$rid" --runtime "$runtime" >"$stage/THIRD-PARTY-NOTICES.txt"
  printf '%s\n' "$version" >"$stage/VERSION"
  cp CHANGELOG.md README.md "$stage/"
  mkdir -p "$stage/docs"
  cp -R docs/. "$stage/docs/"
  rm -rf "$stage/docs/screenshots"
  if [[ $rid = linux-* ]]; then
    mkdir -p "$stage/deploy"
    cp -R deploy/systemd deploy/nginx "$stage/deploy/"
    cp deploy/install.sh "$stage/"
  fi
  find "$stage" -type d -exec chmod 755 {} +
  find "$stage" -type f -exec chmod 644 {} +
  find "$stage" -maxdepth 1 -type f \( -name 'Tokonomics.Standalone' -o -name 'Tokonomics.Web.Proxy' -o -name 'Tokonomics.Web.Portal' -o -name 'Tokonomics.Workers' -o -name createdump -o -name install.sh \) -exec chmod 755 {} +
  [ ! -f "$stage/deploy/systemd/tokonomics" ] || chmod 755 "$stage/deploy/systemd/tokonomics"
  find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  cp "$stage/sbom.cdx.json" "$out/$name.cdx.json"
  if [ "$rid" = win-x64 ]; then
    (cd "$out/stage" && find "$name" -type f | LC_ALL=C sort | zip -q -X -@ "../$name.zip")
  else
    tar --create --directory "$out/stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu "$name" | gzip -n -6 >"$out/$name.tar.gz"
  fi
  rm -rf "${out:?}/stage/$name"
done
rm -rf "$out/stage"
cp deploy/install.sh "$out/"
files=()
for file in "$out"/*.tar.gz "$out"/*.zip "$out"/*.cdx.json "$out/install.sh"; do
  if [ -f "$file" ]; then files+=("$(basename "$file")"); fi
done
(cd "$out" && sha256sum -- "${files[@]}" >SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
ls -l "$out"
