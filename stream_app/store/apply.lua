-- Applies one event to one product, once; the same fold as stream_app/steps/fold.py, ProductState.apply.
--
-- What replaces or deletes a revision takes the words of the old one with it, in this same step: its sentence, the text that
-- cites it, its place among the highlights, what recent alerts quote, and the alerts that it left in the outbox.
--
-- KEYS  state, reviews, sentences, sentence_times, outbox, alert_words (see keys.py)
-- ARGV  1 review_id
--       2 contribution: "revision deleted enrichment_version hour label star p_negative"
--       3 created_at in ms            4 the first day kept when no review is newer than this one
--       5 packed sentence, or ''      6 how many sentences are kept
--       7 alert_id, or ''             8 the alert, put into the outbox if the event changes something
--       9 what it says of aspects: "-durability -look *price +quality .safety" (negative, both, positive, neither)
--      10 of how many hazards it is kept, where it speaks of one; else ''      11 "1" where its words are against its stars
-- Returns {1 if it changed something else 0, alert_id, what the outbox holds of it, ...}; the last two after a duplicate too.

local state, reviews, sentences, sentence_times, outbox, alert_words = unpack(KEYS)
local review_id, packed, created_at, sentence = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local REVISION, DELETED, ENRICHMENT_VERSION, HOUR, LABEL, STAR, P_NEGATIVE = 1, 2, 3, 4, 5, 6, 7
local NOTHING = '0 0 0 0 0 0 0 0 0 0' -- negative, neutral, positive, unknown, 1 to 5 stars, p_negative

