-- While containers are set up, somebody lets a directory and a symbolic link that
-- leads out change places, again and again, in a tree that they bind.  A mount
-- that lands outside is missed inside; a file is found outside.
--
-- From the environment: USERNS_LAUNCHES, how many launches to try it with.
local helper = require "spec.helper"

local LAUNCHES <const> = math.tointeger(os.getenv "USERNS_LAUNCHES") or helper.rounds(10000)

local SCRIPT <const> = [[
  local userns = require "userns"
  local dir, launches, attack <const> = %q, %d, %q
  local AT_ONCE <const> = 8

  local function box(mount)
    return assert(userns.container {
      namespaces = { "user", "mnt" }, root = { type = "tmpfs" }, masked_paths = {}, readonly_paths = {},
      mounts = {
        { type = "bind", source = "/proc", target = "/proc" },
        { type = "bind", source = "/usr", target = "/usr" },
        { type = "symlink", source = "usr/lib", target = "/lib" },
        { type = "symlink", source = "usr/lib64", target = "/lib64" },
        { type = "bind", source = dir .. "/tree", target = "/t" },
        mount,
      },
    })
  end

  local boxes <const> = {
    box { type = "tmpfs", target = "/t/way/place" },
    box { type = "bind", source = "/usr", target = "/t/way/place" },
    box { type = "bind", source = "/etc/passwd", target = "/t/way/file" },
    box { type = "overlay", lower = "/usr", upper = "tmpfs", target = "/t/way/place" },
    box { type = "dir", target = "/t/way/new" },
    box { type = "file", target = "/t/way/file", content = "escaped" },
    box { type = "symlink", target = "/t/way/new", source = "escaped" },
  }
  local COUNT <const> = { "/usr/bin/grep", "-c", "", "/proc/self/mountinfo", stdout = "pipe" }
  local mounted <const> = {} -- how many each box sees
  for kind, box in ipairs(boxes) do
    local result <const> = box:run { COUNT[1], COUNT[2], COUNT[3], COUNT[4], stdout = "capture" }
    mounted[kind] = result and tonumber(result.stdout)
  end
  assert(mounted[1] and mounted[2] and mounted[3] and mounted[4])

  local codes <const>, running <const> = {}, {}

  local function count(code)
    codes[code] = (codes[code] or 0) + 1
  end

  local function finish(run)
    if run then
      local seen <const> = run.process.stdout:read("a")
      run.process:close()
      count(tonumber(seen) == mounted[run.kind] and "ok" or "escaped")
    end
  end

  local swapper <close> = assert(assert(userns.container { namespaces = {} }):spawn {
    attack, "swap", "tree/way", "tree/link", cwd = dir,
  })
  for i = 1, launches do
    local kind <const> = i %% #boxes + 1
    finish(running[i %% AT_ONCE])
    local process, err = boxes[kind]:spawn(COUNT)
    running[i %% AT_ONCE] = process and { process = process, kind = kind } or nil
    if err then
      count(err.code)
    end
  end
  for _, run in pairs(running) do
    finish(run)
  end
  for code, times in pairs(codes) do
    print(code, times)
  end
]]

local TREE <const> = [[
  cd %s && umask 0 && mkdir -p tree/way/place outside/place && echo content | tee tree/way/file outside/file >/dev/null
  ln -s %s tree/link
]]

-- Through the link there is nothing inside; and nothing is made in a tree that
-- is not the container's own.
local EXPECTED <const> = { ok = true, ENOENT = true, EEXIST = true, EROFS = true, EAGAIN = true }

describe("a tree that changes while it is looked up", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- Launches while the swapping goes on: how often each code came.
  local function race(link, launches)
    assert(os.execute(TREE:format(helper.quote(dir), helper.quote(link))))
    local attack <const> = helper.shell("realpath build/spec/attack").out:match("[^\n]+")
    local codes <const> = {}
    for code, times in helper.output(SCRIPT:format(dir, launches, attack)):gmatch("(%w+)\t(%d+)\n") do
      codes[code] = math.tointeger(times)
    end
    return codes
  end

  local LINKS <const> = { relative = ("../"):rep(20) .. "%s/outside", absolute = "%s/outside", near = "../outside" }

  for what, link in pairs(LINKS) do
    it(("lets nothing out: %s"):format(what), function()
      local codes <const> = race(link:gsub("%%s", dir), LAUNCHES // 3 + 1)
      for code, times in pairs(codes) do
        assert.is_true(EXPECTED[code], ("%s: %d"):format(code, times))
      end
      -- else there was no race
      assert.is_true(codes.ok > 0 and codes.ENOENT > 0)
      assert.equal("content\n", helper.read(dir .. "/outside/file"))
      assert.equal("outside\noutside/file\noutside/place\n",
        helper.shell(("cd %s && find outside | sort"):format(helper.quote(dir))).out)
    end)
  end
end)
