-- Claims the right to rebuild, renews the claim, or gives it back.
--
-- KEYS  claim
-- ARGV  1 who claims, 2 for how long in ms; 0: gives it back
-- Returns {whose claim it is now ('' when nobody's), for how long in ms}.

local claim, who, ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local holder = redis.call('GET', claim)
if holder and holder ~= who then  -- guarantee: one-rebuild-at-a-time
  return {holder, redis.call('PTTL', claim)}
end
if ms == 0 then
  redis.call('DEL', claim)
  return {'', 0}
end
redis.call('SET', claim, who, 'PX', ms)
return {who, ms}