local function numbers(text)
  local found = {}
  for number in string.gmatch(text, '%S+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

local function replaces(new, old)
  for part = REVISION, ENRICHMENT_VERSION do  -- guarantee: order-of-versions
    if new[part] ~= old[part] then
      return new[part] > old[part]  -- guarantee: older-never-replaces
    end
  end
  return false
end

-- What does not change stays a string: turning numbers into strings costs more than all the rest.
local function plus(tally, review, sign)
  local sums = {}
  for sum in string.gmatch(tally, '%S+') do
    sums[#sums + 1] = sum
  end
  sums[1 + review[LABEL]] = sums[1 + review[LABEL]] + sign
  if review[STAR] > 0 then
    sums[4 + review[STAR]] = sums[4 + review[STAR]] + sign
  end
  sums[10] = sums[10] + sign * review[P_NEGATIVE]
  return table.concat(sums, ' ')
end

local function day_of(review)
  return math.floor(review[HOUR] / 24)
end

-- A day is ';<hour of the day> <tally>;<hour> <tally>...', the hours that hold reviews, in no order.
local function plus_in_hour(others, review, sign)
  local prefix = string.format(';%d ', review[HOUR] - 24 * day_of(review))
  local tally = NOTHING
  local first, last = string.find(others, prefix, 1, true)
  if first then
    local next_one = string.find(others, ';', last, true) or #others + 1
    tally = string.sub(others, last + 1, next_one - 1)
    others = string.sub(others, 1, first - 1) .. string.sub(others, next_one)
  end
  tally = plus(tally, review, sign)
  return tally == NOTHING and others or others .. prefix .. tally
end

-- Adds a review (sign 1) or takes it away (-1), with what it says of aspects: of all time and, where its day is kept, of
-- its hour and its day. One read and one write, as each call counts.
local function count(review, said, oldest_day, sign)
  local day = string.format('%d', day_of(review))
  local held = redis.call('HMGET', state, 'totals', 'aspects', day, 'aspects:' .. day)
  local changed = {'totals', plus(held[1] or NOTHING, review, sign)}
  local function put(field, value)
    if value == '' then
      redis.call('HDEL', state, field)
    else
      changed[#changed + 1] = field
      changed[#changed + 1] = value
    end
  end
  local is_kept = day_of(review) >= oldest_day
  if is_kept then
    put(day, plus_in_hour(held[3] or '', review, sign))
  end
  if said ~= '' then
    put('aspects', plus_said(held[2] or '', said, sign))
    if is_kept then
      put('aspects:' .. day, plus_said(held[4] or '', said, sign))
    end
  end
  redis.call('HSET', state, unpack(changed))
end

local function drop_days_before(oldest_day)
  for _, field in ipairs(redis.call('HKEYS', state)) do
    local day = tonumber(string.match(field, '^aspects:(.+)') or field)
    if string.sub(field, 1, 7) == 'hazard:' then
      day = math.floor(redis.call('HGET', state, field) / 24)
    end
    if day and day < oldest_day then
      redis.call('HDEL', state, field)
    end
  end
end

-- The same as ProductState._withdraw_text.
local function withdraw_text_that_cites(review)
  local cited = redis.call('HGET', state, 'cited:' .. review_id)
  if not cited or (review[DELETED] == 0 and tonumber(cited) == review[REVISION]) then
    return
  end
  redis.call('HDEL', state, 'text', 'text_totals', 'text_arrived')
  for _, field in ipairs(redis.call('HKEYS', state)) do
    if string.sub(field, 1, 6) == 'cited:' then
      redis.call('HDEL', state, field)
    end
  end
end

-- The summary that was published last may quote the review: of an aspect, or in its text.
local function note_that_words_went()
  local changes = redis.call('HGET', state, 'version') + (redis.call('HGET', state, 'texts') or 0)
  redis.call('HSET', state, 'text_changed', string.format('%d', changes))
end

-- The same as highlights.without_reviews. A line of its own tells where the review says what.
local function drop_from_highlights()
  local held = redis.call('HGET', state, 'highlights')
  local first = held and string.find(held, '\n' .. review_id .. '\t', 1, true)
  if first then
    local last = string.find(held, '\n', first + 1, true)
    redis.call('HSET', state, 'highlights', string.sub(held, 1, first) .. string.sub(held, last + 1))
  end
end

-- An alert may be noted before its review is applied: words of this revision stay, words of an older one go.
local function drop_older_alert_words(review)
  local words = redis.call('HGET', alert_words, review_id)
  if words then
    local revision = tonumber(string.match(words, '^%d+'))
    if revision < review[REVISION] or (revision == review[REVISION] and review[DELETED] == 1) then
      redis.call('HDEL', alert_words, review_id)
    end
  end
end

-- An alert of the product that quotes the review loses all its words: it may have been published by now, and its end is
-- reported in any case.
local function drop_own_alerts_from_outbox()
  local waiting = redis.call('HGETALL', outbox)
  for i = 1, #waiting, 2 do
    local quoted = string.match(waiting[i + 1], '^%d+\n([^\n]*)\n')
    if quoted == review_id then
      redis.call('HDEL', outbox, waiting[i])
    elseif string.find('\t' .. quoted, '\t' .. review_id .. '\t', 1, true) then
      local version, wordless = string.match(waiting[i + 1], '^(%d+)\n[^\n]*\n[^\n]*\n(.*)$')
      redis.call('HSET', outbox, waiting[i], version .. '\n\n' .. wordless)  -- guarantee: alert-loses-words-and-stays
    end
  end
end

-- A contribution that counts here ends with '!': only what was added is taken away.
local function count_mismatch(is_new, was_counted)
  local change = (is_new and 1 or 0) - (was_counted and string.find(was_counted, '!', 1, true) and 1 or 0)
  if change ~= 0 then
    redis.call('HINCRBY', state, 'mismatches', change)  -- guarantee: mismatches-count-once
  end
end

local function keep_sentence()
  redis.call('HSET', sentences, review_id, sentence)
  redis.call('ZADD', sentence_times, created_at, review_id)
  if redis.call('ZCARD', sentence_times) > tonumber(ARGV[6]) then
    redis.call('HDEL', sentences, redis.call('ZPOPMIN', sentence_times)[1])
  end
end

local new = numbers(packed)
local times = redis.call('HMGET', state, 'newest', 'oldest_day', 'aspect_letters')
local oldest_day = tonumber(times[2])
local before = redis.call('HGET', reviews, review_id)
local old = before and numbers(before)
local is_duplicate = old and not replaces(new, old) and not replaces(old, new)
if new[DELETED] == 0 and not is_duplicate and (not times[1] or tonumber(created_at) > tonumber(times[1])) then
  local moved_to = tonumber(ARGV[4])
  if oldest_day and moved_to > oldest_day then
    drop_days_before(moved_to)
  end
  -- a version that kept fewer days has dropped the ones before
  oldest_day = math.max(moved_to, oldest_day or moved_to)  -- guarantee: dropped-days-stay-dropped
  redis.call('HSET', state, 'newest', created_at, 'oldest_day', string.format('%d', oldest_day))
end

local answer = {0}
if not old or replaces(new, old) then  -- guarantee: applied-once
  answer[1] = 1
  local said = in_short(state, ARGV[9], times[3])
  local is_mismatch = ARGV[11] == '1' and new[DELETED] == 0
  local end_of_it = said .. (is_mismatch and '!' or '')
  local kept = end_of_it == '' and packed or packed .. ' ' .. end_of_it
  redis.call('HSET', reviews, review_id, kept)  -- guarantee: deletion-leaves-a-marker
  local was_counted = old and old[DELETED] == 0
  if was_counted then
    count(old, said_by(before), oldest_day, -1)  -- guarantee: edit-replaces
  end
  if new[DELETED] == 0 then
    count(new, said, oldest_day, 1)
    if not was_counted then
      redis.call('HINCRBY', state, 'arrived', 1)
    end
  end
  count_mismatch(is_mismatch, was_counted and before)
  if sentence ~= '' then
    keep_sentence()
  elseif was_counted then
    redis.call('HDEL', sentences, review_id)
    redis.call('ZREM', sentence_times, review_id)
  end
  local is_hazard = ARGV[10] ~= ''
  if was_counted or is_hazard then
    local is_kept = is_hazard and day_of(new) >= oldest_day
    note_hazard(state, review_id, is_kept and new[HOUR] or nil, tonumber(ARGV[10]))
  end
  local version = redis.call('HINCRBY', state, 'version', 1)
  if was_counted then
    withdraw_text_that_cites(new)  -- guarantee: text-is-withdrawn
    if new[DELETED] == 1 or new[REVISION] ~= old[REVISION] then
      note_that_words_went()  -- guarantee: words-that-went-are-published-at-once
    end
    drop_from_highlights()  -- guarantee: highlights-lose-their-evidence
    drop_own_alerts_from_outbox()  -- guarantee: outbox-loses-the-words
  end
  if new[REVISION] > 0 or new[DELETED] == 1 then
    drop_older_alert_words(new)  -- guarantee: alert-loses-its-words
  end
  if ARGV[7] ~= '' then
    -- guarantee: outbox-is-written-with-the-apply
    redis.call('HSETNX', outbox, ARGV[7], version .. '\n' .. review_id .. '\n' .. ARGV[8])
  end
end

local waiting = redis.call('HGETALL', outbox)
for i = 1, #waiting do  -- guarantee: outbox-comes-with-duplicates
  answer[1 + i] = waiting[i]
end
return answer
