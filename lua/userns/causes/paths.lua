-- Why a file or directory is not found, or is not what is needed there.  What a
-- child was refused it has looked at itself: nobody else sees its tree.
local leads_into_process <const> = require("userns.path").leads_into_process
local shared = require "userns.causes.shared"
local tried = require "userns.evidence.tried"

local PLACED <const> = "bind mount overlay dir file symlink remount"
local LOWER <const> = "open_tree move_mount mount_setattr fspick umount chroot open pin unpin"
local SOURCES <const> = "open idmap path_rule"
local ANY <const> = PLACED .. " " .. LOWER .. " " .. SOURCES .. " pivot_root chdir"

--- What stops whoever follows one of the paths that were given: the host looks for
--- itself, a child has looked.
local function obstacle(case)
  if case.found.code or not case.arguments and case.step.side ~= "parent" then
    return case.found.code and case.found or nil
  end
  local made <const> = tried.of(case)
  local source <const> = (made.copies ~= false or tried.is_on_device(case)) and made.source
  for _, path in ipairs { made.target or false, source or false } do
    local found <const> = path and case.evidence:obstacle(path)
    if found and found.code == case.err.code then
      return found
    end
  end
end

local function stopped(case)
  return obstacle(case) ~= nil
end

local function directory_of(path)
  return path:match "^(/?.*)/[^/]+$" or path:sub(1, 1) == "/" and "/" or "."
end

--- The symbolic link that stops who follows it, and its directory, as they are found
--- here; false: what stops is no link.
local function stopping_link(case)
  local found <const> = obstacle(case)
  if not found or found.type ~= "symlink" then
    return false
  end
  local link <const> = case.evidence:stat(found.path, "nofollow")
  return link and link.type == "symlink" and link or nil, directory_of(found.path)
end

--- Whether what stops is a link whose mount lets none be followed.
local function is_unfollowed(case)
  local link <const>, directory <const> = stopping_link(case)
  if link == false or obstacle(case).nosymfollow ~= nil then
    return link ~= false and obstacle(case).nosymfollow
  end
  local fs <const> = case.evidence:statfs(directory)
  return fs and (fs.flags.nosymfollow or false)
end

--- Whether a directory is one where all make files, and none takes away another's.
local function is_sticky(st)
  return st.mode & 1 << 9 ~= 0 and st.mode & 2 ~= 0
end

--- Whether a path ends in what stops.
local function is_last(case)
  local found <const>, made <const> = obstacle(case), tried.of(case)
  return found.path == made.target or found.path == made.source or found.path == case.step.path
end

--- Whether a user is another: nil where both have no name in the user namespace.
local function is_another(case, a, b)
  if a ~= b then
    return true
  elseif case.evidence:is_mapped("uid", a) then
    return false
  end
end

--- Whether the sysctl keeps who goes there from what neither it made nor the
--- directory's owner.
local function is_kept_from(case, file, directory, sysctl)
  local switch <const>, there <const> = case.evidence:sysctl("fs/" .. sysctl), case.evidence:stat(directory)
  if switch == 0 or there and not is_sticky(there) then
    return false
  elseif not switch or not there or case:has "setuid" then
    return nil
  end
  local others <const>, strangers <const> = is_another(case, file.uid, (case.evidence:ids())),
    is_another(case, file.uid, there.uid)
  if others == false or strangers == false then
    return false
  end
  return others and strangers
end

--- Of whom the FUSE is that stops all others: its root does not even tell what it is.
local function fuse_user(case)
  local found <const> = obstacle(case)
  local path <const> = found and not found.type and found.path or case.err.syscall == "statx" and case.step.path
  return path and case.evidence:fuse_user(path)
end

local function who(case)
  local uid <const> = (case.evidence:ids())
  return case.arguments and ("user id %d"):format(uid) or "who goes there"
end

local KINDS <const> = { file = "a file", directory = "a directory", symlink = "a symbolic link", char = "a device",
  block = "a device", fifo = "a named pipe", socket = "a socket" }

--- What a path leads to, or what is open, in words.
local function kind(case, file)
  local st <const> = file and case.evidence.source.stat(file)
  return st and (KINDS[st.type] or "something else"), st and st.type == "directory"
end

local function mismatch(case)
  local made <const> = tried.of(case)
  if made.kind ~= "attach" and made.kind ~= "move" then
    return nil
  end
  local source <const>, whole <const> = kind(case, made.moved or made.source)
  local target <const>, place <const> = kind(case, made.target)
  if source and target and whole ~= place then
    return ("%s is %s, and '%s' is %s"):format(made.source and ("'%s'"):format(made.source) or "what is open there",
      source, made.target, target)
  end
