-- Notes which episodes of a product go on, and puts the alerts about them into its outbox, in one step.
--
-- KEYS  state, outbox
-- ARGV  1 the version that was judged
--       2 how many marks; then of each: its field, what it held, what it is to hold ('': nothing)
--       then of each alert: alert_id, the reviews that it quotes (each followed by a tab), the alert, the same without words
-- Returns {1 noted, 0 refused, because something was applied or noted since, alert_id, what the outbox holds of it, ...}.

local state, outbox = unpack(KEYS)
local version, marks = redis.call('HGET', state, 'version') or '0', tonumber(ARGV[2])
local last = 2 + 3 * marks
local moved = version ~= ARGV[1]  -- guarantee: judged-state-is-the-present-one
for i = 3, last, 3 do
  moved = moved or (redis.call('HGET', state, ARGV[i]) or '') ~= ARGV[i + 1]
end
if not moved then
  for i = 3, last, 3 do
    if ARGV[i + 2] == '' then
      redis.call('HDEL', state, ARGV[i])
    else
      redis.call('HSET', state, ARGV[i], ARGV[i + 2])
    end
  end
  for i = last + 1, #ARGV, 4 do
    local entry = table.concat({version, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]}, '\n')
    redis.call('HSETNX', outbox, ARGV[i], entry)  -- guarantee: alert-is-written-with-its-episode
  end
end
local answer = {moved and 0 or 1}
for _, part in ipairs(redis.call('HGETALL', outbox)) do
  answer[#answer + 1] = part
end
return answer
