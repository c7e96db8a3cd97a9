-- Why newuidmap(1) or newgidmap(1) does not map: all they tell is a line.
local shared = require "userns.causes.shared"
local subids = require "userns.subids"

local TOOLS <const> = "newuidmap newgidmap"

local SETUID <const> = tonumber("4000", 8)

local function kind_of(case)
  return case.err.op == "newuidmap" and "uid" or "gid"
end

local function says(...)
  local words <const> = { ... }
  return function(case)
    for _, text in ipairs(words) do
      if case.err.message:find(text, 1, true) then
        return true
      end
    end
    return false
  end
end

local is_refused <const> = says "Operation not permitted"
local is_not_allowed <const> = says "not allowed"

local function program(case)
  return case.evidence:stat(case.err.path)
end

--- Whether the program becomes root, or has capabilities, by its own file.
local function is_privileged(case)
  local file <const> = program(case)
  if not file or case.evidence:has_file_caps(case.err.path) then
    return nil
  end
  return file.mode & SETUID ~= 0 and file.uid == 0
end

local function list_of(case)
  return "/etc/sub" .. kind_of(case)
end

--- Whether the file of subordinate ids is there, and the caller may not read it.
local function is_closed(case)
  local _, code <const> = case.evidence:may(list_of(case), "read")
  return code == "EACCES"
end

--- What the files of subordinate ids grant to the caller.
local function granted(case)
  local ranges <const> = subids.of((case.evidence:ids()), function(path)
    return case.evidence:read(path)
  end)
  return ranges[kind_of(case)]
end

local function range_words(ranges)
  local words <const> = {}
  for i, range in ipairs(ranges) do
    words[i] = ("%d to %d"):format(range.start, range.start + range.count - 1)
  end
  return table.concat(words, ", ")
end

--- The range that is not allowed, as the tool has it.
local function refused_range(case)
  return case.err.message:match "%-> %[(%d+)%-(%d+)%)"
end

local function target(case)
  return case.arguments and case.arguments[1]
end

--- An id that the caller has not got itself, whatever the files grant.
local function unmapped(case)
  return case.evidence:unmapped(kind_of(case), case.arguments and case.arguments[2] or {})
end

local function does_not_map(case)
  return is_refused(case) or is_not_allowed(case)
end

--- Of the capability that the program is to get by its file, which gives none that is
--- not in the bounding set.
local function cap_row(tool, name)
  return {
    cause = "no_cap_" .. name, ops = tool, codes = "EPERM",
    test = function(case)
      return does_not_map(case) and case.evidence:has_capability("bounding", name) == false
    end,
    why = ("%s gets no CAP_%s, which the host program's bounding set has not"):format(tool, name:upper()),
    hint = ("give the host program %s (setpriv, the container that it runs in), or map its own id alone"):format(name),
  }
end

