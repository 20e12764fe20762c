-- Takes or renews the lease of a receiver, or gives it back.
--
-- KEYS  lease
-- ARGV  1 who, 2 for how long in ms; 0: gives it back
-- Returns 1 if it is theirs now, else 0.

local lease, who, ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local holder = redis.call('GET', lease)
if holder and holder ~= who then  -- guarantee: one-process-delivers
  return 0
end
if ms == 0 then
  redis.call('DEL', lease)
  return 0
end
redis.call('SET', lease, who, 'PX', ms)
return 1
