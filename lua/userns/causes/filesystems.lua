-- Why no new file system is mounted: whose its namespace is, what it shows, and its
-- options.
local tried = require "userns.evidence.tried"

local NEW <const> = "mount fsconfig fsmount fsopen root_tmpfs"
local MADE <const> = "mount fsconfig fsmount"

local function set_of(words)
  local set <const> = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end

-- Not for user namespaces: an image or a server could be forged, or there is but
-- one of it.
local FOR_ROOT <const> = set_of("ext2 ext3 ext4 btrfs xfs f2fs squashfs erofs iso9660 udf vfat msdos exfat ntfs3 hfs "
  .. "hfsplus jfs minix nilfs2 zonefs nfs nfs4 nfsd cifs smb3 9p virtiofs ceph gfs2 ocfs2 devtmpfs debugfs tracefs "
  .. "securityfs selinuxfs smackfs configfs efivarfs pstore hugetlbfs fusectl fuseblk rpc_pipefs autofs "
  .. "binder nsfs bdev")

-- What is the view of a namespace is for who has power over that.
local VIEWS <const> = {
  proc = { "pid", "no_pidns" }, sysfs = { "net", "no_netns" }, mqueue = { "ipc", "no_ipcns" },
  cgroup = { "cgroup", "no_cgroupns" }, cgroup2 = { "cgroup", "no_cgroupns" },
}

-- For them too, each since some version: overlay since 5.11, binfmt_misc since 6.7.
local FOR_USERS <const> = set_of("tmpfs ramfs proc sysfs devpts mqueue cgroup cgroup2 fuse")

local made <const> = tried.of

local function is_new(case)
  return tried.is_kind(case, "new")
end

local function type_of(case)
  return made(case).type or "?"
end

local function is_known(case)
  local text <const> = case.evidence:read "/proc/filesystems"
  return text and text:find("\t" .. type_of(case) .. "\n", 1, true) ~= nil
end

--- A pid namespace that was made with unshare(2) is the children's alone.
local function is_for_children(case)
  local own <const> = case.evidence:stat "/proc/self/ns/pid"
  local children <const> = case.evidence:stat "/proc/self/ns/pid_for_children"
  return case.arguments ~= nil and own ~= nil and (not children or children.inode ~= own.inode)
end

local function view_row(types, type, cause)
  return {
    cause = cause, ops = MADE, codes = "EPERM", syscalls = "mount fsconfig",
    test = function(case)
      if not is_new(case) or not VIEWS[type_of(case)] or VIEWS[type_of(case)][2] ~= cause then
        return false
      end
      local owned <const> = tried.owns(case, type)
      if owned == nil then
        return nil
      end
      return not owned
    end,
    about = ("%s shows a %s namespace, which belongs to another user namespace"):format(types, type),
    why = function(case)
      if cause == "no_pidns" and is_for_children(case) then
        return "proc shows the caller's pid namespace, and the new one is only for children made from now on"
      end
      return ("%s shows the %s namespace, and that belongs to another user namespace"):format(type_of(case), type)
    end,
    hint = function(case)
      if cause == "no_pidns" and is_for_children(case) then
        return "mount it in a child"
      end
      return case.arguments and ("make %s %s namespace too (unshare)"):format(type == "ipc" and "an" or "a", type)
        or ("add \"%s\" to namespaces, or bind the host's %s"):format(type, type == "pid" and "/proc" or types)
    end,
  }
end

-- Directories that are empty for good, where the kernel minds no mount.
local EMPTY <const> = set_of("sys/fs/binfmt_misc fs/nfsd fs/cgroup fs/bpf fs/pstore fs/selinux fs/fuse/connections "
  .. "fs/resctrl fs/smackfs kernel/debug kernel/security kernel/tracing kernel/config firmware/efi/efivars")

local function is_readonly(mount)
  for _, list in ipairs { mount.options, mount.super_options } do
    for _, word in ipairs(list) do
      if word == "ro" then
        return true
      end
    end
  end
  return false
end

