#!/usr/bin/env bash
# Installs a release archive on Debian or Ubuntu, or upgrades to it. Run again with the same archive it changes nothing that is right.
#
#   sudo ./install.sh tokonomics-1.2.3-linux-x64.tar.gz                 proxy, portal and workers in one process, on SQLite
#   sudo ./install.sh tokonomics-1.2.3-linux-x64.tar.gz --host proxy    one host alone, or several: --host proxy --host portal --host workers
#   sudo ./install.sh --uninstall            takes away programs and units; settings and data stay
#   sudo ./install.sh --uninstall --purge    those too, and the user: nothing brings them back
#
#   --sha256 HEX    what the archive must hash to; otherwise SHA256SUMS beside it says so
#   --no-start      installs, and leaves starting to you
#   --root DIR      into this folder instead of /, for an image: nothing is started there, and systemd is not asked
#
# Programs: /opt/tokonomics/VERSION, with /opt/tokonomics/current pointing at one; the one before is kept, to go back to. Settings: /etc/tokonomics, never
# overwritten. Data: /var/lib/tokonomics. Units: /etc/systemd/system. Commands: /usr/local/bin/tokonomics.
set -euo pipefail
umask 022

archive='' root='' sum='' start=yes action=install purge=no
hosts=()

die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }

while [ $# -gt 0 ]; do
  case $1 in
    --host | --sha256 | --root)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --host)
          case $2 in standalone | proxy | portal | workers) hosts+=("$2") ;; *) die "--host is standalone, proxy, portal or workers, not $2" ;; esac ;;
        --sha256) sum=$2 ;;
        --root) root=${2%/} ;;
      esac
      shift ;;
    --no-start) start=no ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    -*) die "there is no option $1; --help lists them" ;;
    *) [ -z "$archive" ] || die "one archive at a time: $archive, or $1"; archive=$1 ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || die "it makes a user, units and folders of the system: run it with sudo"
[ "$purge" = no ] || [ "$action" = uninstall ] || die "--purge goes with --uninstall"
[ -z "$root" ] || [ -d "$root" ] || die "--root $root: there is no such folder"
# In a folder there is no systemd to ask; in a container without it neither.
if [ -n "$root" ] || [ ! -d /run/systemd/system ]; then systemd=no; else systemd=yes; fi

opt=$root/opt/tokonomics etc=$root/etc/tokonomics data=$root/var/lib/tokonomics units=$root/etc/systemd/system command=$root/usr/local/bin/tokonomics
unit_of() { if [ "$1" = standalone ]; then echo tokonomics; else echo "tokonomics-$1"; fi; }
all_units=(tokonomics tokonomics-proxy tokonomics-portal tokonomics-workers)
known() { grep -q "^tokonomics:" "$root/etc/$1" 2>/dev/null; }
# useradd and its like, on the files of the folder; without --root on those of the system.
account() { local program=$1; shift; if [ -n "$root" ]; then "$program" --prefix "$root" "$@"; else "$program" "$@"; fi; }

uninstall() {
  local unit
  for unit in "${all_units[@]}"; do
    if [ "$systemd" = yes ]; then systemctl disable --now --quiet "$unit.service" 2>/dev/null || true; fi
    rm -f "$units/$unit.service" "$units/multi-user.target.wants/$unit.service"
  done
  [ "$systemd" = no ] || systemctl daemon-reload
  rm -rf "$opt"
  rm -f "$command"
  if [ "$purge" = no ]; then
    say "Tokonomics is gone from ${root:-this system}; kept: its settings in /etc/tokonomics and its data in /var/lib/tokonomics (--purge takes those too)."
    return
  fi
  rm -rf "$etc" "$data"
  for unit in "${all_units[@]}"; do rm -rf "$units/$unit.service.d"; done
  if known passwd; then account userdel tokonomics; fi
  if known group; then account groupdel tokonomics; fi
  say "Tokonomics is gone from ${root:-this system}, with its settings and its data."
}

if [ "$action" = uninstall ]; then
  [ -z "$archive" ] || die "--uninstall takes no archive"
  uninstall
  exit 0
fi

# 1. The archive is what was released, or nothing is touched.
[ -n "$archive" ] || die "which archive? --help shows how"
[ -f "$archive" ] || die "there is no file $archive"
name=$(basename "$archive")
if [ -z "$sum" ]; then
  list=$(dirname "$archive")/SHA256SUMS
  [ -f "$list" ] || die "there is no SHA256SUMS beside $name: fetch it from the release as well, or give --sha256"
  sum=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$list")
  [ -n "$sum" ] || die "SHA256SUMS says nothing of $name"
fi
found=$(sha256sum "$archive" | cut -d' ' -f1)
[ "$found" = "${sum,,}" ] || die "$name is not what was released: its SHA-256 is $found, and ${sum,,} was expected. Nothing was changed."

