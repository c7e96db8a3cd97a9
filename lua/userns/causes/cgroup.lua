-- Why a cgroup is not made, limited or entered.
local DELEGATE <const> = "name one that was in cgroup.parent, or start the host program with "
  .. "`systemd-run --user --scope -p Delegate=yes`"

--- Certain where the caller may not write what was to be written.
local function may_not_write(case)
  local path <const> = case.err.path or case.step.path
  for _, one in ipairs { path, path and path:match "^(.+)/[^/]*$" } do
    local ok <const>, err = case.evidence.source.access(one, "write")
    if not ok and err and err.code == "EACCES" then
      return true
    end
  end
  return nil
end

return {
  {
    cause = "cgroup_not_delegated", ops = "cgroup", codes = "EACCES EPERM", test = may_not_write,
    why = "this cgroup was not delegated to the caller",
    hint = DELEGATE,
  },
  {
    -- no security module is asked about this
    cause = "cgroup_not_delegated", ops = "enter_cgroup", codes = "EACCES EPERM",
    why = "a process is moved only within what was delegated",
    hint = "start the host program below the same cgroup",
  },
  {
    -- what clone3(2) is refused is tried once more in this way
    cause = "into_cgroup", ops = "enter_cgroup", codes = "EOPNOTSUPP",
    why = "no process may be in the cgroup, since one above it has threads for members (its cgroup.type is threaded)",
    hint = "name another in cgroup.parent",
  },
  {
    cause = "cgroup_ro", ops = "cgroup enter_cgroup", codes = "EROFS",
    why = "the cgroup hierarchy is mounted read-only here, as it is in many containers",
    hint = "remount it read-write, or leave cgroup out",
  },
  {
    cause = "controller_missing", ops = "cgroup", codes = "EUNAVAILABLE",
    why = "what is above it does not hand the controller down",
    hint = "add it to cgroup.subtree_control there (Delegate= of systemd)",
  },
  {
    cause = "cgroup_inhabited", ops = "cgroup", codes = "EBUSY",
    why = "a cgroup that has processes of its own cannot hand controllers down to others",
    hint = "name another in cgroup.parent",
  },
  {
    cause = "no_such_cgroup", ops = "cgroup", codes = "ENOENT", syscalls = "open",
    why = "cgroup.parent does not exist below the hierarchy's mount",
    hint = "make it first, or name one that exists",
  },
  {
    cause = "not_directory", ops = "cgroup", codes = "ENOTDIR", syscalls = "open",
    about = "cgroup.parent is a file",
    why = function(case)
      return ("'%s' is a file, and no cgroup"):format(case.err.path)
    end,
    hint = "name a cgroup in cgroup.parent",
  },
  {
    cause = "cgroup_max", ops = "cgroup", codes = "EAGAIN", syscalls = "mkdirat",
    why = "a cgroup above it allows no more below itself (cgroup.max.descendants, cgroup.max.depth)",
    hint = "raise that, remove cgroups that nobody needs, or name another in cgroup.parent",
  },
  {
    -- the first version lets none have more than those above it have
    cause = "limit_above_parent", ops = "cgroup", codes = "EINVAL", syscalls = "write",
    test = function(case)
      return case.err.path:find("/cpu.cfs_quota_us", 1, true) ~= nil and nil
    end,
    why = "a cgroup above it has less processor time",
    hint = "ask for no more (cgroup.cpu), raise cpu.cfs_quota_us there, or name another in cgroup.parent",
  },
  {
    cause = "no_such_disk", ops = "cgroup", codes = "ENODEV", syscalls = "write",
    why = "there is no disk of this number; a part of a disk is none",
    hint = "take the number of the whole disk, as `lsblk` tells it",
  },
  {
    cause = "no_such_limit", ops = "cgroup", codes = "ENOENT", syscalls = "openat",
    why = "this kernel has no such limit",
    hint = "leave it out",
  },
  {
    cause = "cgroup_file", ops = "cgroup", codes = "EEXIST",
    test = function(case)
      local st <const> = case.evidence:stat(case.err.path)
      return st ~= nil and st.type == "file"
    end,
    about = "the name is that of a file of the kernel's, as every cgroup has it",
    why = function(case)
      return ("'%s' is a file of the kernel's, as every cgroup has it"):format(case.err.path)
    end,
    hint = "take another name, or leave cgroup.name out for one of its own",
  },
  {
    cause = "cgroup_exists", ops = "cgroup", codes = "EEXIST",
    why = "there is a cgroup of this name",
    hint = "leave cgroup.name out for one of its own",
  },
}
