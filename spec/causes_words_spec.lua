-- The words for causes, which programs compare with: all of them, and that each is
-- named where a refusal is produced.
local causes <const> = require "userns.causes"
local helper <const> = require "spec.helper"

-- None is renamed, and none taken away that can be met.
local WORDS <const> = [[
  address_exists address_unusable allow_after_deny already_mapped already_mounted ambient_locked
  ambient_not_permitted apparmor_userns args_too_long bad_elf bad_loader bad_option bad_superblock busy
  cap_not_permitted cgroup_exists cgroup_file cgroup_frozen cgroup_in_use cgroup_inhabited cgroup_max
  cgroup_not_delegated cgroup_ro changed chrooted clock_negative controller_missing cpu_offline deny_after_gid_map
  device_in_use egid_unmapped euid_unmapped exists file_caps file_max filter_invalid filters_too_long flag_conflict
  foreign_proc fs_log fs_not_userns fs_shared full fuse_private gid_map_unset hidden_process hook host_gone
  id_unmapped idmap_again idmap_attached idmap_empty idmap_init_userns idmap_not_owner idmap_same_userns
  idmap_unsupported ids_unmapped image_missing inert_fs initramfs_root interface_exists interface_fixed
  interpreter_loop interpreter_too_long into_cgroup into_itself is_directory key_quota killed landlock
  landlock_disabled landlock_layers landlock_unsupported layer_unsupported layers_overlap limit_above_parent
  limit_cgroup limit_ipc limit_mnt limit_net limit_pid limit_time limit_user limit_uts locked locked_children
  locked_flags lsm memory mntns_loop mount_max mtu_too_small multithreaded multithreaded_time name_too_long
  needs_cap_setid needs_setfcap needs_userxattr no_access no_bridge no_cap no_cap_in_own no_cap_in_target
  no_cap_net_admin no_cap_setfcap no_cap_setgid no_cap_setpcap no_cap_setuid no_cap_sys_admin no_cap_sys_nice
  no_cap_sys_resource no_cap_sys_time no_cgroupns no_file no_fuse_server no_interpreter no_ipcns no_loader
  no_lowerdir no_netns no_new_privs no_passwd no_passwd_entry no_pidns no_proc no_proc_sys no_ptmx
  no_route_to_router no_such_cgroup no_such_disk no_such_file no_such_interface no_such_limit no_such_name
  no_such_process no_such_setting no_type no_userxattr no_workdir nodev noexec non_dumpable nosuid_mount nosymfollow
  not_a_device not_block_device not_directory not_executable not_expired not_found not_in_path not_installed
  not_mount_point not_ns_fd not_open not_own not_ptraceable not_searchable not_setuid not_shared not_userns
  nothing_allowed nr_open old_kernel old_outside one_layer oom opener_caps option_conflict other_mntns other_owner
  other_userns outer_unmapped outside own_seccomp pid_max pidns_dead pidns_depth pidns_not_descendant pidns_owner
  pidns_pending pids_cgroup proc_ro protected_regular protected_symlinks protocol_disabled ptmx_mode ptmx_other
  pty_max read_only rlimit_fsize rlimit_nofile rlimit_nproc root_mount route_exists router_unusable same_root
  same_userns script_by_fd seccomp securebit_locked set_up_blocks setgroups_allow setgroups_denied setting_fixed
  setting_invalid setting_privileged shared_parent sibling_userns single_id_rule stacking_depth stale_layers
  subid_missing subid_overflow subid_range symlink_loop sysctl_userns_clone target_missing text_busy thread_id
  threads_max time_entered too_many_layers too_many_lines too_revealing traced type_mismatch unattached_layer
  unbindable unknown_format unknown_fs unreachable unsupported uplink_failed upper_in_use upper_read_only
  upper_unsupported used_up userns_depth work_elsewhere work_not_empty wrong_architecture wrong_ns wrong_phase
  zombie
]]

-- This file names all.
local OWN <const> = "spec/causes_words_spec.lua"

local function spec_files()
  return helper.shell("ls spec/*_spec.lua spec/guest/*.lua").out:gmatch "[^\n]+"
end

--- The words of the strings that are about a cause and nothing else: "busy", "umount
--- EBUSY busy", "either userns_depth limit_user".
local function named()
  local set <const> = {}
  for path in spec_files() do
    for quoted in (path == OWN and "" or helper.read(path)):gmatch '"([^"\n]*)"' do
      local rest <const> = quoted:gsub("^[%l_]* ?E[%u%d]+ ", "")
      local words <const> = rest:match "^either ([%l_ ]+)$" or rest:match "^([%l_]+)%f[\0$\\]" or ""
      for word in words:gmatch "%S+" do
        set[word] = true
      end
    end
  end
  return set
end

describe("the words for causes", function()
  it("are these, and no others", function()
    local known <const>, list <const> = {}, {}
    for _, row in ipairs(causes) do
      list[#list + 1] = not known[row.cause] and row.cause or nil
      known[row.cause] = true
    end
    table.sort(list)
    assert.equal((WORDS:gsub("%s+", "\n")), "\n" .. table.concat(list, "\n") .. "\n")
  end)

  it("are each named by a spec", function()
    local set <const> = named()
    for word in WORDS:gmatch "%S+" do
      assert.is_true(set[word] ~= nil, word)
    end
  end)
end)