# 2. Unpacked beside its place and moved there whole, so that no start ever finds half of it. Its own VERSION names it.
mkdir -p "$opt"
fresh=$(mktemp -d "$opt/.unpacking.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
tar --extract --gzip --file "$archive" --directory "$fresh" --strip-components 1 --no-same-owner --no-same-permissions
if [ ! -f "$fresh/VERSION" ] || [ ! -x "$fresh/Tokonomics.Standalone" ] || [ ! -d "$fresh/deploy/systemd" ]; then
  die "$name is no release of Tokonomics for Linux: it has no VERSION, program or units"
fi
version=$(cat "$fresh/VERSION")
[[ $version =~ ^[0-9A-Za-z][0-9A-Za-z.+-]*$ ]] || die "$name calls its version '$version', which is no name for a folder"
# A machine of another kind gets a sentence, not "Exec format error" from systemd.
if [ -z "$root" ]; then
  "$fresh/Tokonomics.Standalone" --version >/dev/null 2>&1 || die "the program in $name doesn't run here ($(uname -m)): is it the archive for this machine? It needs glibc 2.27 or newer, libstdc++6 and libssl3 or libssl1.1"
fi
chmod 755 "$fresh"
before=$(readlink "$opt/current" 2>/dev/null || true)
if [ -d "$opt/$version" ]; then
  # The same version again: what stands there is put right, and a process that runs keeps the files that it has open.
  mv "$opt/$version" "$fresh.old"
  mv "$fresh" "$opt/$version"
  rm -rf "$fresh.old"
else
  mv "$fresh" "$opt/$version"
fi

# 3. Its user, who owns the data and nothing else.
if ! known group; then account groupadd --system tokonomics; fi
if ! known passwd; then account useradd --system --gid tokonomics --home-dir /var/lib/tokonomics --no-create-home --shell /usr/sbin/nologin --comment Tokonomics tokonomics; fi
uid=$(awk -F: '$1 == "tokonomics" { print $3 }' "$root/etc/passwd") gid=$(awk -F: '$1 == "tokonomics" { print $3 }' "$root/etc/group")
install -d -m 0700 -o "$uid" -g "$gid" "$data"
install -d -m 0750 -o 0 -g "$gid" "$etc"

# 4. Settings, once: whoever runs it has changed them since. Rights are put right each time, for secrets stand there.
if [ ! -e "$etc/tokonomics.env" ]; then install -m 0640 -o 0 -g "$gid" "$opt/$version/deploy/systemd/tokonomics.env" "$etc/tokonomics.env"; fi
for file in "$etc"/*.env; do
  chown "0:$gid" "$file"
  chmod 0640 "$file"
done

# 5. Units, and the command line.
install -d -m 0755 "$units" "$(dirname "$command")"
for unit in "${all_units[@]}"; do install -m 0644 "$opt/$version/deploy/systemd/$unit.service" "$units/$unit.service"; done
install -m 0755 "$opt/$version/deploy/systemd/tokonomics" "$command"

# 6. From here on it is this version that starts: one rename, so that there is never none.
ln -sfn "$version" "$opt/.current"
mv -T "$opt/.current" "$opt/current"
# The version before stays. The same one again says nothing of what was before it: then all stay.
if [ "$before" != "$version" ]; then
  for folder in "$opt"/*/; do
    folder=$(basename "$folder")
    case $folder in current | "$version" | "$before") ;; *) rm -rf "${opt:?}/$folder" ;; esac
  done
fi

# 7. Started, or started anew: what it was told to run, else what is enabled, else all in one.
if [ ${#hosts[@]} -eq 0 ]; then
  for host in standalone proxy portal workers; do
    if [ -e "$units/multi-user.target.wants/$(unit_of "$host").service" ]; then hosts+=("$host"); fi
  done
fi
[ ${#hosts[@]} -gt 0 ] || hosts=(standalone)
started=()
for host in "${hosts[@]}"; do
  unit=$(unit_of "$host")
  started+=("$unit")
  install -d -m 0755 "$units/multi-user.target.wants"
  ln -sfn "../$unit.service" "$units/multi-user.target.wants/$unit.service"
done
if [ "$systemd" = yes ]; then
  systemctl daemon-reload
  if [ "$start" = yes ]; then
    for unit in "${started[@]}"; do
      systemctl restart "$unit.service" || die "$unit did not start: journalctl -u $unit says why. The version before is ${before:-none}: ln -sfn ${before:-…} /opt/tokonomics/current goes back, where no migration has run"
    done
  fi
fi

[ "$before" != "$version" ] || before=''
say "Tokonomics $version is installed${root:+ in $root}${before:+ (before: $before)}. Settings: /etc/tokonomics/tokonomics.env. Data: /var/lib/tokonomics."
if [ "$systemd" = no ]; then
  say "systemd does not run here; where it does, it starts ${started[*]}."
elif [ "$start" = no ]; then
  say "Start it: systemctl start ${started[*]}"
else
  say "The first start prints its keys and a link once: journalctl -u ${started[0]} --output cat"
fi
