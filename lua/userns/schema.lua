-- The description and the process spec, field by field: one place for names,
-- types, defaults and words.  validate checks against it, normalise fills from
-- it, and the reference and the editor's types are rendered from it.
--
-- A field is { name, type, default, doc, needs, errors }; `default` is a value, or
-- words in parentheses where another stage decides; `needs` tells the kernel and
-- the privilege that it takes, where not everybody has them, and `errors` what it
-- is refused with besides EINVALID.
local identity = require "userns.schema.identity"
local mounts = require "userns.schema.mounts"
local process = require "userns.schema.process"
local types = require "userns.types"

local schema = {
  namespaces = identity.namespace_names,
  capabilities = identity.capability_names,
  capability = identity.capability,
  mount = mounts.mount,
  mount_words = mounts.words,
  root = mounts.root,
  process = process,
}

schema.description = types.record({
  { name = "namespaces", type = identity.namespaces, default = "(all but time, less `share`)",
    doc = "Namespaces to create; `{}`: none." },
  { name = "share", type = identity.namespaces, default = "(none)",
    doc = "Names taken off the default of `namespaces`." },
  { name = "uid_map", type = identity.id_map, default = "root",
    doc = "`\"root\"`: an unprivileged id of the caller's is 0 inside; `\"self\"`: it is itself; "
      .. "`\"auto\"`: it is 0, and all subordinate ids follow; or ranges." },
  { name = "gid_map", type = identity.id_map, default = "root", doc = "The same for groups." },
  { name = "setgroups", type = types.choice({ "allow", "deny" }, "setgroups"),
    default = "(deny, unless the caller may map groups freely)", doc = "Whether setgroups(2) works inside." },
  { name = "hostname", type = types.text("host name", 1, 64), doc = "Host name of the new uts namespace." },
  { name = "domainname", type = types.text("domain name", 1, 64), doc = "NIS domain name of the same." },
  { name = "root", type = mounts.root, default = "(the host's tree as it is)",
    doc = "What the program sees as `/`; a string is a directory to bind." },
  { name = "mounts", type = types.list(mounts.mount), default = "(none)",
    doc = "What is mounted and made, in this order; nothing that is not listed." },
  { name = "propagation", type = types.choice(mounts.propagations, "propagation"),
    default = "private", doc = "Whether mounts travel between the host and the container." },
  { name = "masked_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to hide, where they exist." },
  { name = "readonly_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to make read-only, where they exist." },
  { name = "devices", type = types.list(types.target), default = "(none)",
    doc = "Devices of the host's that are seen under their own names; mostly below a `dev` mount.",
    errors = "ENODEV: no device" },
  { name = "capabilities", type = identity.capabilities, default = "none",
    doc = "What the program keeps: permitted, effective, bounding, and ambient unless uid 0." },
  { name = "no_new_privs", type = types.flag, default = true, doc = "Executing a file gains no privilege." },
  { name = "allow_userns", type = types.flag, default = false,
    doc = "Whether the program may create user namespaces of its own." },
  { name = "die_with_parent", type = types.flag, default = true,
    doc = "The container ends with the host program, however that ends; a program that means to can undo it." },
  { name = "new_session", type = types.flag, default = true, doc = "A session without the caller's terminal." },
  { name = "strict", type = types.flag, default = false, doc = "What would be degraded is an error." },
  { name = "process", type = process, doc = "Defaults for the process spec." },
}, "description")

return schema
