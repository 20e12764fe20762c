-- Gives a lease back, if it is still ours. What became due meanwhile stands in the due set already, and
-- keeps its time if that is earlier. A product whose lease ended becomes due again as well: what was published late may
-- be older than what the next holder published. (Not where the late process ends in between, or the next holder notes
-- its publication last.)
--
-- KEYS  due, leased, unfinished (of one shard)
-- ARGV  1 product_id, 2 when our lease ends, in ms, 3 when it is due again, in ms; '': not
--       4 '1': the work was done, and its process lived

local due, leased, unfinished = unpack(KEYS)
local lease = redis.call('ZSCORE', leased, ARGV[1])
if lease and tonumber(lease) == tonumber(ARGV[2]) then
  redis.call('ZREM', leased, ARGV[1])
  if ARGV[4] == '1' then
    redis.call('HDEL', unfinished, ARGV[1])
  end
end
-- guarantee: late-publication-is-followed-by-another
if ARGV[3] ~= '' then
  redis.call('ZADD', due, 'LT', ARGV[3], ARGV[1])  -- guarantee: lease-gives-back-no-later
end
return 0
