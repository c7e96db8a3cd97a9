-- The types that fields of a description have.  A type is a table
--   { name = words for the reference, check = function(value, report, path) }
-- whose check calls report(path, message) for each problem and returns true
-- when there was none.  Nothing here raises, and nothing is changed.
local types = {}

local INTEGER_TYPES <const> = { integer = "integer", float = "number with a fraction" }

--- What a value is, in the words of a message.
local function describe(value)
  if type(value) == "number" then
    return value ~= value and "not a number (NaN)" or INTEGER_TYPES[math.type(value)]
  end
  return io.type(value) and "file" or type(value)
end

--- Whether a value is a table without fields that are not there to be checked.
function types.is_plain(value)
  return type(value) == "table" and getmetatable(value) == nil
end

--- Whether a table has entries that are numbered.
function types.has_numbers(value)
  for key in next, value do
    if math.type(key) == "integer" then
      return true
    end
  end
  return false
end

local function check_table(value, report, path, what)
  if type(value) ~= "table" then
    report(path, ("%s expected, got %s"):format(what, describe(value)))
    return false
  end
  if not types.is_plain(value) then
    report(path, ("plain %s expected, got one with a metatable"):format(what))
    return false
  end
  return true
end

local PRINTED <const> = { string = true, number = true, boolean = true }

--- A key as a path shows it; others may have a __tostring of their own.
local function label(key)
  return PRINTED[type(key)] and tostring(key) or type(key)
end

