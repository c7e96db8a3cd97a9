-- What the command says: answers on standard output; errors and notes on
-- standard error, for people in up to four parts - what failed, where that is in
-- the file, why, and what to do - and for machines as objects.
local json = require "userns.command.json"
local status = require "userns.command.status"
local sys = require "userns.sys"

---@class userns.command.Report
---@field json boolean
---@field quiet boolean
---@field colours boolean
---@field columns integer? of the terminal that standard error is
local report <const> = {}
report.__index = report

-- ECMA-48: what stands out, and what stands back.
local STYLES <const> = { error = "1;31", what = "1", label = "2" }

local function escape(text)
  return (text:gsub(".", function(c)
    return c == "\n" and "\\n" or ("\\x%02x"):format(c:byte())
  end))
end

--- Text that may come from anybody, fit for a line of a terminal: without control
--- characters, of which UTF-8 has some more.
---@param text string
---@return string
function report.printable(text)
  local unfit <const> = utf8.len(text) and "[%c\127]" or "[%c\127-\255]"
  return (text:gsub(unfit, escape):gsub("\xc2[\x80-\x9f]", escape))
end

local printable <const> = report.printable

local function styled(self, style, text)
  return self.colours and ("\27[%sm%s\27[0m"):format(STYLES[style], text) or text
end

--- Whether colours are welcome on a terminal (no-color.org).
local function wants_colours()
  return (os.getenv "NO_COLOR" or "") == "" and os.getenv "TERM" ~= "dumb"
end

---@param options table<string, boolean>
---@return userns.command.Report
function report.new(options)
  local rows <const>, columns <const> = sys.terminal_size(2)
  return setmetatable({
    json = options.json == true,
    quiet = options.quiet == true,
    colours = rows ~= nil and wants_colours(),
    columns = rows and columns > 0 and columns or nil,
  }, report)
end

-- ---- what failed ----------------------------------------------------------

--- What was attempted, on what, and what came of it.
local function what(err)
  if err.op == "usage" then
    return err.message
  elseif err.op == "validate" and err.field then
    return err.field .. " is wrong"
  end
  local operand <const> = err.path and (" '%s'"):format(err.path) or ""
  return ("%s%s: %s"):format(err.op, operand, err.message)
end

-- ---- where ----------------------------------------------------------------

local function where(err)
  local parts <const> = {}
  local at <const> = err.where or {}
  if at.argument then
    parts[1] = ("word %d after --"):format(at.argument)
  elseif at.file then
    parts[1] = at.line and ("%s:%d"):format(at.file, at.line) or at.file
  end
  if err.field and err.op ~= "validate" and not at.argument then
    parts[#parts + 1] = err.field
  end
  parts[#parts + 1] = err.step and ("step %d of the plan, the %s's"):format(err.step, err.side) or nil
  return #parts > 0 and table.concat(parts, ", ") or nil
end

-- ---- why, and what to do --------------------------------------------------

--- Where several causes remain, each with what to do about it.
local function causes(err)
  local list <const> = { "one of these:" }
  for _, cause in ipairs(err.causes) do
    list[#list + 1] = "- " .. (cause.why or cause.cause) .. (cause.hint and "; " .. cause.hint or "")
  end
  return list
end

local function why(err)
  if err.causes and #err.causes > 0 then
    return causes(err)
  end
  return { err.why or err.op == "validate" and err.field and err.message or nil }
end

local function hint(err)
  return not (err.causes and #err.causes > 0) and err.hint or nil
end

-- ---- putting it together --------------------------------------------------

local LABELS <const> = { "where:", "why:", "hint:" }
local INDENT <const> = 9 -- of what stands beside a label

--- A text in lines of as many bytes at most, as far as its words allow.
local function wrapped(text, width)
  if #text <= width then
    return { text }
  end
  local list <const> = {}
  for word in text:gmatch("%S+") do
    local last <const> = list[#list]
    if last and #last + 1 + #word <= width then
      list[#list] = last .. " " .. word
    else
      list[#list + 1] = word
    end
  end
  return list
end

--- A part of an error: its label, and beside it one text under the other.
local function add_part(self, list, label, texts)
  local beside = styled(self, "label", ("  %-7s"):format(label))
  for _, text in ipairs(texts) do
    local fit <const> = printable(text)
    for _, line in ipairs(wrapped(fit, (self.columns or math.huge) - INDENT)) do
      list[#list + 1] = beside .. line
      beside = (" "):rep(INDENT)
    end
  end
end

local function lines(self, err)
  local list <const> = { styled(self, "error", "userns:") .. " " .. styled(self, "what", printable(what(err))) }
  for i, texts in ipairs { { where(err) }, why(err), { hint(err) } } do
    add_part(self, list, LABELS[i], texts)
  end
  return table.concat(list, "\n")
end

--- An error in words; of a wrong description, every problem.
---@param err userns.Error
---@return string
function report:text(err)
  local blocks <const> = {}
  for i, problem in ipairs(err.problems or { err }) do
    blocks[i] = lines(self, problem)
  end
  return table.concat(blocks, "\n") .. "\n"
end

--- Tells an error; the exit status that goes with it.
---@param err userns.Error
---@return integer status
function report:fail(err)
  io.stderr:write(self.json and json(err) .. "\n" or self:text(err))
  return status.of_error(err)
end

--- Tells something to machines where standard output is the program's.
---@param value any
function report.object(_, value)
  io.stderr:write(json(value), "\n")
end

--- Tells what is as it was not asked for.
---@param text string
function report:note(text)
  if not self.quiet and not self.json then
    io.stderr:write(styled(self, "label", "userns: note: " .. printable(text)), "\n")
  end
end

--- Tells what a container has not got.
---@param degraded { feature: string, used: string, reason: string }[]
function report:degraded(degraded)
  for _, entry in ipairs(degraded) do
    self:note(("%s: %s instead (%s)"):format(entry.feature, entry.used, entry.reason))
  end
end

--- Prints what was asked for, and sees to it that it is read or written.
---@param text string
---@param code integer? the exit status, if that is not 0
---@return integer status
function report:answer(text, code)
  local ok, message = io.stdout:write(text)
  if ok then
    ok, message = io.stdout:flush()
  end
  if not ok then
    return self:fail(sys.error { op = "write", path = "standard output", message = message })
  end
  return code or status.OK
end

--- The same for machines.
---@param value any
---@param code integer?
---@return integer status
function report:answer_json(value, code)
  return self:answer(json(value) .. "\n", code)
end

return report
