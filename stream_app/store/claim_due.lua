-- Claims products whose time has come. They move from the due set to the leased one; leases that ended move back first, and
-- are counted: whoever held them did not finish. So do those that a clock which was ahead made.
--
-- KEYS  due, leased, unfinished (of one shard)
-- ARGV  1 now in ms, 2 at most how many, 3 when the leases end, in ms
--       4 the latest time at which a product may be due: those that stand later were entered by a clock that was ahead
-- Returns the product_ids. A leased product that has become due again is passed over until its lease is given back.

local due, leased, unfinished = unpack(KEYS)
local now, limit = ARGV[1], tonumber(ARGV[2])

local function ended(from, to)
  for _, product_id in ipairs(redis.call('ZRANGEBYSCORE', leased, from, to)) do
    redis.call('ZREM', leased, product_id)
    redis.call('ZADD', due, now, product_id)
    redis.call('HINCRBY', unfinished, product_id, 1)  -- guarantee: unfinished-claims-are-counted
  end
end
ended('-inf', now)
-- twice as long as a lease lasts: its holder's clock was ahead
ended(string.format('(%.0f', 2 * tonumber(ARGV[3]) - tonumber(now)), '+inf')  -- guarantee: clock-ahead-holds-no-lease

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
