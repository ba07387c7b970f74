-- Adds a hit to the counter ARGV[1]; how many there are within ARGV[2] milliseconds, this included.

local slot, window = ARGV[1], tonumber(ARGV[2])
local list = hits_of(slot)
forget_expired()

local expires_at = expiry(slot)
local length, kept, widest = 0, 0, window
if expires_at then
  kept = tonumber(redis.call('HGET', usage, slot)) or 0
  local last = tonumber(redis.call('LINDEX', list, -1))
  if last then
    length = redis.call('LLEN', list)
    -- A counter expires its widest window after its last hit.
    widest = math.max(window, expires_at - last)
    -- The server's clock may be set back; the hits stay in order, as if it had stood still.
    now = math.max(now, last)
  end
else
  if redis.call('ZSCORE', shelf, slot) then
    remove(slot)
  end
  redis.call('DEL', list)
end

-- How many hits came at an instant or before it.
local function hits_until(instant)
  local low, high = 0, length
  while low < high do
    -- The oldest hit first: it is the only one to look at as long as none leaves.
    local middle = low == 0 and high == length and 0 or math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', list, middle)) <= instant then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local leaving = math.max(hits_until(now - widest), length - MOST_HITS + 1)
if leaving > 0 then
  redis.call('LTRIM', list, leaving, -1)
  length = length - leaving
end
length = redis.call('RPUSH', list, now)
redis.call('PEXPIREAT', list, now + widest)
put(slot, now + widest, HIT_BYTES * (length - kept))
redis.call('HSET', usage, slot, length)
return window == widest and length or length - hits_until(now - window)
