-- Why a root or a working directory is not taken, or mounts are not tied.
local is_within <const> = require("userns.path").is_within
local tried = require "userns.evidence.tried"

local is_mount <const> = tried.is_mount

local function root_mount(case)
  return case.evidence:mount_at "/"
end

--- The first of the mounts that pivot_root(2) wants private and that is shared: what
--- the new and the present root lie on, and where the old one is put.
local function shared(case)
  local e <const> = case.evidence
  local new <const>, old <const> = e:mount_holding(case.step.new), e:mount_holding(case.step.old)
  local root <const> = root_mount(case)
  for _, mount in ipairs { old or false, new and e:parent_of(new) or false, root and e:parent_of(root) or false } do
    if mount and mount.shared then
      return mount
    end
  end
end

local function same(case, a, b)
  local x <const>, y <const> = a and case.evidence:mount_of(a), b and case.evidence:mount_of(b)
  return x and y and x.id == y.id
end

local function absolute(path)
  return path and path:sub(1, 1) == "/"
end

local PIVOTS <const> = "pivot_root"

return {
  {
    cause = "shared_parent", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      return case.arguments ~= nil and shared(case) ~= nil
    end,
    about = "a mount on the way is shared",
    why = function(case)
      return ("'%s' is shared with other mount namespaces, which would lose their root"):format(shared(case).target)
    end,
    hint = "make all mounts private first: mount { target = \"/\", options = \"rprivate\" }",
  },
  {
    cause = "not_mount_point", ops = PIVOTS, codes = "EINVAL EBUSY",
    test = function(case)
      return case.arguments ~= nil and is_mount(case, case.step.new) == false
    end,
    about = "the new root is no mount point",
    why = function(case)
      return ("'%s' is no mount point, and only a mount becomes the root"):format(case.step.new)
    end,
    hint = "bind it onto itself first (recursively)",
  },
  {
    cause = "same_root", ops = PIVOTS, codes = "EBUSY EINVAL",
    test = function(case)
      return case.arguments ~= nil and (same(case, case.step.new, "/") or case.err.code == "EBUSY"
        and same(case, case.step.old, "/")) or false
    end,
    about = "the new root, or the place for the old one, is on the present root's mount",
    why = function(case)
      local new <const> = same(case, case.step.new, "/")
      return ("'%s' is on the mount that is the root now"):format(new and case.step.new or case.step.old)
    end,
    hint = "mount the new root elsewhere, and name a directory in it for the old one",
  },
  {
    cause = "chrooted", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      local is_root <const> = is_mount(case, "/")
      if is_root == nil then
        return nil
      end
      return not is_root
    end,
    about = "the caller is chrooted, and its root is no mount",
    why = "the caller is chrooted, and its root is not the root of its mount namespace",
    hint = "start the host program without chroot, or bind its root onto itself before it is chrooted there",
  },
  {
    cause = "initramfs_root", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      local root <const> = root_mount(case)
      return root ~= nil and (root.type == "rootfs" or root.parent == root.id)
    end,
    about = "the present root is the initramfs, which cannot be put elsewhere",
    why = "the present root is the initramfs, which cannot be put elsewhere",
    hint = "start from a real root file system (switch_root), or leave strict out: then the new root covers it",
  },
  {
    cause = "old_outside", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      local new <const>, old <const> = case.step.new, case.step.old
      if not absolute(new) or not absolute(old) then
        return nil
      end
      return not is_within(old, new)
    end,
    about = "the place for the old root is not below the new one",
    why = function(case)
      return case.step.old and ("'%s' is not below '%s'"):format(case.step.old, case.step.new)
        or "the place for the old root is not below the new one"
    end,
    hint = "name a directory in the new root; or \".\" twice from there",
  },
  {
    cause = "unreachable", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      return case.arguments ~= nil and case.evidence:mount_holding(case.step.new) == nil
    end,
    about = "the new root does not lie below the present one",
    why = function(case)
      return ("'%s' does not lie below the present root, or lies in another mount namespace"):format(case.step.new)
    end,
    hint = "mount the new root below the present one, or take the root back that it lies below (setns with mnt)",
  },
  {
    cause = "locked", ops = PIVOTS, codes = "EINVAL",
    test = function(case)
      return case.arguments ~= nil and tried.is_nested(case) and is_mount(case, case.step.new) and nil
    end,
    about = "the new root is a mount that came from a more privileged namespace",
    why = function(case)
      return ("'%s' came from a more privileged mount namespace, and is locked in its place"):format(case.step.new)
    end,
    hint = "bind it recursively elsewhere, and pivot to that",
  },
  {
    cause = "chrooted", ops = "propagation", codes = "EINVAL",
    test = function(case)
      return case.evidence:is_chrooted() ~= false
    end,
    about = "the caller is chrooted into a directory that is no mount",
    why = "the caller's root is no mount point, and what mounts pass on is said of mounts",
    hint = "the caller is chrooted into a directory that is no mount; bind that onto itself first",
  },
  {
    cause = "outside", ops = "chdir", codes = "ENOENT", syscalls = "getcwd",
    about = "the directory lies outside the container's root",
    why = function(case)
      return ("'%s' leads out of the container's root"):format(case.step.path)
    end,
    hint = "the directory is outside the container's root",
  },
  {
    cause = "not_directory", ops = "root_bind", codes = "ENOTDIR",
    why = "the source of the root is no directory", hint = "name a directory",
  },
}
