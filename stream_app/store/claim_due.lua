-- Claims products whose time has come. They move from the due set to the leased one; leases that ended move back first, and
-- are counted: whoever held them did not finish.
--
-- KEYS  due, leased, unfinished (of one shard)
-- ARGV  1 now in ms, 2 at most how many, 3 when the leases end, in ms
--       4 the latest time at which a product may be due: those that stand later were entered by a clock that was ahead
-- Returns the product_ids. A leased product that has become due again is passed over until its lease is given back.

local due, leased, unfinished = unpack(KEYS)
local now, limit = ARGV[1], tonumber(ARGV[2])

for _, product_id in ipairs(redis.call('ZRANGEBYSCORE', leased, '-inf', now)) do
  redis.call('ZREM', leased, product_id)
  redis.call('ZADD', due, now, product_id)
  redis.call('HINCRBY', unfinished, product_id, 1)  -- guarantee: unfinished-claims-are-counted
end

for _, product_id in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. ARGV[4], '+inf', 'LIMIT', 0, limit)) do
  redis.call('ZADD', due, now, product_id)  -- guarantee: clock-ahead-delays-no-product
end

local claimed = {}
local reach = limit + redis.call('ZCARD', leased)
for _, product_id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, reach)) do
  if #claimed < limit and not redis.call('ZSCORE', leased, product_id) then
    redis.call('ZREM', due, product_id)
    redis.call('ZADD', leased, ARGV[3], product_id)
    claimed[#claimed + 1] = product_id
  end
end
return claimed
