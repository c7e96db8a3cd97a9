local helper = require "spec.helper"

describe("the executable of the separate image", function()
  it("is beside the module, wherever the host goes after loading it", function()
    local module <const> = assert(package.searchpath("userns.sys", package.cpath))
    local beside <const> = helper.shell("realpath " .. module).out:gsub("sys.so\n$", "")
    local result <const> = helper.shell(("cd %s/.. && LUA_CPATH='./?.so' lua5.4 -e %s"):format(
      beside, helper.quote 'print(require "userns.sys".image_path())'))
    assert.same({ out = beside .. "userns-init\n", err = "", code = 0 }, result)
  end)
end)
