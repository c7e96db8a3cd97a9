-- Why a program is not executed: execve(2), in the order in which the kernel looks.
-- What is found in the program, and in what it needs, was looked at by who was
-- refused (step_found.c).
local path = require "userns.path"
local shared = require "userns.causes.shared"
local sys = require "userns.sys"

local EXECUTABLE <const> = 73 -- 0111, of a file's mode

-- e_machine, as elf(5) numbers them.
local MACHINES <const> = {
  [2] = "SPARC", [3] = "x86 (32 bits)", [4] = "m68k", [8] = "MIPS", [20] = "PowerPC", [21] = "PowerPC64",
  [22] = "s390x", [40] = "ARM (32 bits)", [43] = "SPARC64", [62] = "x86-64", [183] = "AArch64", [243] = "RISC-V",
  [247] = "BPF", [258] = "LoongArch",
}

-- File systems that execute nothing, whatever the mode of a file says: SB_I_NOEXEC.
local INERT <const> = { [0x19800202] = "mqueue", [0x9fa0] = "proc", [0x62656572] = "sysfs" }

local OWN <const> = { x86_64 = { [62] = true, [3] = true }, aarch64 = { [183] = true, [40] = true } }

local NO_MACHINE <const> = 0 -- or the file ends before it says so

local ELF_TYPES <const> = { [1] = "an object file, not linked yet", [4] = "a core dump" }

-- What is no program, in words.
local NO_PROGRAM <const> = {
  empty = " is empty",
  script = " names no interpreter after #!",
  other = " begins with nothing that the kernel knows: neither #! nor ELF",
}

local function quote(text)
  return "'" .. text .. "'"
end

--- The program itself, as it was given.
local function name_of(case)
  local step <const> = case.step
  local name <const> = case.found.item and step.paths and step.paths[case.found.item] or case.err.path
  return name and quote(name) or "the program"
end

--- Who names what is needed.
local function needer(case)
  return case.found.by and quote(case.found.by) or name_of(case)
end

--- What the kernel was at: the program, its interpreter, or its ELF loader.
local function subject(case)
  local found <const> = case.found
  if not found.needed_by then
    return name_of(case)
  end
  return (found.needed_by == "script" and "%s, the interpreter of the script %s,"
    or "%s, the ELF loader of %s,"):format(quote(found.needed), needer(case))
end

--- Whether it is the program that is at fault, though its loader was looked at: of an
--- ELF loader the kernel says ELIBBAD or EIO.
local function is_about_needer(case)
  return case.found.needed_by == "elf" and case.err.code == "ENOEXEC"
end

--- What is at fault, where it is an ELF file.
local function culprit(case)
  return is_about_needer(case) and needer(case) or subject(case)
end

local function is_program(case)
  return case.found.item ~= nil
end

-- Of a name that leads through no directory the engine says that it is not there.
local MISSING <const> = { ENOENT = true, ENOTDIR = true, ELOOP = true }

local function is_missing(case)
  return MISSING[case.found.code] ~= nil
end

local function lacks(case)
  return is_program(case) and case.found.code == "ENOENT"
end

local function has_type(case, type)
  return is_program(case) and not case.found.code and case.found.type == type
end

--- Whether nobody but the kernel can tell what the program needs: it is there, may be
--- executed and not be read.
local function is_unread(case)
  return has_type(case, "file") and case.found.access == nil and case.found.format == nil
end

--- What the file at fault is; nil where it was not looked at, as what found its loader.
local function format_of(case)
  return not is_about_needer(case) and case.found.format or nil
end

--- Whether the machine is one that kernels like this one have programs for.
local function machine_is_own(case)
  local own <const> = OWN[sys.uname().machine]
  return own == nil or own[case.found.machine] ~= nil
end

--- Whether it is a program of 32 bits, which a kernel of 64 bits may or may not execute.
local function is_narrow(case)
  local found <const> = case.found
  if is_about_needer(case) and found.format ~= "elf" then
    return nil -- a loader would have had as many
  end
  return found.format == "elf" and found.bits == 32 and machine_is_own(case) and not ELF_TYPES[found.elf_type]
