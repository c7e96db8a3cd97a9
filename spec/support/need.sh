#!/usr/bin/env bash
# need.sh [--try] GROUP...: makes sure that what the groups list is here.  What
# is missing is installed with apt-get, or named where there is none.  Silent
# when nothing is missing; with --try, going without is no failure.
# need.sh --list GROUP...: names the groups' Debian packages.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

# group  kind     name              Debian package
readonly table='
build    command  cc                gcc
build    header   stdio.h           libc6-dev
build    header   lua.h             liblua5.4-dev
build    header   sys/capability.h  libcap-dev
optional header   seccomp.h         libseccomp-dev
run      command  lua5.4            lua5.4
test     command  awk               mawk
test     command  busted            lua-busted
test     command  ip                iproute2
test     command  luarocks          luarocks
test     command  newuidmap         uidmap
test     command  pasta             passt
test     command  setpriv           util-linux
test     command  slirp4netns       slirp4netns
test     command  strace            strace
test     command  useradd           passwd
test     module   cqueues           lua-cqueues
test     module   luv               lua-luv
test     module   socket            lua-socket
guest    command  ip                iproute2
guest    command  modprobe          kmod
guest    command  mount             mount
kernels  command  cpio              cpio
kernels  command  mke2fs            e2fsprogs
kernels  command  qemu-system-x86_64  qemu-system-x86
format   command  clang-format      clang-format
lint     command  clang             clang
lint     command  cppcheck          cppcheck
lint     command  fish              fish
lint     command  luacheck          lua-check
lint     command  luarocks          luarocks
lint     command  mandoc            mandoc
lint     command  shellcheck        shellcheck
lint     command  zsh               zsh
bench    command  bwrap             bubblewrap
bench    command  crun              crun
bench    command  firejail          firejail
bench    command  runc              runc
bench    command  setpriv           util-linux
bench    command  taskset           util-linux
'

has() {
  case $1 in
    command) command -v "$2" >/dev/null ;;
    module) lua5.4 -e "require '$2'" >/dev/null 2>&1 ;;
    header) "${CC:-cc}" -I "${LUA_INCDIR:-/usr/include/lua5.4}" \
      -include "$2" -E -x c /dev/null >/dev/null 2>&1 ;;
  esac
}

# Sets missing and packages to what the groups want and is not here.
look() {
  local group kind name package
  missing=() packages=()
  while read -r group kind name package; do
    [[ " $* " == *" $group "* ]] || continue
    has "$kind" "$name" && continue
    missing+=("$kind $name (Debian package $package)")
    packages+=("$package")
  done <<<"$table"
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

if [[ ${1-} == --list ]]; then
  while read -r group _ _ package; do
    [[ " $* " != *" $group "* ]] || echo "$package"
  done <<<"$table"
  exit
fi

try=
if [[ ${1-} == --try ]]; then
  try=yes
  shift
fi

look "$@"
((${#missing[@]} > 0)) || exit 0
if command -v apt-get >/dev/null; then
  if [[ $try ]]; then
    apt update || true
    for package in "${packages[@]}"; do
      apt install --no-install-recommends "$package" || true
    done
  else
    { apt update && apt install --no-install-recommends "${packages[@]}"; } || true
  fi
  look "$@"
fi
((${#missing[@]} > 0)) || exit 0

echo "missing:" >&2
printf '  %s\n' "${missing[@]}" >&2
[[ $try ]]
