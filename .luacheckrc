std = "lua54"
include_files = { "**/*.lua", "bin/*", "rockspec/*.rockspec", ".busted", ".luacheckrc" }
exclude_files = { "build*/**", "lua_modules/**" }
files["spec"] = { std = "+busted" }
files["rockspec"] = { std = "+rockspec" }
