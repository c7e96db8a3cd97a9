-- Parts of descriptions that many containers have in common, as plain tables:
-- userns.merge(userns.presets.host_readonly, { hostname = "box" }).
local presets = {}

--- The host's tree, read-only, with a /proc, a /dev and a /tmp of its own.
presets.host_readonly = {
  root = { type = "bind", source = "/", readonly = true },
  mounts = {
    { type = "proc", target = "/proc" },
    { type = "dev", target = "/dev" },
    { type = "tmpfs", target = "/tmp" },
  },
}

local function system(path)
  return { type = "bind", source = path, target = path, readonly = true, optional = true }
end

--- Nothing but the system's programs and libraries, read-only, with a /proc, a
--- /dev and a /tmp of its own.
presets.minimal = {
  root = { type = "tmpfs", readonly = true },
  mounts = {
    system "/usr", system "/bin", system "/sbin", system "/lib", system "/lib32", system "/lib64",
    system "/etc/alternatives", system "/etc/ld.so.cache",
    { type = "proc", target = "/proc" },
    { type = "dev", target = "/dev" },
    { type = "tmpfs", target = "/tmp" },
  },
}

--- Empty /home and /root in place of the host's.
presets.private_home = {
  mounts = {
    { type = "tmpfs", target = "/home", mode = "0755" },
    { type = "tmpfs", target = "/root", mode = "0700" },
  },
}

--- The host's network, abstract sockets and all, and what programs look up to
--- use it: names, services, certificates.
presets.host_network = {
  share = { "net" },
  mounts = {
    system "/etc/resolv.conf", system "/etc/hosts", system "/etc/nsswitch.conf", system "/etc/gai.conf",
    system "/etc/services", system "/etc/protocols", system "/etc/ssl/certs", system "/etc/ssl/openssl.cnf",
    system "/etc/pki/tls/certs", system "/etc/pki/ca-trust/extracted", system "/etc/ca-certificates/extracted",
  },
}

return presets
