#!/usr/bin/env bash
# Runs the live specs on other kernels: Debian's, in virtual machines that qemu
# emulates, with this machine's own programs around them.  Every kernel is booted
# from a disk, and with the specs about it once more from an initramfs.  Ends with
# "N passed, N failed", the sum.
#
# From the environment: BUILD, the directory of the build; KERNELS, series to try
# instead of all; SPEC, files to run instead of all that are live; WAY, ways to run
# instead of all; TIMEOUT, the seconds a way may take.
set -uo pipefail
umask 022
cd "$(dirname "$0")/../.." || exit
PATH=$PATH:/usr/sbin:/sbin

readonly build=${BUILD:-build} cache=build-kernels timeout=${TIMEOUT:-1800}
readonly inside=/usr/src/userns
read -ra series <<<"${KERNELS:-6.1 6.12}"
passed=0 failed=0 lanes=()

# What asks the kernel nothing, or nothing that make test has not asked already.
readonly left_out='
causes_words the words, and who names them
compile     plans, compared as tables
describe    descriptions, compared as tables
diagnose    rows, held against a machine that is made up
error       texts
ids         maps, worked out from tables
image       what the compiler made
load        files that hold descriptions
memerr      Lua out of memory
merge       tables
mountinfo   a parser
normalise   defaults
plan        a listing
readme      what it says of the machine that the specs were written on
reference   documentation
rockspec    the installation, which wants a compiler
subids      a parser
types       documentation
validate    descriptions that are wrong
words       descriptions, in words
'

die() {
  printf '%s\n\n0 passed, 1 failed\n' "$*"
  exit 1
}

