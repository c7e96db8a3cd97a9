-- The stages of a set-up, in the order in which they run.  `before` names stages
-- that must come later, and why; a spec holds every one of them against this
-- list.
local confinement = require "userns.stages.confinement"
local files = require "userns.stages.files"
local identity = require "userns.stages.identity"
local landlock = require "userns.stages.landlock"
local lifetime = require "userns.stages.lifetime"
local network = require "userns.stages.network"
local resources = require "userns.stages.resources"
local settings = require "userns.stages.settings"

local stages = {}

local function stage(name, emit, before)
  stages[#stages + 1] = { name = name, emit = emit, before = before or {} }
end

stage("join", lifetime.join, { prepare = "the parent opens what the child enters" })

stage("image", lifetime.image, { oom_score_adj = "never done in the host's memory" })

stage("oom_score_adj", settings.oom_score_adj, {
  clone = "root owns the /proc/self of what joins, and in the caller's user namespace its privilege counts",
})

stage("prepare", files.prepare, { clone = "the child inherits what the parent opens for it" })

stage("cgroup", resources.cgroup, {
  clone = "the child is created in it",
  maps = "it is entered before the child is let go on",
})

stage("clone", lifetime.clone, { pdeathsig = "there is no child before" })

stage("pdeathsig", lifetime.pdeathsig, { maps = "a host that dies while the child waits must take it along" })

stage("raise_limits", settings.raise_limits, {
  maps = "the child is let go when they are",
  sources = "opening many needs as many descriptors as there may be",
})

stage("maps", lifetime.maps, {
  links = "a program that joins the child's user namespace needs ids there",
  release = "the child waits for its ids",
})

stage("links", network.links, {
  release = "the child waits for its interfaces, and afterwards may not be looked into",
})

stage("release", lifetime.release, {
  loopback = "capabilities over the new namespaces are the mapped root's",
  identity = "an unmapped id cannot be set",
  mounts = "making a file with an unmapped id is EOVERFLOW",
})

stage("time", settings.time, {
  undumpable = "root owns what is in /proc/self from then on",
  capabilities = "needs CAP_SYS_ADMIN and CAP_SYS_TIME",
})

stage("undumpable", lifetime.undumpable, { mounts = "nobody inside may look into the set-up" })

stage("loopback", settings.loopback, {
  sysctl = "there are settings of interfaces",
  capabilities = "needs CAP_NET_ADMIN",
})

stage("addresses", network.addresses, {
  identity = "needs CAP_NET_ADMIN, which another user id would lose where there is no user namespace",
  capabilities = "needs CAP_NET_ADMIN",
})

stage("limit_userns", settings.limit_userns, {
  root = "the host's /proc is in sight",
  capabilities = "needs CAP_SYS_RESOURCE, and lasts because nobody inside has it afterwards",
})

stage("tied", files.tied, { propagation = "what is cut off stays so" })

stage("propagation", files.propagation, {
  root = "pivot_root refuses shared parents, and no mount may travel to the host",
})

stage("sources", files.sources, {
  identity = "the caller may see what the container's root may not",
  root = "a path means what it means on the host",
})

stage("identity", identity.identity, {
  root = "making a file with an unmapped id is EOVERFLOW",
  sysctl = "those of ipc are the container's root's",
  program_identity = "the builder's ids come first",
})

stage("sysctl", settings.sysctl, {
  root = "the host's /proc is in sight",
  capabilities = "needs CAP_NET_ADMIN, or CAP_SYS_RESOURCE for those of user",
})

stage("host_terminal", lifetime.host_terminal, { root = "the host's /dev/ptmx is in sight" })

stage("root", files.root, { mounts = "they are put into it" })

stage("mounts", files.mounts, {
  protect = "what is not there cannot be hidden",
  pivot = "a new proc is allowed while the host's is in sight",
})

stage("protect", files.protect, { pivot = "the host's /dev/null hides files, not one that the root may have" })

stage("pivot", files.pivot, {
  chdir = "the working directory is inside",
  ruleset = "paths mean what they mean to the program, and no mount is changed under Landlock",
  capabilities = "needs CAP_SYS_ADMIN",
})

stage("lock_mounts", identity.lock_mounts, {
  late_sysctl = "makes the namespaces that these are of",
  share = "a copy of what is shared would be tied to it",
  uts = "the name is the inner namespace's",
  chdir = "the mounts are a copy from here on",
  bounding = "the inner namespace begins with every capability",
})

stage("late_sysctl", settings.late_sysctl, { capabilities = "needs CAP_NET_ADMIN" })

stage("share", files.share, { capabilities = "needs CAP_SYS_ADMIN over the mnt namespace" })

stage("uts", settings.uts, { capabilities = "needs CAP_SYS_ADMIN over the uts namespace" })

stage("cgroup_namespace", resources.cgroup_namespace, { capabilities = "needs CAP_SYS_ADMIN" })

stage("session", lifetime.session, { seal = "a filter may deny it", init = "process 1 has none of the host's keys" })

stage("scheduling", settings.scheduling, {
  capabilities = "needs CAP_SYS_NICE over the host to have a better place than the caller",
})

stage("limits", settings.limits)

stage("chdir", files.chdir, { program_identity = "as the container's root one may enter what others may not" })

stage("ruleset", landlock.ruleset, {
  program_identity = "as the container's root one may look up what others may not",
  landlock = "what holds is made first",
})

stage("bounding", identity.bounding, {
  program_identity = "needs CAP_SETPCAP, and else an exec as uid 0 regains everything",
  capabilities = "needs CAP_SETPCAP",
})

stage("program_identity", identity.program_identity, { capabilities = "needs CAP_SETUID and CAP_SETGID" })

stage("capabilities", identity.capabilities, {
  init = "process 1 has no more than the program",
  exec = "execve computes from these",
})

stage("own_terminal", lifetime.own_terminal, { init = "process 1 has none", terminal = "there is none before" })

stage("init", lifetime.init, {
  seal = "a filter would bind process 1 too",
  terminal = "it is the program's session that gets one",
  descriptors = "process 1 closes them all",
})

stage("terminal", lifetime.terminal, { seal = "a filter may deny it", descriptors = "they are the terminal" })

stage("before_exec", lifetime.before_exec, { seal = "a filter may deny the wait" })

stage("ready", lifetime.ready, {
  seal = "a filter may deny the wait",
  descriptors = "they come with the program",
  exec = "what is executed comes with it",
})

stage("seal", identity.seal, {
  landlock = "without it that needs CAP_SYS_ADMIN",
  seccomp = "without it a filter needs CAP_SYS_ADMIN",
  exec = "holds for what is executed",
})

stage("landlock", landlock.restrict, {
  seccomp = "a filter may deny it",
  exec = "holds for what is executed",
})

stage("descriptors", lifetime.descriptors, {
  seccomp = "a filter may deny it",
  exec = "the program inherits them",
})

stage("rlimits", settings.rlimits, {
  signals = "the set-up itself opens, writes and copies descriptors beyond what the program may",
  seccomp = "a filter may deny it",
  exec = "they are the program's",
})

stage("signals", lifetime.signals, {
  seccomp = "a filter may deny it",
  exec = "what the host ignores or blocks, the program would",
})

stage("seccomp", confinement.seccomp, { exec = "holds for what is executed" })

stage("exec", lifetime.exec)

return stages
