-- The completion of the command, for the shells that have such a thing.
local grammar = require "userns.command.grammar"

local complete = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- A template, with the lines of a list for each that is "$NAME", as far indented.
local function fill(template, values)
  local lines <const> = {}
  for line in template:gmatch("[^\n]+") do
    local indent <const>, name <const> = line:match("^(%s*)%$(%u+)$")
    for _, inner in ipairs(name and values[name] or { line }) do
      lines[#lines + 1] = name and indent .. inner or inner
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- What a function makes of each of the commands, in order.
local function of_commands(make)
  local list <const> = {}
  for _, command in ipairs(grammar.commands) do
    for _, line in ipairs(make(command)) do
      list[#list + 1] = line
    end
  end
  return list
end

local function names(list, before)
  local words <const> = {}
  for i, entry in ipairs(list) do
    words[i] = (before or "") .. entry.name
  end
  return table.concat(words, " ")
end

--- The words that an operand of a command may be.
local function words_of(command)
  local operand <const> = command.operands[1]
  return operand and operand.words and table.concat(operand.words, " ") or nil
end

-- ---- bash -----------------------------------------------------------------

-- Without a reply bash completes names of files.
local BASH <const> = [=[
_userns() {
  local word=${COMP_WORDS[COMP_CWORD]} command='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --)
        ((i < COMP_CWORD - 1)) || mapfile -t COMPREPLY < <(
          comm -23 <(compgen -c -- "$word" | sort -u) <(compgen -k -- "$word" | sort -u))
        return
        ;;
      -*) ;;
      *) command=${command:-${COMP_WORDS[i]}} ;;
    esac
  done
  case $command:$word in
    $CASES
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _userns userns
]=]

local BASH_KINDS <const> = { target = "$(cd /proc && echo [0-9]*)" }

function complete.bash()
  local cases <const> = of_commands(function(command)
    local words <const>, operand <const> = words_of(command), command.operands[1] or {}
    local values <const> = words and quote(words) or BASH_KINDS[operand.kind]
    return {
      ("%s:-*) words=%s ;;"):format(command.name, quote(names(command.options, "--"))),
      values and ("%s:*) words=%s ;;"):format(command.name, values),
    }
  end)
  cases[#cases + 1] = (":-*) words=%s ;;"):format(quote(names(grammar.options, "--")))
  cases[#cases + 1] = (":*) words=%s ;;"):format(quote(names(grammar.commands)))
  return fill(BASH, { CASES = cases })
end

-- ---- zsh ------------------------------------------------------------------

-- zsh has arrays of its own called commands and options.
local ZSH <const> = [=[
#compdef userns
_userns() {
  local context state line
  typeset -A opt_args
  local -a userns_commands=(
    $COMMANDS
  )
  local -a userns_options=(
    $OPTIONS
  )
  _arguments -C $userns_options '1: :->command' '*:: :->operands'
  case $state in
    command) _describe command userns_commands ;;
    operands)
      case $line[1] in
        $CASES
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _userns ]]; then
  _userns "$@"
else
  compdef _userns userns
fi
]=]

local ZSH_KINDS <const> = {
  file = "_files",
  target = "{ _alternative 'processes:process:_pids' 'files:file:_files' }",
}

local function zsh_options(list)
  local specs <const> = {}
  for i, option in ipairs(list) do
    specs[i] = option.short
      and ("'(-%s --%s)'{-%s,--%s}%s"):format(option.short, option.name, option.short, option.name,
        quote(("[%s]"):format(option.doc)))
      or quote(("--%s[%s]"):format(option.name, option.doc))
  end
  return table.concat(specs, " ")
end

local function zsh_operand(command)
  local operand <const> = command.operands[1]
  if not operand then
    return ""
  end
  local action <const> = operand.words and ("(%s)"):format(words_of(command)) or ZSH_KINDS[operand.kind]
  return " " .. quote(("%s:%s:%s"):format(operand.many and "*" or "1", operand.name, action))
end

function complete.zsh()
  return fill(ZSH, {
    OPTIONS = { zsh_options(grammar.options) },
    COMMANDS = of_commands(function(command)
      return { quote(("%s:%s"):format(command.name, command.doc)) }
    end),
    CASES = of_commands(function(command)
      return { ("%s) _arguments -S %s%s%s ;;"):format(command.name, zsh_options(command.options), zsh_operand(command),
        command.program and " '*::: :_normal'" or "") }
    end),
  })
end

-- ---- fish -----------------------------------------------------------------

local FISH <const> = [[
complete -c userns -f
$TOP
$COMMANDS
]]

local function fish_options(list, condition)
  local lines <const> = {}
  for i, option in ipairs(list) do
    lines[i] = ("complete -c userns -n %s%s -l %s -d %s"):format(quote(condition),
      option.short and " -s " .. option.short or "", option.name, quote(option.doc))
  end
  return lines
end

local FISH_KINDS <const> = { file = "-F", target = "-F -a '(__fish_complete_pids)'" }

function complete.fish()
  local top <const> = fish_options(grammar.options, "__fish_use_subcommand")
  for _, command in ipairs(grammar.commands) do
    top[#top + 1] = ("complete -c userns -n __fish_use_subcommand -a %s -d %s"):format(command.name, quote(command.doc))
  end
  return fill(FISH, { TOP = top, COMMANDS = of_commands(function(command)
    local condition <const> = "__fish_seen_subcommand_from " .. command.name
    local lines <const> = fish_options(command.options, condition)
    local operand <const> = command.operands[1]
    lines[#lines + 1] = operand and ("complete -c userns -n %s %s"):format(quote(condition),
      operand.words and "-a " .. quote(words_of(command)) or FISH_KINDS[operand.kind])
    return lines
  end) })
end

return complete