live_specs() {
  local file name
  for file in spec/*_spec.lua; do
    name=${file#spec/}
    grep -q "^${name%_spec.lua} " <<<"$left_out" || echo "$file"
  done
}

# ---- kernels -----------------------------------------------------------------

newest() {
  LC_ALL=C apt-cache search --names-only "^linux-image-${1//./\\.}\..*-cloud-amd64\$" |
    awk '{ print $1 }' | sort -V | tail -n 1
}

# Unpacks the newest kernel of a series below the cache, where it stays.
fetch() {
  local directory=$cache/$1 new
  [[ ! -d $directory ]] || return 0
  new=$(mktemp -d "$cache/new.XXXXXX")
  # what is on the lists may have been replaced since they were made
  get "$1" "$new" || { apt-get -qq update && get "$1" "$new"; } ||
    die "linux-image-$1.*-cloud-amd64 could not be had (apt-get update?)"
  mv "$new" "$directory"
}

get() {
  local package
  package=$(newest "$1")
  [[ $package ]] && echo "fetching $package" && unpack "$package" "$2"
}

unpack() {
  local package=$1 directory=$2
  (cd "$directory" && apt-get -qq -o APT::Sandbox::User=root download "$package") &&
    dpkg-deb -x "$directory"/*.deb "$directory" &&
    rm "$directory"/*.deb &&
    depmod -b "$directory" "$(ls "$directory/lib/modules")"
}

# ---- the guests' tree --------------------------------------------------------

# The packages given, what they depend on, and what every Debian has.
closure() {
  local -a essential
  mapfile -t essential < <(dpkg-query -Wf '${Essential} ${Package}\n' | sed -n 's/^yes //p')
  LC_ALL=C apt-cache depends --recurse --installed --no-recommends --no-suggests \
    --no-conflicts --no-breaks --no-replaces --no-enhances "$@" "${essential[@]}" |
    grep '^[a-z0-9]' | sort -u
}

# The files of packages, apart from those for people alone.  Some of what a package
# depends on is no package but only a name.
files() {
  { dpkg-query -L "$@" 2>/dev/null || true; } | sort -u | sed 's,^/,,' |
    grep -vE '^(\.|usr/share/(doc|info|lintian|locale|man)/.*)$'
}

# The shared libraries of what was built here; not all of it has any.
libraries() {
  local path
  { ldd "$build/userns/sys.so" "$build"/spec/* 2>/dev/null || true; } |
    sed -n 's,.* => \(/[^ ]*\) .*,\1,p' | sort -u |
    while read -r path; do
      printf '%s\n' "${path#/}" "$(realpath --relative-to=/ "$path")"
    done
}

# This machine's programs, with accounts of their own, and the checkout.
grow_tree() {
  local tree=$1 packages
  mapfile -t packages < <(spec/support/need.sh --list run test guest)
  mapfile -t packages < <(closure "${packages[@]}")
  # What /bin, /lib and the like are links to has to be there first.
  find / -maxdepth 1 -type l -lname 'usr/*' -printf "$tree/usr/%P\0" | xargs -0 mkdir -p
  { files "${packages[@]}"; libraries; } |
    tar -C / --no-recursion --ignore-failed-read --warning=no-failed-read \
      --owner=0 --group=0 --verbatim-files-from -T - -cf - |
    tar -C "$tree" -xpf - || return
  ldconfig -r "$tree"
  ln -sf mawk "$tree/usr/bin/awk" # which is an alternative, and no package's
  cp "$tree/usr/share/base-passwd/passwd.master" "$tree/etc/passwd"
  cp "$tree/usr/share/base-passwd/group.master" "$tree/etc/group"
  touch "$tree/etc/subuid" "$tree/etc/subgid"
  mkdir -p "$tree/mnt" "$tree/opt" "$tree/srv" "$tree/$inside"
  find . -mindepth 1 -maxdepth 1 ! -name .git ! -name 'build*' \
    -exec cp -r --preserve=links,mode,timestamps -t "$tree/$inside" {} +
  cp -r --preserve=links,mode,timestamps "$build" "$tree/$inside/build"
}

# The disk has every kernel's modules, the initramfs none.
make_media() {
  local tree=$work/tree
  mkdir "$tree"
  echo "copying this machine's programs"
  grow_tree "$tree" || return
  (cd "$tree" && find . | cpio --quiet -o -H newc) >"$work/initramfs" || return
  mkdir -p "$tree/usr/lib/modules"
  for kernel in "${series[@]}"; do
    cp -r "$cache/$kernel/lib/modules/." "$tree/usr/lib/modules"
  done
  truncate -s 1G "$work/disk" &&
    mke2fs -q -t ext4 -d "$tree" "$work/disk"
}

# ---- guests ------------------------------------------------------------------

# A guest's kernel speaks on its first serial line, the specs on its second.  What
# guards against other guests' eyes would make system calls twice as slow.
guest() {
  local kernel=$1 root=$2 console=$work/$1-$2.console
  local -a media
  shift 2
  local parameters="console=ttyS0 quiet panic=-1 mitigations=off TIMEOUT=$timeout ${WAY+\"WAY=$WAY\"} \"SPEC=$*\""
  case $root in
    disk)
      media=(
        -drive "if=none,id=disk,format=raw,snapshot=on,file=$work/disk"
        -device "nvme,drive=disk,serial=disk"
      )
      parameters+=" root=/dev/nvme0n1 rw init=$inside/spec/support/guest_init.sh" ;;
    initramfs)
      media=(-initrd "$work/initramfs")
      parameters+=" rdinit=$inside/spec/support/guest_init.sh" ;;
  esac
  printf '\n%s, root on %s:\n' "$kernel" "$root"
  timeout --foreground --kill-after=10 "$((3 * timeout + 120))" qemu-system-x86_64 \
    -accel tcg -m 2048 -nodefaults -display none -no-reboot \
    -kernel "$cache/$kernel"/boot/vmlinuz-* -append "$parameters" "${media[@]}" \
    -serial "file:$console" -serial stdio </dev/null ||
    printf '\nexit status %d\n' $?
}

lane() {
  guest "$1" disk "${@:2}"
  guest "$1" initramfs spec/guest/initramfs.lua
}

# Adds the summaries in a lane's log, one of each guest, to the sum.  A guest that
# panicked or hung has none, and its kernel's last words say why.
judge() {
  local kernel=$1 log=$2 good bad count=0
  while read -r good _ bad _; do
    passed=$((passed + good)) failed=$((failed + bad)) count=$((count + 1))
  done < <(grep -aEx '[0-9]+ passed, [0-9]+ failed' "$log")
  ((count == 2)) && return
  printf '\n%s: %d summaries instead of two\n' "$kernel" "$count"
  failed=$((failed + 1))
  tail -n 40 "$work/$kernel"-*.console
}

# ---- all of it ---------------------------------------------------------------

[[ $(uname -m) == x86_64 ]] || die "these kernels are for x86-64, which this machine is not"
command -v dpkg-query >/dev/null || die "these kernels are Debian's, which this machine is not"
spec/support/need.sh guest kernels || die "so the kernels cannot be tried"

# Here the guests' files are root's, whoever runs this.
((EUID == 0)) || exec unshare -Ur "$0"

mkdir -p "$cache"
for kernel in "${series[@]}"; do
  fetch "$kernel"
done

work=$(mktemp -d "$cache/guests.XXXXXX") || exit
readonly work
clean_up() {
  local lane
  for lane in "${lanes[@]}"; do
    kill -- "-$lane" 2>/dev/null
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

make_media || die "no guest could be made"
read -ra specs <<<"${SPEC:-$(live_specs | tr '\n' ' ')}"

# Every lane leads a process group, which ends together.
set -m
for kernel in "${series[@]}"; do
  lane "$kernel" "${specs[@]}" >"$work/$kernel.log" 2>&1 &
  lanes+=($!)
done
set +m

# A signal ends the waiting for a job, not that for a command.
for i in "${!series[@]}"; do
  kernel=${series[i]}
  tail --lines=+1 --follow --sleep-interval=0.1 --pid="${lanes[i]}" "$work/$kernel.log" |
    sed -uE "s/^[0-9]+ passed, [0-9]+ failed$/$kernel: &/" &
  wait $!
  judge "$kernel" "$work/$kernel.log"
done

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
