"""What Redis does in one step.

A task has two keys: its version, and its answer as it was read. The version outlives the answer, so
that a reader who was slow cannot bring back an older one.
"""

ENTRY_SECONDS = 1
"""How old an answer may be, by Redis's clock, counted from before it was read."""

VERSION_SECONDS = 2
"""How long a version is kept: longer than any answer that was read before it is still taken."""

GONE = 2**53 - 1
"""The version of a task that was deleted: above all others, and exact in Lua."""

_VERSION = """local function version_at(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and tonumber(found) or -1
end
"""

FILL = f"""{_VERSION}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = tonumber(ARGV[2]) + {ENTRY_SECONDS * 1000} - now
if left <= 0 or version_at(KEYS[1]) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', {VERSION_SECONDS * 1000})
redis.call('SET', KEYS[2], ARGV[3], 'PX', math.min(left, {ENTRY_SECONDS * 1000}))
return 1"""
"""Keep an answer unless a newer version is known, or it was asked for too long ago.

Keys: version, answer. Arguments: version, Redis's time in ms before the read, answer.
"""

ANNOUNCE = f"""{_VERSION}
for at = 2, #KEYS, 2 do
  local version = tonumber(ARGV[at / 2 + 2])
  if version_at(KEYS[at]) <= version then
    redis.pcall('SET', KEYS[at], ARGV[at / 2 + 2], 'PX', {VERSION_SECONDS * 1000})
    redis.pcall('DEL', KEYS[at + 1])
  end
end
local number = tonumber(redis.pcall('INCR', KEYS[1]))
if not number or number == 1 then
  local time = redis.call('TIME')
  number = time[1] * 1000000 + time[2]
  redis.pcall('SET', KEYS[1], string.format('%.0f', number))
end
number = string.format('%.0f', number)
redis.call('PUBLISH', ARGV[1], '{{"number":' .. number .. ARGV[2])
return number"""
"""Raise versions, drop the answers that are older, and publish one message.

Keys: counter, then version and answer of each task. Arguments: channel, message without its
beginning, then each version. Messages are numbered without gaps; a counter that was lost goes on
from the time in microseconds, which is more than it can have counted. A Redis that is full or
read-only still publishes.
"""

TAKE = """local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at
for at = 1, 2 do
  local found = redis.pcall('GET', KEYS[at])
  full_at = type(found) == 'string' and tonumber(found) or now
  full_at = math.min(full_at, now + room + interval)
  local wait = full_at - now - room
  if wait > interval / 1000 then return math.ceil(wait) end
end
full_at = math.max(full_at, now) + interval
local left = math.ceil((full_at - now) / 1000)
redis.call('SET', KEYS[2], string.format('%.3f', full_at), 'PX', math.max(left, 1))
return 0"""
"""Take one out of a bucket, and return 0; where it or the other is empty, for how long in us.

A bucket is the time at which it is full, in microseconds; a clock that was put back makes nobody
wait longer than for a whole bucket. Keys: the one that is only checked, the one that is taken
from; both may be the same. Arguments: microseconds for one, and for a whole bucket less one.
"""