return {
  {
    cause = "not_installed", ops = TOOLS, codes = "ENOENT",
    about = "the program is not in PATH",
    why = function(case)
      return ("there is no %s in PATH"):format(case.err.op)
    end,
    hint = "install it: Debian's package uidmap has it",
  },
  {
    cause = "not_executable", ops = TOOLS, codes = "EACCES",
    about = "the program may not be executed",
    why = function(case)
      return ("%s may not be executed"):format(case.err.path)
    end,
    hint = "give it back its mode, 4755 (Debian: apt-get install --reinstall uidmap)",
  },
  shared.outer_unmapped({
    ops = TOOLS, codes = "EPERM",
    test = function(case)
      return does_not_map(case) and unmapped(case) ~= nil
    end,
  }, kind_of, unmapped),
  cap_row("newuidmap", "setuid"),
  cap_row("newgidmap", "setgid"),
  {
    cause = "subid_missing", ops = TOOLS, codes = "EPERM",
    test = function(case)
      return is_not_allowed(case) and not is_closed(case) and #granted(case) == 0
    end,
    about = "the caller has no range in /etc/subuid or /etc/subgid",
    why = function(case)
      return ("uid %d has no range in %s"):format((case.evidence:ids()), list_of(case))
    end,
    hint = function(case)
      return ("as root: usermod --add-sub%ss 100000-165535 USER"):format(kind_of(case))
    end,
  },
  {
    cause = "subid_range", ops = TOOLS, codes = "EPERM",
    test = is_not_allowed,
    about = "the ids are not all in the caller's ranges of /etc/subuid or /etc/subgid",
    why = function(case)
      local first <const>, past <const> = refused_range(case)
      if is_closed(case) then
        return ("%d to %d is not all in what %s grants the caller, who may not read it"):format(first, past - 1,
          list_of(case))
      end
      return ("%s grants the caller %s, and %d to %d is not all in there"):format(list_of(case),
        range_words(granted(case)), first, past - 1)
    end,
    hint = function(case)
      return ("map ids of these ranges, or as root: usermod --add-sub%ss FIRST-LAST USER"):format(kind_of(case))
    end,
  },
  {
    cause = "subid_overflow", ops = TOOLS, codes = "EPERM", test = says("overflow", "too big", "out of range"),
    why = "a range ends beyond the last id",
    hint = "let no range end beyond 4294967294",
  },
  {
    cause = "no_passwd_entry", ops = TOOLS, codes = "EPERM", test = says "determine your user name",
    about = "the caller's user id has no name, under which ranges are looked for",
    why = function(case)
      return ("uid %d has no line in /etc/passwd, under whose name ranges are looked for"):format(
        (case.evidence:ids()))
    end,
    hint = "give the user an entry in /etc/passwd",
  },
  {
    cause = "no_such_process", ops = TOOLS, codes = "EPERM", test = says("open proc directory", "stat proc"),
    why = "there is no such process here (any more)",
    hint = "map while the process lives, as between ready and release of sys.clone",
  },
  {
    cause = "other_owner", ops = TOOLS, codes = "EPERM",
    test = function(case)
      local uid <const> = target(case) and case.evidence:uid_of(target(case))
      return says "owned by a different user"(case) and uid ~= nil and uid ~= (case.evidence:ids())
    end,
    why = "the process is another user's, and one maps for one's own only",
    hint = "call it as that user",
  },
  {
    cause = "non_dumpable", ops = TOOLS, codes = "EPERM", test = says "owned by a different user",
    why = "the process is not dumpable, so that root owns its files in /proc",
    hint = "sys.prctl(\"dumpable\", true) in the process, or in the host program",
  },
  {
    cause = "no_new_privs", ops = TOOLS, codes = "EPERM",
    test = function(case)
      return is_refused(case) and case.evidence:status "NoNewPrivs" == "1"
    end,
    why = "the host program runs with no_new_privs, under which no program becomes root by its mode",
    hint = "start the host program without no_new_privs (systemd: NoNewPrivileges=no; a container: "
      .. "allowPrivilegeEscalation)",
  },
  {
    cause = "nosuid_mount", ops = TOOLS, codes = "EPERM",
    test = function(case)
      local fs <const> = case.evidence:statfs(case.err.path)
      return is_refused(case) and fs ~= nil and fs.flags.nosuid == true
    end,
    about = "the program is on a file system mounted nosuid",
    why = function(case)
      return ("%s is on a file system that is mounted nosuid, where no program becomes root by its mode"):format(
        case.err.path)
    end,
    hint = "have it in PATH from a file system without nosuid",
  },
  {
    cause = "already_mapped", ops = TOOLS, codes = "EPERM",
    test = function(case)
      local map <const> = target(case) and case.evidence:map_of(kind_of(case), target(case))
      return is_refused(case) and map ~= nil and #map > 0
    end,
    why = "the map is written already, and a namespace gets its map once",
    hint = "map all ranges at once, and no second time",
  },
  {
    cause = "not_setuid", ops = TOOLS, codes = "EPERM",
    test = function(case)
      return is_refused(case) and is_privileged(case) == false
    end,
    about = "the program is not set-uid root here, and has no capabilities of its own",
    why = function(case)
      local file <const> = program(case)
      return file.uid ~= 0 and ("%s belongs to uid %d here, and does not become root"):format(case.err.path, file.uid)
        or ("%s is not set-uid (mode %04o), and has no capabilities of its own"):format(case.err.path, file.mode & 4095)
    end,
    hint = function(case)
      return ("as root of the host: chown root %s && chmod u+s %s"):format(case.err.path, case.err.path)
    end,
  },
}
