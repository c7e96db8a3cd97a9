local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const> = helper.bad_argument

local own_uts <const> = helper.rootless .. " --uts"

local function shell_output(command)
  return (helper.shell(command).out:gsub("\n$", ""))
end

local setters <const> = {
  {
    set = "sethostname",
    get = "gethostname",
    op = "hostname",
    file = "/proc/sys/kernel/hostname",
  },
  {
    set = "setdomainname",
    get = "getdomainname",
    op = "domainname",
    file = "/proc/sys/kernel/domainname",
  },
}

describe("userns.sys", function()
  for _, name in ipairs(setters) do
    describe(name.set, function()
      it("changes the name that the kernel gives", function()
        assert.equal("true\tbizarro\n", helper.output(([[
          local sys = require "userns.sys"
          local done = sys.%s("bizarro")
          print(done, io.open("%s"):read())
        ]]):format(name.set, name.file), own_uts))
      end)

      it("takes 64 bytes of any value but NUL, and none at all", function()
        assert.equal("", helper.output(([[
          local sys = require "userns.sys"
          for _, name in ipairs { ("x"):rep(64), "\1\n\200\255 .", "" } do
            assert(sys.%s(name))
            assert(sys.%s() == name)
          end
        ]]):format(name.set, name.get), own_uts))
      end)

      it("leaves other namespaces alone", function()
        local before <const> = helper.read(name.file)
        helper.output(('assert(require "userns.sys".%s("elsewhere"))'):format(name.set), own_uts)
        assert.equal(before, helper.read(name.file))
      end)

      it("is refused without privilege over the namespace", function()
        -- A user namespace of one's own gives none over the uts namespace around it.
        local script <const> = ([[
          local done, err = require "userns.sys".%s("bizarro")
          print(done, err.op, err.syscall, err.code, err.errno, err.message, err.path)
        ]]):format(name.set)
        assert.equal(table.concat({
          "nil", name.op, name.set, "EPERM", "1", "Operation not permitted", "nil\n",
        }, "\t"), helper.output(script, helper.rootless))
      end)

      it("raises for what is no name", function()
        local set <const> = sys[name.set]
        assert.same({ "1", "longer than 64 bytes" }, { refusal(set, ("x"):rep(65)) })
        assert.same({ "1", "the string has a NUL byte" }, { refusal(set, "a\0b") })
        assert.same({ "1", "string expected, got no value" }, { refusal(set) })
        assert.same({ "1", "string expected, got number" }, { refusal(set, 7) })
      end)
    end)

    describe(name.get, function()
      it("tells the name of the namespace one is in", function()
        assert.equal(helper.read(name.file), sys[name.get]() .. "\n")
      end)
    end)
  end

  describe("uname", function()
    it("tells what uname(1) does", function()
      assert.same({
        sysname = shell_output("uname -s"),
        nodename = shell_output("uname -n"),
        release = shell_output("uname -r"),
        version = shell_output("uname -v"),
        machine = shell_output("uname -m"),
        domainname = helper.read("/proc/sys/kernel/domainname"):gsub("\n$", ""),
      }, sys.uname())
    end)
  end)
end)