end

--- Whether the description has the mount that the file lies on forbid it.
local function is_forbidden(case)
  local at <const> = case.found.needed or case.step.paths[case.found.item]
  local top, forbids = "", false
  for _, step in ipairs(case.plan) do
    local target <const> = step.target or step.op:match "^root_" and "/"
    if step.attrs and target and #target >= #top and path.is_within(at, target) then
      top, forbids = target, (" %s "):format(table.concat(step.attrs, " ")):find(" noexec ", 1, true) ~= nil
    end
  end
  return forbids
end

--- The capabilities that the file must get and the bounding set does not have.
local function missing_caps(case)
  local caps <const> = case.found.caps or 0
  local bounding <const> = case:has "bounding"
  local kept <const> = {}
  local own <const> = not bounding and sys.getcaps()
  for _, name in ipairs(bounding and bounding.keep or own and own.bounding or {}) do
    kept[name] = true
  end
  local list <const> = {}
  for number = 0, sys.last_cap() do
    local name <const> = sys.cap_name(number)
    list[#list + 1] = caps >> number & 1 == 1 and not kept[name] and name or nil
  end
  return list
end

return {
  {
    cause = "not_in_path", ops = "exec examine", codes = "ENOENT",
    test = function(case)
      local paths <const> = case.step.paths
      return not is_program(case) and paths ~= nil and (#paths ~= 1 or paths[1] ~= case.step.program)
    end,
    about = "no directory of PATH has the program",
    why = function(case)
      local directories <const> = {}
      for i, candidate in ipairs(case.step.paths) do
        directories[i] = candidate:match("^(.*)/[^/]*$")
      end
      return #directories == 0 and "PATH is empty"
        or ("no directory of PATH that may be searched has '%s': %s"):format(
          case.step.program, table.concat(directories, ":"))
    end,
    hint = "name the program with its path inside the container, set PATH in process.env, or add what it lies in "
      .. "to the container",
  },
  {
    cause = "script_by_fd", ops = "exec", codes = "ENOENT",
    test = function(case)
      local found <const> = case.found
      if not case.arguments or type(case.arguments[1]) == "string" then
        return false
      elseif is_unread(case) then
        return nil
      end
      return (found.needed_by == "script" or (found.depth or 0) > 1) and found.code == nil
    end,
    why = "it is a script, whose interpreter cannot open a descriptor that is closed on exec",
    hint = "execute a script by its path",
  },
  {
    cause = "no_interpreter", ops = "exec examine", codes = "ENOENT ENOTDIR ELOOP",
    test = function(case)
      return is_program(case) and case.found.needed_by == "script" and is_missing(case)
    end,
    about = "the interpreter that a script's first line names is not there",
    why = function(case)
      local name <const> = case.found.needed
      return name:find("\r", 1, true)
        and ("the first line of %s ends as lines do on DOS: the kernel looks for an interpreter with a carriage "
          .. "return in its name"):format(needer(case))
        or ("%s does not exist"):format(subject(case))
    end,
    hint = function(case)
      return case.found.needed:find("\r", 1, true) and "convert the script's line ends (sed -i 's/\\r$//')"
        or "add the interpreter to the container, or correct the script's first line"
    end,
  },
  {
    cause = "no_loader", ops = "exec examine", codes = "ENOENT ENOTDIR ELOOP",
    test = function(case)
      return is_program(case) and case.found.needed_by == "elf" and is_missing(case)
    end,
    about = "the ELF loader that a program asks for is not there",
    why = function(case)
      return ("%s does not exist"):format(subject(case))
    end,
    hint = function(case)
      local loader <const> = case.found.needed
      if loader:find("ld-musl", 1, true) then
        return "the program was built with musl: add that loader, or take one that is linked statically or with the "
          .. "C library that is there"
      end
      return ("add the directory that has it to the container (a bind of %s), or take a program that is linked "
        .. "statically"):format(loader:match("^/[^/]+") or "/lib64")
    end,
  },
  {
    cause = "no_interpreter", ops = "exec examine", codes = "ENOENT",
    test = function(case)
      return is_unread(case) and nil
    end,
    about = "the interpreter of a script that cannot be read may not be there",
    why = function(case)
      return ("%s is there and cannot be read: where it is a script, its interpreter does not exist"):format(
        subject(case))
    end,
    hint = "add the interpreter to the container",
  },
  {
    cause = "no_loader", ops = "exec examine", codes = "ENOENT",
    test = function(case)
      return is_unread(case) and nil
    end,
    about = "the ELF loader of a program that cannot be read may not be there",
    why = function(case)
      return ("where %s is an ELF program, its loader does not exist"):format(subject(case))
    end,
    hint = "add the directory that has it to the container (a bind of /lib64 or /lib)",
  },
  {
    cause = "not_found", ops = "exec examine", codes = "ENOENT",
    test = lacks,
    about = "the program does not exist",
    why = function(case)
      local found <const> = case.found
      return found.type == "symlink" and ("'%s' is a symbolic link that leads nowhere"):format(found.path)
        or found.path == name_of(case):sub(2, -2) and ("'%s' does not exist"):format(found.path)
        or ("%s does not exist: there is no '%s'"):format(name_of(case), found.path)
    end,
    hint = function(case)
      if case.arguments then
        return case.err.path:find("/", 1, true) and "correct the path" or "give its path: exec searches no PATH"
      end
      return "correct the path, which is one inside the container, or add what "
        .. "it lies in to the container"
    end,
  },
  {
    cause = "not_found", ops = "exec examine", codes = "ENOENT",
    test = function(case)
      return case.err.path == ""
    end,
    why = "the program's path is empty", hint = "name a program",
  },
  {
    cause = "not_directory", ops = "exec examine", codes = "ENOTDIR ENOENT",
    test = function(case)
      return is_program(case) and case.found.code == "ENOTDIR"
    end,
    about = "what the path goes through is no directory",
    why = function(case)
      return ("'%s' is no directory"):format(case.found.path)
    end,
    hint = "correct the path",
  },
  {
    cause = "nosymfollow", ops = "exec examine", codes = "ELOOP",
    test = function(case)
      return is_program(case) and case.found.code == "ELOOP" and case.found.nosymfollow
    end,
    about = "a symbolic link lies on a mount with nosymfollow",
    why = function(case)
      return ("'%s' is a symbolic link on a mount with nosymfollow, where none is followed"):format(case.found.path)
    end,
    hint = "name what the link leads to, or mount without nosymfollow",
  },
  {
    cause = "symlink_loop", ops = "exec examine", codes = "ELOOP",
    test = function(case)
      return is_program(case) and case.found.code == "ELOOP"
    end,
    about = "symbolic links lead back to themselves",
    why = function(case)
      return ("'%s' is a symbolic link that leads back to itself, or to one that may not be followed"):format(
        case.found.path)
    end,
    hint = "name the program itself",
  },
  {
    cause = "interpreter_loop", ops = "exec examine", codes = "ELOOP",
    test = function(case)
      return case.found.needed_by == "script" and case.found.depth > 4
    end,
    about = "interpreters of scripts are scripts themselves, more than four in a row",
    why = function(case)
      return ("the interpreter of %s is a script, as is that one's, more than four in a row"):format(name_of(case))
    end,
    hint = "name a program in the script's first line",
  },
  {
    cause = "name_too_long", ops = "exec examine", codes = "ENAMETOOLONG",
    why = "a path has at most 4095 bytes, a name in it 255", hint = "shorten the program's path",
  },
  shared.not_ptraceable({
    ops = "exec examine", codes = "EACCES",
    test = function(case)
      return is_program(case) and case.found.code == "EACCES" and path.leads_into_process(case.found.path)
    end,
  }, function(case)
    return case.found.path
  end),
  {
    cause = "not_searchable", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return is_program(case) and case.found.code == "EACCES"
    end,
    about = "a directory on the way may not be searched",
    why = function(case)
      local found <const> = case.found
      if not found.mode or found.type ~= "directory" then
        return ("what '%s' leads through may not be searched"):format(found.path)
      end
      return ("'%s' (mode %04o, owner %d:%d) may not be searched by who executes the program"):format(found.path,
        found.mode, found.uid, found.gid)
    end,
    hint = "let everybody search it (chmod a+x), or execute a program that lies elsewhere",
  },
  {
    cause = "is_directory", ops = "exec examine", codes = "EACCES EISDIR",
    test = function(case)
      return has_type(case, "directory")
    end,
    about = "it is a directory",
    why = function(case)
      return subject(case) .. " is a directory"
    end,
    hint = "name the program in it",
  },
  {
    cause = "no_file", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return is_program(case) and not case.found.code and case.found.type ~= nil and case.found.type ~= "file"
    end,
    about = "it is a device, a socket or a pipe",
    why = function(case)
      return ("%s is no file that could be executed (type: %s)"):format(subject(case), case.found.type)
    end,
    hint = "name a program",
  },
  {
    cause = "inert_fs", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return has_type(case, "file") and INERT[case.found.magic] ~= nil
    end,
    about = "it lies on a file system that executes nothing, as mqueue",
    why = function(case)
      return ("%s lies on a file system that executes nothing (%s)"):format(subject(case), INERT[case.found.magic])
    end,
    hint = "execute a copy elsewhere",
  },
  {
    cause = "noexec", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return has_type(case, "file") and case.found.noexec
    end,
    about = "it lies on a mount with noexec",
    why = function(case)
      return subject(case) .. " lies on a mount with noexec"
    end,
    hint = function(case)
      if case.arguments then
        return "execute a copy elsewhere, or remount with exec"
      end
      return is_forbidden(case) and 'leave "noexec" out of that mount\'s options; where it is the default, add "exec"'
        or "bind a copy that lies on a mount without noexec: a bind keeps what its source has"
    end,
  },
  {
    cause = "not_executable", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return has_type(case, "file") and case.found.access == "EACCES" and case.found.mode & EXECUTABLE ~= EXECUTABLE
    end,
    about = "its mode does not let it be executed",
    why = function(case)
      local found <const> = case.found
      local owner <const> = found.mode & EXECUTABLE ~= 0 and (" and owner %d:%d"):format(found.uid, found.gid) or ""
      return ("%s has mode %04o%s, which does not let this user execute it"):format(subject(case), found.mode, owner)
    end,
    hint = function(case)
      return ("chmod a+x '%s'"):format(case.found.path)
    end,
  },
  {
    cause = "landlock", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return case:has "landlock" ~= nil and has_type(case, "file") and not case.found.access
    end,
    why = "the description's own `landlock` does not allow it",
    hint = "Landlock must allow to execute and read the program, its ELF interpreter and what they load",
  },
  {
    cause = "landlock", ops = "exec examine", codes = "EACCES",
    test = function(case)
      return case:has "landlock" ~= nil and nil
    end,
    why = "the description's own `landlock` may not allow it",
    hint = "Landlock must allow to execute and read the program, its ELF interpreter and what they load",
  },
  {
    cause = "landlock", ops = "exec examine", codes = "EACCES",
    test = function(case)
      if case:has "landlock" or not has_type(case, "file") or case.found.access then
        return false
      end
      return case.evidence:is_landlocked() and true or false
    end,
    why = "the host program is restricted by Landlock, which does not let it execute the program",
    hint = "allow to execute and read it in the ruleset that the host program was started with",
  },
  {
    cause = "wrong_architecture", ops = "exec examine", codes = "ENOEXEC ELIBBAD EINVAL",
    test = function(case)
      return format_of(case) == "elf" and case.found.machine ~= NO_MACHINE and not machine_is_own(case)
    end,
    about = "the program was built for another machine",
    why = function(case)
      local found <const> = case.found
      return ("%s was built for %s, and this machine is %s"):format(subject(case),
        MACHINES[found.machine] or ("machine %d of ELF"):format(found.machine), sys.uname().machine)
    end,
    hint = "take one that was built for this machine, or register an emulator with binfmt_misc",
  },
  {
    cause = "wrong_architecture", ops = "exec examine", codes = "ENOEXEC ELIBBAD",
    test = function(case)
      return is_narrow(case) and nil
    end,
    about = "it has 32 bits, which this kernel may not execute",
    why = function(case)
      return culprit(case) .. " has 32 bits, which this kernel may not take"
    end,
    hint = "take one that has 64 bits",
  },
  {
    cause = "interpreter_too_long", ops = "exec examine", codes = "ENOEXEC",
    test = function(case)
      return format_of(case) == "long_script"
    end,
    about = "the interpreter's path does not end within the first 256 bytes of a script",
    why = function(case)
      return ("the path after #! in %s does not end within the first 256 bytes, and the kernel reads no more"):format(
        subject(case))
    end,
    hint = "name the interpreter by a shorter path, as that of a link to it",
  },
  {
    cause = "unknown_format", ops = "exec examine", codes = "ENOEXEC",
    test = function(case)
      return NO_PROGRAM[format_of(case)] ~= nil
    end,
    about = "it is no program of a kind that the kernel knows, as a script without #!",
    why = function(case)
      return subject(case) .. NO_PROGRAM[case.found.format]
    end,
    hint = "where it is a script, let its first line name the interpreter (#!/bin/sh), or execute that with it",
  },
  {
    cause = "bad_loader", ops = "exec examine", codes = "ELIBBAD EIO",
    test = function(case)
      local found <const> = case.found
      return found.needed_by == "elf" and found.format ~= nil and found.format ~= "elf"
    end,
    about = "the ELF loader of a program is no ELF file",
    why = function(case)
      return subject(case) .. " is no ELF file"
    end,
    hint = "put the loader there that the program was built with",
  },
  {
    cause = "bad_elf", ops = "exec examine", codes = "ENOEXEC ELIBBAD",
    test = function(case)
      if not is_about_needer(case) and case.found.format ~= "elf" then
        return false
      end
      return is_narrow(case) == false or nil
    end,
    about = "the ELF file is damaged or no program",
    why = function(case)
      local kind <const> = not is_about_needer(case) and ELF_TYPES[case.found.elf_type]
      return kind and ("%s is %s"):format(culprit(case), kind) or culprit(case) .. " is a damaged ELF file"
    end,
    hint = "build or copy it anew",
  },
  {
    cause = "text_busy", ops = "exec examine", codes = "ETXTBSY",
    about = "the program or its interpreter is open for writing",
    why = function(case)
      return ("%s, or what it needs, is open for writing"):format(name_of(case))
    end,
    hint = "let who writes it close it first (a copy that is renamed into place is never busy)",
  },
  {
    cause = "rlimit_nproc", ops = "exec examine", codes = "EAGAIN",
    why = "the program's user has more processes than RLIMIT_NPROC allows",
    hint = "end some of them, or raise rlimits.nproc; the limit is counted for the user id outside",
  },
  {
    cause = "file_caps", ops = "exec examine", codes = "EPERM",
    test = function(case)
      return #missing_caps(case) > 0
    end,
    about = "the file insists on capabilities that the bounding set lacks",
    why = function(case)
      return ("%s insists on the capabilities %s (file capabilities), which the bounding set does not have"):format(
        subject(case), table.concat(missing_caps(case), " "))
    end,
    hint = "keep them (capabilities), or execute a copy without file capabilities (cp, or setcap -r)",
  },
}
