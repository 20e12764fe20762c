-- Notes how far each partition of the log is applied. May be run again: the same arguments change nothing more.
--
-- KEYS  progress (hash)
-- ARGV  of each partition: its number, the offset behind what the caller acknowledged of it (0: nothing), the offset
--       behind what is applied now
-- Returns 1 noted, 0 refused: the view holds less than was acknowledged, so it came back with older data.

local progress = KEYS[1]
local held = {}
for i = 1, #ARGV, 3 do
  held[i] = tonumber(redis.call('HGET', progress, ARGV[i]) or '-1')
  if held[i] < tonumber(ARGV[i + 1]) and ARGV[i + 1] ~= '0' then  -- guarantee: older-view-is-seen
    return 0
  end
end
for i = 1, #ARGV, 3 do
  if held[i] < tonumber(ARGV[i + 2]) then
    redis.call('HSET', progress, ARGV[i], ARGV[i + 2])
  end
end
return 1
