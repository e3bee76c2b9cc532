"""What Redis must do in one step, in Lua; Redis 6.2 is enough.

They are sent whole each time (EVAL), so that a restarted Redis needs nothing loaded.
"""

SWEEP = """
-- Creates the declared groups that are missing, then frees what every group has acknowledged.
-- Entries too old or too many go too: then answers how many and which groups had not had them.
local key, keep, most, retention = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

local function parts(id) return id:match('^(%d+)-(%d+)$') end
local function less(a, b) return #a < #b or (#a == #b and a < b) end
local function before(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  if a_ms ~= b_ms then return less(a_ms, b_ms) end
  return less(a_seq, b_seq)
end
local function following(id)
  local ms, seq = parts(id)
  if #seq > 15 then return id end  -- a number in Lua is exact only so far; one entry stays longer
  return ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
end
local function fields(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local exists = redis.call('EXISTS', key) == 1
local known = {}
if exists then
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    known[fields(flat)['name']] = true
  end
end
for i = 4, #ARGV do
  if not known[ARGV[i]] then
    redis.call('XGROUP', 'CREATE', key, ARGV[i], '0', 'MKSTREAM')
    exists = true
  end
end
if not exists then return {0} end

local floors, lowest = {}, nil
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local group = fields(flat)
  local floor = following(group['last-delivered-id'])
  if group['pending'] > 0 then
    local first = redis.call('XPENDING', key, group['name'])[2]
    if first and before(first, floor) then floor = first end
  end
  floors[group['name']] = floor
  if not lowest or before(floor, lowest) then lowest = floor end
end
if not lowest then
  redis.call('XTRIM', key, 'MAXLEN', '~', keep)
  return {0}
end
redis.call('XTRIM', key, 'MINID', lowest)

local now = redis.call('TIME')
local oldest = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - retention
local lost = redis.call('XTRIM', key, 'MINID', string.format('%.0f-0', math.max(oldest, 0)))
lost = lost + redis.call('XTRIM', key, 'MAXLEN', '~', most)
local answer = {lost}
if lost > 0 then
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  local rest = first and first[1]
    or following(fields(redis.call('XINFO', 'STREAM', key))['last-generated-id'])
  for name, floor in pairs(floors) do
    if before(floor, rest) then answer[#answer + 1] = name end
  end
end
return answer
"""

BEAT = """
-- Resets the idle time of those entries that are still this member's; answers which they are.
local key, group, me, held = KEYS[1], ARGV[1], ARGV[2], {}
for i = 3, #ARGV do
  if redis.call('XPENDING', key, group, ARGV[i], ARGV[i], 1, me)[1] then
    redis.call('XCLAIM', key, group, me, 0, ARGV[i], 'JUSTID')
    held[#held + 1] = ARGV[i]
  end
end
return held
"""

TAKE_OVER = """
-- Takes over what no member has worked on for a while: {{id, delivery count, fields}, …}.
-- Of an entry trimmed away meanwhile only the id is answered, and it is pending no more.
local key, group, me, idle, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local taken = {}
for _, pending in ipairs(redis.call('XPENDING', key, group, 'IDLE', idle, '-', '+', count)) do
  local entry = redis.call('XCLAIM', key, group, me, idle, pending[1])[1]
  if entry then
    taken[#taken + 1] = {pending[1], pending[4] + 1, entry[2]}
  else
    redis.call('XACK', key, group, pending[1])
    taken[#taken + 1] = {pending[1]}
  end
end
return taken
"""

LEAVE = """
-- Makes what is unsettled free for others at once; a member with nothing unsettled is removed.
local key, group, me, long = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local mine = redis.call('XPENDING', key, group, '-', '+', 1000000, me)
for _, pending in ipairs(mine) do
  redis.call('XCLAIM', key, group, me, 0, pending[1], 'IDLE', long, 'JUSTID')
end
if #mine == 0 then redis.call('XGROUP', 'DELCONSUMER', key, group, me) end
return #mine
"""

FORGET = """
-- Removes our members that were silent for long; never one with entries pending: they'd be lost.
local key, group, prefix, silent = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, group)) do
  local member = {}
  for i = 1, #flat, 2 do member[flat[i]] = flat[i + 1] end
  local ours = string.sub(member['name'], 1, #prefix) == prefix
  if ours and member['pending'] == 0 and member['idle'] > silent then
    redis.call('XGROUP', 'DELCONSUMER', key, group, member['name'])
  end
end
return 0
"""

END = """
-- The id of the last entry ever added to a channel.
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then return '0-0' end
local info = redis.call('XINFO', 'STREAM', key)
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then return info[i + 1] end
end
return '0-0'
"""
