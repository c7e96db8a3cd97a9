#!/usr/bin/env bash
# Runs the specs three ways - as root, as an ordinary user, and by that user as
# uid 0 of a user namespace - and ends with "N passed, N failed", their sum.
#
# From the environment: BUILD, the directory of the build; SPEC, files to run
# instead of all; WAY, ways to run instead of all; PRELOAD, the sanitizers'
# library for the interpreter; TIMEOUT, the seconds a way may take; GUEST, set on
# an emulated machine, where less is done of what takes long.
set -uo pipefail
umask 022
cd "$(dirname "$0")/../.." || exit

readonly build=${BUILD:-build} lua=${LUA:-lua5.4} user=userns-test
read -ra specs <<<"${SPEC:-spec}"
read -ra ways <<<"${WAY:-root user userns}"
readonly -A needs=(
  [root]="root of the initial user namespace, or sudo that asks for no password"
  [user]="an ordinary user, or root that may become one"
  [userns]="unshare -Ur to be allowed"
)
passed=0 failed=0 pid=

work=$(mktemp -d /tmp/userns-test.XXXXXX) || exit
readonly work tree=$work/tree
readonly path=$work/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
readonly lua_path="$tree/lua/?.lua;$tree/lua/?/init.lua;$tree/?.lua"
readonly lua_cpath="$tree/build/?.so"

clean_up() {
  rm -rf --one-file-system "$work" 2>/dev/null ||
    (as_root rm -rf --one-file-system "$work")
}
trap clean_up EXIT
trap 'kill $pid; exit 130' INT TERM

# The checkout may lie below a directory that only its owner enters.
copy_tree() {
  chmod 755 "$work"
  mkdir "$tree"
  find . -mindepth 1 -maxdepth 1 ! -name .git ! -name build ! -name 'build-*' \
    -exec cp -r --preserve=links,mode,timestamps -t "$tree" {} +
  cp -r --preserve=links,mode,timestamps "$build" "$tree/build"
  chmod -R a+rX "$tree"
}

# An interpreter that loads the sanitizers first.  LD_PRELOAD would hand them to
# every program that a spec runs, whose leaks are not ours; the dynamic linker,
# run by name, never frees the program's.  Leaks are looked for in busted alone:
# the scripts that specs run may be traced, or end where there is no /proc, and
# LeakSanitizer can do with neither.  LuaRocks wants headers near the interpreter.
wrap_lua() {
  local program linker
  program=$(command -v "$lua")
  linker=$(LC_ALL=C readelf -lW "$program" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
  mkdir "$work/bin"
  ln -s /usr/include "$work/include"
  echo leak:add_name_to_object >"$work/suppressions"
  cat >"$work/bin/$lua" <<END
#!/bin/sh
case \$1 in
  */busted) leaks=1 ;;
  *) leaks=0 ;;
esac
export ASAN_OPTIONS=detect_leaks=\$leaks:exitcode=99
export LSAN_OPTIONS=suppressions=$work/suppressions:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
exec $linker --preload $PRELOAD $program "\$@"
END
  chmod 755 "$work/bin/$lua"
}

# Subordinate ids come with the user: useradd(8) takes them from login.defs(5).
add_user() {
  id "$user" >/dev/null 2>&1 || useradd -m "$user"
}

# What an uplink needs is every user's where udev(7) has been.
open_tun() {
  [[ ! -e /dev/net/tun ]] || chmod 666 /dev/net/tun
}

as_root() {
  if ((EUID == 0)); then exec "$@"; else exec sudo -n "$@"; fi
}

as_user() {
  if ((EUID == 0)); then
    exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"
  else
    exec "$@"
  fi
}

# Becomes the command, run the given way.
as() {
  local way=$1
  shift
  case $way in
    root) as_root "$@" ;;
    user) as_user "$@" ;;
    userns) as_user unshare -Ur "$@" ;;
  esac
}

# What helper.privilege says of the process that the way leads to.
privilege() {
  as "$1" sh -c 'id -u; cat /proc/self/uid_map' | {
    read -r uid
    read -r _ _ count
    case $uid:$count in
      0:4294967295) echo root ;;
      0:*) echo userns ;;
      [1-9]*) echo user ;;
    esac
  }
}

# A home of its own, empty, for whom the way runs as.
make_home() {
  mkdir -m 700 "$work/home-$1"
  if ((EUID == 0)) && [[ $1 != root ]]; then
    chown "$user:" "$work/home-$1"
  fi
}

# The shell starts a background job with SIGINT and SIGQUIT ignored, and specs
# would inherit that.
busted() {
  local way=$1
  local -a environment=(
    HOME="$work/home-$way" PATH="$path" LANG=C.UTF-8 TERM=dumb
    LUA_PATH="$lua_path;;" LUA_CPATH="$lua_cpath;;"
    ${GUEST+"GUEST=$GUEST"}
  )
  cd "$tree" && as "$way" env -i --default-signal "${environment[@]}" \
    timeout --kill-after=10 "${TIMEOUT:-1500}" "$lua" /usr/bin/busted \
    --ignore-lua --lpath="$lua_path" --cpath="$lua_cpath" \
    --output=spec/support/ci.lua "${specs[@]}"
}

broken() {
  printf '\n%s: %s\n' "$1" "$2"
  failed=$((failed + 1))
}

# Adds the one summary in a way's log to the sum.  A run that crashed, hung, was
# left by a forked child or found no specs is one failure more.
judge() {
  local way=$1 status=$2 log=$3 good bad
  local -a summaries
  mapfile -t summaries < <(grep -aEx '[0-9]+ passed, [0-9]+ failed' "$log")
  if ((${#summaries[@]} != 1)); then
    broken "$way" "${#summaries[@]} summaries instead of one, exit status $status"
    return
  fi
  read -r good _ bad _ <<<"${summaries[0]}"
  passed=$((passed + good)) failed=$((failed + bad))
  if ((good + bad == 0)); then
    broken "$way" "no specs were run"
  elif ((bad == 0 && status != 0)); then
    broken "$way" "exit status $status"
  fi
}

# The log is a file and not a pipe: a process that a spec left behind would hold
# a pipe open.
run() {
  local way=$1 log=$work/$1.log
  printf '\n%s:\n' "$way"
  if [[ $(privilege "$way") != "$way" ]]; then
    broken "$way" "the specs could not be run this way, which needs ${needs[$way]-}"
    return
  fi
  make_home "$way"
  : >"$log"
  busted "$way" >"$log" 2>&1 </dev/null &
  pid=$!
  tail --lines=+1 --follow --sleep-interval=0.1 --pid="$pid" "$log" |
    sed -uE "s/^[0-9]+ passed, [0-9]+ failed$/$way: &/"
  wait "$pid"
  judge "$way" $? "$log"
}

copy_tree || exit
[[ ! ${PRELOAD-} ]] || wrap_lua
if ((EUID == 0)); then
  add_user
  open_tun
fi
for way in "${ways[@]}"; do
  run "$way"
done

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
