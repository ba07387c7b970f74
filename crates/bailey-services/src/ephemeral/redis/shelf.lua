-- What one tenant holds, as in the process's memory (shelf.rs): keys with the instant they expire,
-- counters with their hits. This goes before each of the scripts beside it. Before this in turn go
-- the limits, as MOST_KEYS, MOST_BYTES, MOST_HITS, KEY_BYTES and HIT_BYTES.
--
--   shelf              sorted set: a letter for the kind and the key, scored by its instant of expiry
--   shelf:usage        hash: under '' the bytes all of it costs, under a counter how many hits it keeps
--   shelf:hits:<key>   list: the instants of a counter's hits, oldest first
--
-- All carry the tenant in braces, so a cluster keeps them together. Instants are milliseconds since
-- 1970 by the clock of this server: all hosts that share it agree on the time.

local shelf = KEYS[1]
local usage = shelf .. ':usage'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function hits_of(slot)
  return shelf .. ':hits:' .. string.sub(slot, 2)
end

-- When a slot expires; nil if it is not there.
local function expiry(slot)
  local expires_at = tonumber(redis.call('ZSCORE', shelf, slot))
  return expires_at and expires_at > now and expires_at or nil
end

-- Forgets a slot; what all the others cost.
local function remove(slot)
  local bytes = KEY_BYTES + #slot - 1
  if string.sub(slot, 1, 1) == 'c' then
    bytes = bytes + HIT_BYTES * (tonumber(redis.call('HGET', usage, slot)) or 0)
    redis.call('HDEL', usage, slot)
    redis.call('DEL', hits_of(slot))
  end
  redis.call('ZREM', shelf, slot)
  return redis.call('HINCRBY', usage, '', -bytes)
end

-- Forgets a few that have expired.
local function forget_expired()
  for _, slot in ipairs(redis.call('ZRANGE', shelf, '-inf', now, 'BYSCORE', 'LIMIT', 0, CLEARED_BY_A_CALL)) do
    remove(slot)
  end
end

-- Keeps a slot that now costs so many bytes more; others make room for it, it itself stays.
local function put(slot, expires_at, more)
  local is_new = redis.call('ZADD', shelf, expires_at, slot) == 1
  local keys = redis.call('ZCARD', shelf)
  if is_new then
    more = more + KEY_BYTES + #slot - 1
    if keys == 1 then
      redis.call('DEL', usage) -- whatever it says: a server out of memory may have dropped the shelf alone
    end
  end
  local bytes = redis.call('HINCRBY', usage, '', more)
  while keys > MOST_KEYS or bytes > MOST_BYTES do
    local soonest = redis.call('ZRANGE', shelf, 0, 1)
    local slot_to_go = soonest[1] ~= slot and soonest[1] or soonest[2]
    if not slot_to_go then
      break
    end
    bytes = remove(slot_to_go)
    keys = keys - 1
  end
  -- A tenant that falls silent leaves nothing behind.
  local last = redis.call('ZRANGE', shelf, 0, 0, 'REV', 'WITHSCORES')[2]
  redis.call('PEXPIREAT', shelf, last)
  redis.call('PEXPIREAT', usage, last)
end
