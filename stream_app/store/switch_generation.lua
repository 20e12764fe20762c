-- Makes a built generation the active one, if nobody switched meanwhile. May be run again: the answer stays the same.
--
-- KEYS  generations (hash)
-- ARGV  1 the active one that was read, whose keys are to be dropped, 2 the one that was built
-- Returns 1 it is active, 0 refused.

local generations, old, new = KEYS[1], ARGV[1], ARGV[2]
local active = redis.call('HGET', generations, 'active') or '1'
if active == new then
  return 1
end
if active ~= old or redis.call('HGET', generations, 'building') ~= new then  -- guarantee: switch-unless-switched-meanwhile
  return 0
end
redis.call('HSET', generations, 'active', new)
redis.call('HDEL', generations, 'building', 'lost')
redis.call('HSET', generations, 'drop:' .. old, 1)
return 1
