-- What a parent does for the interfaces of a container: it makes pairs, moves
-- interfaces in, and takes them back.  Both ends of its doing are held by
-- sockets that stay in their namespaces, and interfaces by their index, which
-- nobody else gets.
local handles = require "userns.schema.handles"
local sys = require "userns.sys"

local links = {}

--- A name for what nobody named: no other container has the pid.
local function peer_name(step, pid)
  return step.peer or ("ve%d.%s"):format(pid, step.source:match("%d+"))
end

local function add_addresses(net, name, addresses)
  for i, address in ipairs(addresses) do
    local ok <const>, err = net:address_add(name, address)
    if not ok then
      err.item = i
      return nil, err
    end
  end
  return true
end

--- A socket in a target's namespace; in the caller's where none is named.
local function open_netlink(target)
  if target == nil then
    return sys.netlink()
  end
  local namespace <close>, err = handles.namespace("net", target)
  if not namespace then
    return nil, err
  end
  return sys.netlink(namespace)
end

--- Makes a pair: one end in the child's namespace, the other, up, in the
--- caller's or a target's.  The kernel would remove it too, but some time after
--- the namespace's end, when the next container may want the name.
---@param step userns.Step
---@param pid integer the child
---@param parent userns.Parent
---@return true? ok
---@return userns.Error? err
function links.veth(step, pid, parent)
  local net <const>, err = open_netlink(step.namespace)
  if not net then
    return nil, err
  end
  parent:defer(function()
    net:close()
  end)
  local name <const> = peer_name(step, pid)
  local ok, why = net:link_add {
    type = "veth", name = name, mtu = step.mtu, master = step.bridge, up = true,
    peer = { name = step.name, netns = pid, mac = step.mac, mtu = step.mtu },
  }
  if not ok then
    return nil, why
  end
  local index <const>, gone = net:link_index(name)
  if not index then
    return nil, gone -- with the child, which has ended
  end
  parent:defer(function()
    net:link_del(index)
  end)
  return add_addresses(net, index, step.addresses)
end

--- Puts an interface into the namespace it came from, under its old name.
local function take_back(there, index, home, name)
  if not there or not index then
    return nil, "its namespace could not be entered"
  end
  local ok <const>, err = there:link_set(index, { name = name, netns = home })
  there:close()
  return ok, err
end

--- Moves an interface of the caller's into the child's namespace; it is taken
--- back when the process has ended.
---@param step userns.Step
---@param pid integer the child
---@param parent userns.Parent
---@return true? ok
---@return userns.Error? err
function links.interface(step, pid, parent)
  local net <close>, err = sys.netlink()
  local home <const>, why = sys.namespace("net", "self")
  if not net or not home then
    return nil, err or why
  end
  local there <const> = sys.netlink(pid)
  local ok <const>, refusal = net:link_set(step.name, { name = step.as, netns = pid })
  if not ok then
    return nil, refusal
  end
  local index <const> = there and there:link_index(step.as)
  parent:defer(function(result)
    local back <const>, reason = take_back(there, index, home, step.name)
    home:close()
    if not back and result then
      table.insert(result.degraded, { feature = step.source, used = "none", reason = tostring(reason) })
    end
  end)
  return true
end

--- Whether an interface of the caller's is there and may be changed: by a change
--- of nothing.
---@param step userns.Step
---@return true? ok
---@return userns.Error? err ENODEV, EPERM
function links.look(step)
  local net <close>, err = sys.netlink()
  if not net then
    return nil, err
  end
  return net:link_set(step.name, {})
end

return links
