-- luacheck: read globals threads
-- To be run by build/spec/threads: launches in a host that has another thread.
local launches = require "spec.support.launches"

threads.start("threads.await(1)")
launches(os.getenv "LAUNCH", math.random(100))
