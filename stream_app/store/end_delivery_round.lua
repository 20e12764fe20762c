-- Ends a round of deliveries: messages that failed are due again, and the receiver's state is kept. All of it or nothing, so
-- that the alerts of one message stay together, and its id stays.
--
-- KEYS  lease, state, queued, info, warning, critical
-- ARGV  1 who delivered, 2 the receiver's state
--       then ref, when it is due again in ms, ref, when, ... of what failed
-- Returns 1, or 0 where another one has the lease: nothing is changed then.

local lease, state, queued, info, warning, critical = unpack(KEYS)
local holder = redis.call('GET', lease)
if holder and holder ~= ARGV[1] then  -- guarantee: lost-lease-writes-nothing
  return 0
end
for i = 3, #ARGV, 2 do
  for _, key in ipairs({info, warning, critical}) do
    redis.call('ZADD', key, 'XX', ARGV[i + 1], ARGV[i])
  end
  redis.call('ZADD', queued, 'XX', 'LT', ARGV[i + 1], ARGV[i])  -- a clock was ahead when it was queued
end
redis.call('SET', state, ARGV[2])
return 1