--- What lies over places of the mounts of a type that are in sight: their paths; and
--- whether one of these mounts is read-only, or none is whole.
local function covered(case)
  local places <const>, seen, readonly = {}, false, false
  for _, mount in ipairs(case.evidence:mounts_below "/") do
    if mount.type == type_of(case) and mount.root == "/" then
      seen, readonly = true, readonly or is_readonly(mount)
      for _, other in ipairs(case.evidence:mounts()) do
        local name <const> = other.target:sub(#mount.target + 2)
        if other.parent == mount.id and other.target ~= mount.target and not EMPTY[name] then
          places[#places + 1] = other.target
        end
      end
    end
  end
  table.sort(places)
  return places, seen, readonly
end

local HIDDEN <const> = "Docker: --security-opt systempaths=unconfined; Kubernetes: procMount: Unmasked"

local ROWS <const> = {
  {
    cause = "unknown_fs", ops = NEW, codes = "ENODEV",
    test = function(case)
      return is_new(case) and not is_known(case)
    end,
    about = "the kernel has no such file system",
    why = function(case)
      return ("this kernel has no file system '%s' (/proc/filesystems)"):format(type_of(case))
    end,
    hint = function(case)
      return ("as root: modprobe %s, if it is a module; or correct the type"):format(type_of(case))
    end,
  },
  {
    cause = "no_type", ops = "mount", codes = "EINVAL",
    test = function(case)
      return case.arguments ~= nil and is_new(case) and made(case).type == nil
    end,
    why = "no type of file system was given", hint = "give `type`, or the options of a bind or a remount",
  },
  {
    cause = "fs_not_userns", ops = MADE, codes = "EPERM", syscalls = "mount fsconfig",
    test = function(case)
      if not is_new(case) or FOR_USERS[type_of(case)] or not tried.is_nested(case) then
        return false
      end
      return FOR_ROOT[type_of(case)] or nil
    end,
    about = "only root of the first user namespace mounts file systems of this type",
    why = function(case)
      return ("file systems of type %s are mounted by root of the first user namespace alone"):format(type_of(case))
    end,
    hint = "have it mounted outside and bind it; user namespaces mount tmpfs, proc, sysfs, devpts, mqueue, cgroup2, "
      .. "overlay and fuse",
  },
  {
    cause = "too_revealing", ops = MADE, codes = "EPERM", syscalls = "mount fsmount",
    test = function(case)
      if not is_new(case) or type_of(case) ~= "proc" and type_of(case) ~= "sysfs" or not tried.is_nested(case) then
        return false
      end
      local places <const>, seen, readonly = covered(case)
      return #places > 0 or readonly or not seen or nil
    end,
    about = "a new proc or sysfs would show what is covered on the one in sight",
    why = function(case)
      local places <const>, seen <const>, readonly <const> = covered(case)
      local type <const> = type_of(case)
      return #places > 0 and ("a new %s would show what is covered on the one here: %s"):format(
          type, table.concat(places, ", ", 1, math.min(#places, 6)) .. (#places > 6 and ", ..." or ""))
        or not seen and ("no whole %s is in sight, and a new one would show more"):format(type)
        or readonly and ("the %s here is read-only, and a new one would be writable"):format(type)
        or ("a new %s would show what is hidden on the one here"):format(type)
    end,
    hint = function(case)
      local _, _, readonly <const> = covered(case)
      local type <const> = type_of(case)
      return ("bind the %s that is here (recursively)%s; or uncover it where the host program was started (%s)"):format(
        type, readonly and ", or mount it read-only" or "", HIDDEN)
    end,
  },
  {
    cause = "not_block_device", ops = "mount", codes = "ENOTBLK",
    about = "the source of such a file system is a block device",
    why = function(case)
      return ("'%s' is no block device"):format(made(case).source or "the source")
    end,
    hint = "attach an image to a loop device first (losetup)",
  },
  {
    cause = "wrong_phase", ops = "fsconfig fsmount", codes = "EBUSY EINVAL",
    test = function(case)
      if case.err.detail or type_of(case) == "overlay" then
        return false
      end
      return (case.err.op == "fsmount" or case.err.code == "EBUSY") and nil
    end,
    why = "a context takes parameters, then makes the file system once, then mounts it",
    hint = "set, then create, then mount",
  },
  {
    cause = "no_userxattr", ops = "overlay root_overlay", codes = "EOPNOTSUPP", syscalls = "fgetxattr",
    why = "tmpfs has no user.* attributes before Linux 6.6, without which a directory cannot hide those below it",
    hint = "name `upper` and `work` on a disk, or do without strict",
  },
}

for _, row in ipairs {
  { "proc", "pid", "no_pidns" }, { "sysfs", "net", "no_netns" }, { "mqueue", "ipc", "no_ipcns" },
  { "cgroup2", "cgroup", "no_cgroupns" },
} do
  table.insert(ROWS, 4, view_row(table.unpack(row)))
end

-- What the kernel says itself comes after what is told from more than its words.
table.insert(ROWS, {
  cause = "fs_log", ops = NEW .. " fspick", codes = "EINVAL ENOENT ENOTDIR EBUSY EPERM EOPNOTSUPP ENODEV EBADF",
  test = function(case)
    return type_of(case) ~= "overlay" and tried.complaint(case) ~= nil
  end,
  about = "the kernel says itself what is wrong with an option",
  why = function(case)
    return "the kernel says: " .. tried.complaint(case)
  end,
  hint = function(case)
    local words <const>, option <const> = tried.complaint(case)
    local what <const> = option and ("the option '%s'"):format(option) or "that option"
    return (words:find "[Ii]nvalid [ug]id" and "map that id, or drop " or "correct or drop ") .. what
  end,
})
table.insert(ROWS, {
  cause = "no_fuse_server", ops = "mount", codes = "EINVAL",
  test = function(case)
    for _, option in ipairs(made(case).options or {}) do
      if option:find "^fd=" then
        return false
      end
    end
    return is_new(case) and type_of(case) == "fuse"
  end,
  why = "a fuse mount belongs to who has /dev/fuse open, whose descriptor it is told as the option fd",
  hint = "open /dev/fuse and give fd, rootmode, user_id and group_id; mostly a server's own program mounts it",
})

-- Of options that these do not take, Linux 6.12 tells its log alone.
local SILENT <const> = { devpts = true }

table.insert(ROWS, {
  cause = "bad_superblock", ops = "mount fsconfig", codes = "EINVAL EIO",
  test = function(case)
    local type <const> = type_of(case)
    if not is_new(case) or FOR_USERS[type] and not SILENT[type] or type == "overlay" then
      return false
    end
    return nil
  end,
  about = "the source has no file system of this type, or it refuses an option",
  why = function(case)
    local source <const> = made(case).source
    return tried.is_on_device(case) and source
      and ("'%s' has no %s file system that could be read, or that refuses an option"):format(source, type_of(case))
      or ("%s refuses one of its options, or misses one"):format(type_of(case))
  end,
  hint = "look at the kernel's log (dmesg), and at what a device has (blkid)",
})

return ROWS
