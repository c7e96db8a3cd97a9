-- What a filter of system calls answers, without running it: the instructions of
-- classic BPF that seccomp(2) takes, over the data that it gives them.
local bpf = {}

--- Bytes of an instruction, and the most instructions that a kernel takes.
bpf.SIZE = 8
bpf.MAX = 4096

-- Instruction classes and the parts of a code, as linux/bpf_common.h has them.
local LD <const>, LDX <const>, ST <const>, STX <const> = 0, 1, 2, 3
local ALU <const>, JMP <const>, RET <const>, MISC <const> = 4, 5, 6, 7
-- Of whole words: a filter loads nothing smaller.
local MODE <const> = { IMM = 0x00, ABS = 0x20, MEM = 0x60, LEN = 0x80 }
local DATA_SIZE <const> = 64 -- of struct seccomp_data

local function word(number)
  return number & 0xFFFFFFFF
end

local ARITHMETIC <const> = {
  [0x00] = function(a, b) return a + b end,
  [0x10] = function(a, b) return a - b end,
  [0x20] = function(a, b) return a * b end,
  [0x30] = function(a, b) return b ~= 0 and a // b or nil end,
  [0x40] = function(a, b) return a | b end,
  [0x50] = function(a, b) return a & b end,
  [0x60] = function(a, b) return a << b end,
  [0x70] = function(a, b) return a >> b end,
  [0x80] = function(a) return -a end,
  [0xa0] = function(a, b) return a ~ b end,
}

local COMPARISON <const> = {
  [0x10] = function(a, b) return a == b end,
  [0x20] = function(a, b) return a > b end,
  [0x30] = function(a, b) return a >= b end,
  [0x40] = function(a, b) return a & b ~= 0 end,
}

--- What is loaded; nil where a filter may not load from.
local function load(machine, mode, k)
  if mode == MODE.IMM then
    return k
  elseif mode == MODE.MEM then
    return machine.memory[k]
  elseif mode == MODE.LEN then
    return DATA_SIZE
  elseif mode == MODE.ABS and k % 4 == 0 and k < DATA_SIZE then
    return (("<I4"):unpack(machine.data, k + 1))
  end
end

local function operand(machine, code, k)
  return code & 0x08 ~= 0 and machine.x or k
end

local function store(register)
  return function(machine, _, k)
    if k >= 16 then
      return nil
    end
    machine.memory[k] = machine[register]
    return 0
  end
end

-- Per class: what it does; how many instructions it jumps over, nil for one that
-- no filter may have.
local CLASSES <const> = {
  [LD] = function(machine, code, k)
    machine.a = load(machine, code & 0xf8, k)
    return machine.a and 0
  end,
  [LDX] = function(machine, code, k)
    machine.x = code & 0xf8 ~= MODE.ABS and load(machine, code & 0xf8, k) or nil
    return machine.x and 0
  end,
  [ST] = store "a",
  [STX] = store "x",
  [ALU] = function(machine, code, k)
    local compute <const> = ARITHMETIC[code & 0xf0]
    local result <const> = compute and compute(machine.a, operand(machine, code, k))
    machine.a = result and word(result)
    return machine.a and 0
  end,
  [JMP] = function(machine, code, k, jt, jf)
    if code & 0xf0 == 0 then
      return k
    end
    local holds <const> = COMPARISON[code & 0xf0]
    return holds and (holds(machine.a, operand(machine, code, k)) and jt or jf)
  end,
  [MISC] = function(machine, code)
    if code & 0xf8 == 0 then
      machine.x = machine.a
    else
      machine.a = machine.x
    end
    return 0
  end,
}

---@class userns.SystemCall
---@field arch integer AUDIT_ARCH_ of the architecture
---@field nr integer
---@field args integer[]? up to six; what is missing is 0

--- What a filter answers to a system call.
---@param program string
---@param call userns.SystemCall
---@return integer? answer SECCOMP_RET_ with its data; nil for a program that is no filter
---@return integer? instruction the one, from 1, that no filter may have or that is missing
function bpf.answer(program, call)
  local args <const> = call.args or {}
  local machine <const> = {
    a = 0, x = 0, memory = setmetatable({}, { __index = function(_, k) return k < 16 and 0 or nil end }),
    data = ("<I4I4i8i8i8i8i8i8i8"):pack(word(call.nr), call.arch, 0, args[1] or 0, args[2] or 0, args[3] or 0,
      args[4] or 0, args[5] or 0, args[6] or 0),
  }
  local pc = 1
  while pc <= #program // bpf.SIZE do
    local code, jt, jf, k = ("<I2BBI4"):unpack(program, (pc - 1) * bpf.SIZE + 1)
    if code & 0x07 == RET then
      return code & 0x18 == 0x10 and machine.a or k
    end
    local skip <const> = CLASSES[code & 0x07](machine, code, k, jt, jf)
    if not skip then
      return nil, pc
    end
    pc = pc + 1 + skip
  end
  return nil, pc
end

return bpf