end

--- Which of pivot_root(2)'s two is none.
local function no_directory(case)
  for _, path in ipairs(case.arguments and { case.step.new, case.step.old } or {}) do
    local what <const>, is_directory <const> = kind(case, path)
    if what and not is_directory then
      return path
    end
  end
end

return {
  {
    cause = "type_mismatch", ops = "mount move_mount pin", codes = "ENOTDIR EINVAL EISDIR",
    test = function(case)
      return mismatch(case) ~= nil
    end,
    about = "a directory goes onto a directory only, a file onto a file",
    why = function(case)
      return mismatch(case) .. ": a directory is mounted on a directory only, a file on a file"
    end,
    hint = "make the target what the source is",
  },
  {
    cause = "type_mismatch", ops = "bind", codes = "EISDIR ENOTDIR",
    test = function(case)
      return case.err.syscall == "move_mount" or case.found.path == case.step.target
    end,
    about = "a directory goes onto a directory only, a file onto a file",
    why = function(case)
      local is_file <const> = case.err.code == "EISDIR"
      return ("'%s' is %s directory, and '%s' in the container is %s"):format(case.step.path or "the mount",
        is_file and "no" or "a", case.step.target, is_file and "one" or "none")
    end,
    hint = "choose a target of the source's kind, or one that does not exist yet",
  },
  {
    cause = "not_directory", ops = "mount", codes = "ENOTDIR",
    test = function(case)
      local made <const> = tried.of(case)
      local what <const>, is_directory <const> = kind(case, case.arguments and made.target)
      return made.kind == "new" and what ~= nil and not is_directory
        or case.found.path == case.step.target and case.found.type ~= nil and case.found.type ~= "directory"
    end,
    about = "a file system is mounted on a directory",
    why = function(case)
      return ("'%s' is no directory, and a file system is mounted on one"):format(case.step.target)
    end,
    hint = "choose a directory",
  },
  {
    cause = "target_missing", ops = PLACED, codes = "ENOENT", syscalls = "openat2",
    test = function(case)
      return not case.arguments
    end,
    about = "the target does not exist, and lies in a tree that is not the container's own",
    why = function(case)
      local found <const> = case.found
      return found.path and (found.type == "symlink" and "'%s' in the container is a symbolic link that leads nowhere"
        or "'%s' does not exist in the container"):format(found.path) or nil
    end,
    hint = "the target does not exist, and making it here would leave traces outside the container; "
      .. "create it, or use a tmpfs above it",
  },
  {
    cause = "not_found", ops = ANY, codes = "ENOENT", test = stopped,
    about = "what the path names does not exist",
    why = function(case)
      local found <const> = obstacle(case)
      return (found.type == "symlink" and "'%s' is a symbolic link that leads nowhere" or "'%s' does not exist"):format(
        found.path)
    end,
    hint = function(case)
      if case.arguments then
        return "create it, or correct the path"
      elseif case.err.op == "chdir" then
        return "choose a directory that the container has, or add it"
      end
      return case.step.copy and (case.step.source or ""):find "^mounts"
        and "create it, correct the path, or set optional = true where it may be missing"
        or "create it, or correct the path"
    end,
  },
  shared.not_ptraceable({
    ops = ANY, codes = "EACCES",
    test = function(case)
      return stopped(case) and leads_into_process(obstacle(case).path)
    end,
  }, function(case)
    return obstacle(case).path
  end),
  {
    cause = "protected_symlinks", ops = ANY, codes = "EACCES",
    test = function(case)
      local link <const>, directory <const> = stopping_link(case)
      if link == false or not is_last(case) then
        return false
      end
      return link and is_kept_from(case, link, directory, "protected_symlinks")
    end,
    about = "a symbolic link that somebody else made in a directory for all is not followed",
    why = function(case)
      local path <const> = obstacle(case).path
      return ("fs.protected_symlinks: '%s' is a link of another user's in '%s', where everybody makes files"):format(
        path, directory_of(path))
    end,
    hint = "name what is meant without the link, or put the link into a directory of one's own",
  },
  {
    cause = "fuse_private", ops = ANY .. " root_bind", codes = "EACCES",
    test = function(case)
      if case.err.syscall ~= "statx" and not stopped(case) or (obstacle(case) or {}).type then
        return false
      end
      return fuse_user(case) ~= nil or nil
    end,
    about = "a FUSE file system is for who mounted it alone, not even for root",
    why = function(case)
      return ("'%s' is a FUSE file system for %s alone, not even for root"):format(
        (obstacle(case) or case.step).path, fuse_user(case) or "who mounted it")
    end,
    hint = function(case)
      return ("mount it with allow_other, or do it as %s"):format(fuse_user(case) or "who mounted it")
    end,
  },
  {
    cause = "not_searchable", ops = ANY, codes = "EACCES",
    test = function(case)
      return stopped(case) and (obstacle(case).type == "directory" or nil)
    end,
    about = "a directory on the way may not be searched",
    why = function(case)
      local found <const> = obstacle(case)
      if not found.mode or found.type ~= "directory" then
        return ("what '%s' leads through may not be searched by %s"):format(found.path, who(case))
      end
      return ("'%s' (mode %04o, owner %d:%d) may not be searched by %s"):format(found.path, found.mode, found.uid,
        found.gid, who(case))
    end,
    hint = function(case)
      local found <const> = obstacle(case)
      local what <const> = found.type == "directory" and "let others search it (chmod o+x '%s')"
        or "look at each directory on the way (namei -l '%s')"
      return (what .. ", or choose a path that they reach%s"):format(found.path,
        case:makes "user" and "; root of a user namespace overrides no permission of owners that it does not map" or "")
    end,
  },
  {
    cause = "not_searchable", ops = "chdir", codes = "EACCES", syscalls = "fchdir",
    test = function(case)
      local mode <const> = case.found.mode
      return mode ~= nil and mode & 1 == 0 or nil -- who is neither owner nor of its group
    end,
    about = "the directory may not be entered by the program's user",
    why = function(case)
      local found <const> = case.found
      return found.mode and ("'%s' (mode %04o, owner %d:%d) may not be entered by the program's user"):format(
        found.path, found.mode, found.uid, found.gid) or "the directory may not be entered by the program's user"
    end,
    hint = "choose another directory, or let others enter it (chmod o+x)",
  },
  {
    cause = "not_searchable", ops = "pivot_root", codes = "EACCES", syscalls = "fchdir",
    test = function(case)
      return not case.arguments
    end,
    why = "the directory that is to be the root may not be entered by who starts the container",
    hint = "choose another directory, or let others enter it (chmod o+x)",
  },
  {
    cause = "no_access", ops = "file", codes = "EACCES",
    test = function(case)
      local mode <const> = not case.found.code and case.found.mode
      return mode and mode & 2 == 0 or nil
    end,
    about = "the file is there, and may not be written",
    why = function(case)
      local found <const> = case.found
      return found.mode and ("'%s' is there, and its mode %04o does not let it be written"):format(
        found.path, found.mode) or "the file may not be written"
    end,
    hint = "bind a file of the container's own over it instead",
  },
  {
    cause = "not_directory", ops = ANY, codes = "ENOTDIR", test = stopped,
    about = "what the path goes through is no directory",
    why = function(case)
      local found <const> = obstacle(case)
      return ("'%s' is %s, no directory"):format(found.path, KINDS[found.type] or "something else")
    end,
    hint = "correct the path",
  },
  {
    cause = "not_directory", ops = "chroot chdir root_bind pivot_root", codes = "ENOTDIR",
    about = "it is no directory",
    why = function(case)
      return ("'%s' is no directory"):format(case.found.path or no_directory(case) or case.err.path)
    end,
    hint = "choose a directory",
  },
  {
    cause = "nosymfollow", ops = ANY, codes = "ELOOP", test = is_unfollowed,
    about = "a symbolic link lies on a mount with nosymfollow",
    why = function(case)
      return ("'%s' is a symbolic link on a mount with nosymfollow, where none is followed"):format(obstacle(case).path)
    end,
    hint = "name what is meant without the link",
  },
  {
    cause = "symlink_loop", ops = ANY, codes = "ELOOP",
    test = function(case)
      return stopped(case) and (is_unfollowed(case) == false or nil)
    end,
    about = "symbolic links lead back to themselves",
    why = function(case)
      return ("'%s' is a symbolic link that leads back to itself, or to one that may not be followed"):format(
        obstacle(case).path)
    end,
    hint = "name what is meant without the link",
  },
  {
    cause = "symlink_loop", ops = PLACED .. " chdir open path_rule", codes = "ELOOP", syscalls = "openat2",
    about = "a path leads through what is no link of a file system's, but of the kernel's own in /proc",
    why = function(case)
      return ("'%s' leads through a link of the kernel's own, as /proc has them, which is not followed"):format(
        case.step.target or case.step.path)
    end,
    hint = "name what is meant without the link",
  },
  {
    cause = "name_too_long", ops = ANY .. " mount", codes = "ENAMETOOLONG",
    why = "a path has at most 4095 bytes, a name in it 255", hint = "shorten the path",
  },
  {
    cause = "not_own", ops = "file", codes = "EEXIST",
    why = "a file is filled only where the tree is the container's own",
    hint = "the file exists in a tree that is not the container's own",
  },
  {
    cause = "not_own", ops = "symlink", codes = "EROFS",
    test = function(case)
      return case.err.syscall ~= "symlinkat"
    end,
    why = "a link is made only where the tree is the container's own",
    hint = "a link here would leave traces outside the container; use a tmpfs above it",
  },
  {
    cause = "exists", ops = "symlink dir", codes = "EEXIST", syscalls = "symlinkat mkdirat",
    about = "something is there already",
    why = function(case)
      return ("'%s' is there already"):format(case.step.target)
    end,
    hint = "choose another target, or leave it out",
  },
  {
    cause = "read_only", ops = PLACED, codes = "EROFS", syscalls = "mkdirat mknodat openat2 openat symlinkat fchmod",
    about = "the place lies in a tree that is read-only",
    why = function(case)
      return ("'%s' lies in a tree that is mounted read-only"):format(case.step.target)
    end,
    hint = "put a tmpfs above it, or let it come before what makes it read-only",
  },
  {
    cause = "full", ops = PLACED, codes = "ENOSPC", syscalls = "write mkdirat mknodat symlinkat",
    about = "the file system is full",
    why = function(case)
      return ("the file system that '%s' lies on is full"):format(case.step.target)
    end,
    hint = "give that tmpfs more room (size, inodes)",
  },
  {
    cause = "not_a_device", ops = "open", codes = "ENODEV",
    about = "what is bound as a device is none, or another one than its name says",
    why = function(case)
      return ("'%s' is %s"):format(case.err.path,
        case.step.node and "no device" or "not the device that its name promises")
    end,
    hint = "a device is what its number says, not what its name promises",
  },
  {
    cause = "changed", ops = "open", codes = "ESTALE",
    why = "the file that the caller has open is not the one that its path leads to now",
    hint = "what the caller has open is not what is found under its name now",
  },
  {
    cause = "nodev", ops = "open", codes = "EACCES",
    test = function(case)
      local path <const> = case.arguments and case.step.path
      local st <const> = path and case.evidence:stat(path)
      local fs <const> = path and case.evidence:statfs(path)
      return st ~= nil and (st.type == "char" or st.type == "block") and fs ~= nil and fs.flags.nodev == true
    end,
    about = "the device node lies on a mount with nodev, or on a file system of a user namespace",
    why = function(case)
      return ("'%s' lies on a mount with nodev, where device nodes are not opened"):format(case.step.path)
    end,
    hint = "bind the host's device instead of making a node",
  },
  {
    cause = "protected_regular", ops = "open", codes = "EACCES",
    test = function(case)
      local path <const> = case.arguments and case.step.path
      local file <const> = path and (tried.of(case).flags or {}).create and case.evidence:stat(path)
      if not file or file.type ~= "file" or not case.evidence:may(path, "write") then
        return false
      end
      return is_kept_from(case, file, directory_of(path), "protected_regular")
    end,
    about = "a file that somebody else made in a directory for all is not opened to be created",
    why = function(case)
      return ("fs.protected_regular: '%s' is a file of another user's in '%s', where everybody makes files"):format(
        case.step.path, directory_of(case.step.path))
    end,
    hint = "leave create out, or choose a directory of one's own",
  },
  {
    cause = "no_access", ops = "open", codes = "EACCES",
    test = function(case)
      local path <const> = case.arguments and case.step.path
      return path ~= nil and case.evidence:stat(path) ~= nil and case.evidence:obstacle(path) == nil
        and not case.evidence:may(path, tried.of(case).flags.write and "write" or "read")
    end,
    about = "the file's mode does not allow it",
    why = function(case)
      local st <const> = case.evidence:stat(case.step.path)
      return ("'%s' has mode %04o and owner %d:%d, which does not allow it to user id %d"):format(
        case.step.path, st.mode, st.uid, st.gid, (case.evidence:ids()))
    end,
    hint = "change its mode or owner, or be the user that may",
  },
  {
    cause = "ids_unmapped", ops = "open mkdirat openat file dir symlink", codes = "EOVERFLOW",
    why = "whoever makes a file on a file system of a user namespace needs ids that are mapped there",
    hint = "write uid_map and gid_map, and take mapped ids, before files are made there",
  },
}