--- The keys of a table that a test holds for, in the same order in every run.
local function sorted_keys(value, test)
  local keys <const> = {}
  for key in next, value do
    keys[#keys + 1] = test(key) and key or nil
  end
  table.sort(keys, function(a, b)
    return label(a) < label(b)
  end)
  return keys
end

local function any()
  return true
end

local function make(name, test, message)
  return {
    name = name,
    check = function(value, report, path)
      local ok, why, cause = test(value)
      if not ok then
        report(path, why or message or ("%s expected, got %s"):format(name, describe(value)), cause)
      end
      return ok
    end,
  }
end

--- The word of a list that is nearest to another, if it is near at all.
function types.nearest(word, words)
  local best, best_distance = nil, math.max(1, #word // 3) + 1
  for _, candidate in ipairs(words) do
    -- a distance is no less than the difference in length
    if math.abs(#word - #candidate) < best_distance then
      local distance <const> = types.distance(word, candidate)
      if distance < best_distance then
        best, best_distance = candidate, distance
      end
    end
  end
  return best
end

--- Levenshtein's distance, a transposition counted as one.
function types.distance(a, b)
  local before, above
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    before, above, row = above, row, { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
  end
  return row[#b]
end

local function unknown(word, words, what)
  local near <const> = types.nearest(word, words)
  return ("unknown %s '%s'%s"):format(what, word, near and (" (did you mean '%s'?)"):format(near) or "")
end

types.flag = make("boolean", function(value)
  return type(value) == "boolean"
end)

types.callback = make("function", function(value)
  return type(value) == "function"
end)

--- An integer in a range; a float or a string of digits is none.
function types.integer(min, max, name)
  return make(name or ("integer %d to %d"):format(min, max), function(value)
    if math.type(value) ~= "integer" then
      return false, ("integer expected, got %s"):format(describe(value))
    end
    return min <= value and value <= max, ("%d is out of range (%d to %d)"):format(value, min, max)
  end)
end

-- 4294967295 is the kernel's "leave unchanged".
types.id = types.integer(0, 0xFFFFFFFE, "id (0 to 4294967294)")

types.seconds = make("seconds", function(value)
  if type(value) ~= "number" or value ~= value or value < 0 or value == math.huge then
    return false, ("seconds (a number, 0 or more) expected, got %s"):format(
      type(value) == "number" and tostring(value) or describe(value))
  end
  return true
end)

--- A number in a range, whole or not.
function types.number(min, max, name)
  return make(name, function(value)
    if type(value) ~= "number" or value ~= value then
      return false, ("number expected, got %s"):format(describe(value))
    end
    return min <= value and value <= max, ("%s is out of range (%s to %s)"):format(value, min, max)
  end)
end

--- A string without NUL bytes, of a length.
function types.text(name, min, max)
  return make(name or "string", function(value)
    if type(value) ~= "string" then
      return false, ("string expected, got %s"):format(describe(value))
    end
    if value:find("\0", 1, true) then
      return false, "the string has a NUL byte"
    end
    if min and #value < min or max and #value > max then
      return false, ("%d bytes are not %s"):format(#value,
        max and ("%d to %d"):format(min, max) or ("%d or more"):format(min)), max and #value > max and "too_long" or nil
    end
    return true
  end)
end

types.string = types.text()

types.bytes = make("string", function(value)
  return type(value) == "string"
end)

-- PATH_MAX counts the NUL that ends a path.
local any_path <const> = types.text("path", 1, 4095)

local function path_problem(path)
  if path:sub(1, 1) ~= "/" then
    return "an absolute path is needed"
  end
  for name in path:gmatch("[^/]+") do
    if #name > 255 then
      return "a name of the path is longer than 255 bytes", "name_too_long"
    end
  end
  return nil
end

--- A path on the host's side or in the program's view: absolute.
types.path = {
  name = "absolute path",
  check = function(value, report, path)
    if not any_path.check(value, report, path) then
      return false
    end
    local problem <const>, cause <const> = path_problem(value)
    if problem then
      report(path, problem, cause)
    end
    return not problem
  end,
}

--- A path inside the root, where something is put: without "..", whose meaning
--- would depend on what is found on the way.
types.target = {
  name = "absolute path without '..'",
  check = function(value, report, path)
    if not types.path.check(value, report, path) then
      return false
    end
    if ("/" .. value .. "/"):find("/../", 1, true) then
      report(path, "'..' has no place in a target")
      return false
    end
    return true
  end,
}

--- A path in its shortest form: slashes doubled or at the end mean nothing, and
--- "." neither.
function types.clean_path(path)
  local names <const> = {}
  for name in path:gmatch("[^/]+") do
    names[#names + 1] = name ~= "." and name or nil
  end
  return "/" .. table.concat(names, "/")
end

--- Permission bits, as an integer or an octal string.
types.mode = make("mode (0 to 07777, or an octal string)", function(value)
  if math.type(value) == "integer" then
    return 0 <= value and value <= 4095, ("%d is out of range (0 to 07777)"):format(value)
  end
  if type(value) == "string" and value:find("^[0-7]+$") and #value <= 5 then
    return tonumber(value, 8) <= 4095, ("'%s' is out of range (0 to 07777)"):format(value)
  end
  return false, ("mode (an integer, or an octal string as \"0755\") expected, got %s"):format(
    type(value) == "string" and ("%q"):format(value) or describe(value))
end)

local UNITS <const> = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }

--- Bytes, as an integer or as "64M"; nil for anything else or too much.
function types.to_bytes(value)
  if type(value) == "string" then
    local digits, unit = value:match("^(%d+)([KMGT]?)$")
    local number <const> = digits and #digits <= 15 and math.tointeger(tonumber(digits))
    value = number and number <= math.maxinteger // UNITS[unit] and number * UNITS[unit] or nil
  end
  return math.type(value) == "integer" and value >= 0 and value or nil
end

types.size = make("size (bytes, or \"64M\")", function(value)
  return types.to_bytes(value) ~= nil, ("size (bytes, or \"64M\") expected, got %s"):format(
    type(value) == "string" and ("%q"):format(value) or math.type(value) and tostring(value) or describe(value))
end)

--- One of some words.
function types.choice(words, what)
  return {
    name = "\"" .. table.concat(words, "\", \"") .. "\"",
    words = words,
    check = function(value, report, path)
      for _, word in ipairs(words) do
        if word == value then
          return true
        end
      end
      report(path, type(value) == "string" and unknown(value, words, what or "word")
        or ("%s expected, got %s"):format(what or "word", describe(value)))
      return false
    end,
  }
end

--- Whether a table has the keys 1, 2, 3 ... and no others.
function types.is_list(value)
  local count, length = 0, #value
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      return false
    end
    count = count + 1
  end
  return count == length
end

--- The members of a set in the order of a list that has them all.
function types.listed(set, order)
  local list <const> = {}
  for i = 1, next(set) and #order or 0 do
    local name <const> = order[i]
    list[#list + 1] = set[name] and name or nil
  end
  return list
end

--- Whether a table is a list as far as that can be told at a glance, for a type
--- that is a list or a record.
function types.looks_like_list(value)
  return rawlen(value) > 0 or next(value) == nil
end

--- A list without holes whose entries have a type.
function types.list(entry, name)
  return {
    name = name or "list of " .. entry.name,
    entry = entry,
    check = function(value, report, path)
      if not check_table(value, report, path, "list") then
        return false
      end
      if not types.is_list(value) then
        report(path, "a list has the keys 1, 2, 3 ... and no others")
        return false
      end
      local ok = true
      for i, item in ipairs(value) do
        ok = entry.check(item, report, ("%s[%d]"):format(path, i)) and ok
      end
      return ok
    end,
  }
end

--- A list, or a single entry for a list of one.
function types.one_or_list(entry, name)
  local list <const> = types.list(entry, name)
  return {
    name = list.name,
    check = function(value, report, path)
      return (type(value) == "table" and list or entry).check(value, report, path)
    end,
  }
end

--- A map whose keys and values have types. The path of a value is as its author
--- would write it: `env["A"]`, or `join.net` where keys are words.
function types.map(key, value_type, name)
  return {
    name = name,
    check = function(value, report, path)
      if not check_table(value, report, path, "table") then
        return false
      end
      local ok = true
      for _, k in ipairs(sorted_keys(value, any)) do
        local at <const> = key.is_word and ("%s.%s"):format(path, label(k))
          or ("%s[%s]"):format(path, type(k) == "string" and ("%q"):format(k) or label(k))
        ok = key.check(k, report, at) and ok
        ok = value_type.check(value[k], report, at) and ok
      end
      return ok
    end,
  }
end

--- Any of several types, told apart by a function from value to type.
function types.either(name, pick)
  return {
    name = name,
    check = function(value, report, path)
      local chosen <const> = pick(value)
      if not chosen then
        report(path, ("%s expected, got %s"):format(name, describe(value)))
        return false
      end
      return chosen.check(value, report, path)
    end,
  }
end

local function field_names(fields)
  local names <const> = {}
  for i, field in ipairs(fields) do
    names[i] = field.name
  end
  return names
end

local function member(path, name)
  return path == "" and name or ("%s.%s"):format(path, name)
end

local function report_stranger(key, fields, report, path)
  if type(key) == "string" then
    report(member(path, key), unknown(key, field_names(fields), "field"), "unknown_field")
  else
    report(("%s[%s]"):format(path, label(key)), "unknown field", "unknown_field")
  end
end

local function check_known(value, fields, report, path, known)
  local function is_strange(key)
    return not known[key] and not (known[1] and math.type(key) == "integer")
  end
  for key in next, value do
    if is_strange(key) then
      for _, stranger in ipairs(sorted_keys(value, is_strange)) do
        report_stranger(stranger, fields, report, path)
      end
      return false
    end
  end
  return true
end

local function by_name(fields, array)
  local set <const> = { array }
  for _, field in ipairs(fields) do
    set[field.name] = field
  end
  return set
end

--- A record: fields is a list of { name, type, required?, default?, doc }; with
--- `array` set the record's array part is looked at elsewhere.
function types.record(fields, name, array)
  local known <const> = by_name(fields, array)
  return {
    name = name,
    fields = fields,
    check = function(value, report, path)
      if not check_table(value, report, path, "table") then
        return false
      end
      local ok = check_known(value, fields, report, path, known)
      for i = 1, #fields do
        local field <const> = fields[i]
        if value[field.name] ~= nil then
          ok = field.type.check(value[field.name], report, member(path, field.name)) and ok
        elseif field.required then
          report(member(path, field.name), ("missing (%s)"):format(field.type.name), "missing_field")
          ok = false
        end
      end
      return ok
    end,
  }
end

--- A record whose field `type` says which fields it has.
function types.variants(records, name)
  local words <const> = {}
  for word in pairs(records) do
    words[#words + 1] = word
  end
  table.sort(words)
  local word_type <const> = types.choice(words, "type")
  return {
    name = name,
    variants = records,
    check = function(value, report, path)
      if not check_table(value, report, path, "table") then
        return false
      end
      if value.type == nil then
        report(path .. ".type", ("missing (%s)"):format(word_type.name), "missing_field")
        return false
      end
      return word_type.check(value.type, report, path .. ".type")
        and records[value.type].check(value, report, path)
    end,
  }
end

--- A type with another test after its own: test(value) → nil, or a message and the
--- word for its cause, if there is one.
function types.with(base, test, name)
  return {
    name = name or base.name,
    check = function(value, report, path)
      if not base.check(value, report, path) then
        return false
      end
      local message <const>, cause <const> = test(value)
      if message then
        report(path, message, cause)
      end
      return not message
    end,
  }
end

return types
