-- Removes alerts that a receiver got, that were given up, or that are suppressed now.
--
-- KEYS  waiting, queued, info, warning, critical, handled, suppressed
-- ARGV  1 '1' where the same alerts may be queued again (those given up), else '0'
--       2 how many pairs follow: reason, and how many suppressed alerts the message counted (negative: how many are
--         suppressed now); then the refs
-- Returns how many were there.

local waiting, queued, info, warning, critical, handled, suppressed = unpack(KEYS)
local pairs_end = 2 + 2 * tonumber(ARGV[2])
local removed = 0

for i = pairs_end + 1, #ARGV do
  local ref = ARGV[i]
  removed = removed + redis.call('HDEL', waiting, ref)
  for _, key in ipairs({queued, info, warning, critical}) do
    redis.call('ZREM', key, ref)
  end
  if ARGV[1] == '1' then
    redis.call('ZREM', handled, ref)
  end
end
if removed > 0 then  -- asked again after a lost reply, nothing is subtracted twice
  for i = 3, pairs_end, 2 do
    local left = redis.call('HINCRBY', suppressed, ARGV[i], -ARGV[i + 1])
    if left <= 0 then
      redis.call('HDEL', suppressed, ARGV[i])
    end
  end
end
return removed
