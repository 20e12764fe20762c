-- Writes a product's text, unless a review that it cites is no longer held in the revision that was read.
--
-- KEYS  state, reviews
-- ARGV  1 packed text, 2 when it was made, in ms
--       3 totals of the reviews when it was made; '': as they are now
--       then review_id, revision, review_id, revision, ... of the reviews that it cites
-- Returns 1 written, 0 refused.

local state, reviews = unpack(KEYS)
if redis.call('EXISTS', state) == 0 then
  return 0
end
for i = 4, #ARGV, 2 do
  local held = redis.call('HGET', reviews, ARGV[i])
  local revision, deleted = string.match(held or '', '^(%S+) (%S+)')
  if revision ~= ARGV[i + 1] or deleted ~= '0' then  -- guarantee: text-cites-what-stands
    return 0
  end
end

local function reviews_in(tally)
  local negative, neutral, positive, unknown = string.match(tally, '^(%d+) (%d+) (%d+) (%d+)')
  return negative + neutral + positive + unknown
end

local totals = redis.call('HGET', state, 'totals') or '0 0 0 0 0 0 0 0 0 0'
local arrived = redis.call('HGET', state, 'arrived') or '0'
if ARGV[3] ~= '' then
  local since = reviews_in(totals) - reviews_in(ARGV[3])
  arrived = string.format('%d', arrived - math.max(since, 0))
  totals = ARGV[3]
end
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.sub(field, 1, 6) == 'cited:' then
    redis.call('HDEL', state, field)
  end
end
for i = 4, #ARGV, 2 do
  redis.call('HSET', state, 'cited:' .. ARGV[i], ARGV[i + 1])
end
local texts = redis.call('HINCRBY', state, 'texts', 1)
local version = string.format('%d', (redis.call('HGET', state, 'version') or 0) + texts)
redis.call('HSET', state, 'text', ARGV[1], 'text_made_at', ARGV[2], 'text_arrived', arrived, 'text_totals', totals,
  'text_changed', version)
return 1
