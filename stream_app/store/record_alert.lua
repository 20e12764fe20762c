-- Keeps an alert among the recent ones; the same alert_id once; beyond the limit the oldest go.
--
-- KEYS  alerts, alert_times
-- ARGV  1 alert_id, 2 raised_at in ms, 3 packed alert, 4 how many are kept

local alerts, alert_times = unpack(KEYS)
if redis.call('HSETNX', alerts, ARGV[1], ARGV[3]) == 1 then
  redis.call('ZADD', alert_times, ARGV[2], ARGV[1])
  if redis.call('ZCARD', alert_times) > tonumber(ARGV[4]) then
    redis.call('HDEL', alerts, redis.call('ZPOPMIN', alert_times)[1])
  end
end
return 0
