-- Keeps which reviews of a product speak of a hazard; the same as ProductState._note_hazard. Functions for apply.lua.
--
-- Of a product's state: hazard:<review_id> holds the review's hour, of the newest ones of the kept days.

-- By bytes: `<` goes by the server's locale.
local function is_before(id, other)
  for i = 1, math.min(#id, #other) do
    local byte, its = string.byte(id, i), string.byte(other, i)
    if byte ~= its then
      return byte < its
    end
  end
  return #id < #other
end

local function drop_oldest_hazard(state, most)
  local fields, count, oldest, hour = redis.call('HGETALL', state), 0, nil, nil
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 7) == 'hazard:' then
      local at = tonumber(fields[i + 1])
      count = count + 1
      if not oldest or at < hour or (at == hour and is_before(fields[i], oldest)) then
        oldest, hour = fields[i], at
      end
    end
  end
  if count > most then  -- guarantee: hazards-of-a-product-are-bounded
    redis.call('HDEL', state, oldest)
  end
end

-- hour: nil where it speaks of none, or its day is not kept
local function note_hazard(state, review_id, hour, most)
  if hour then
    redis.call('HSET', state, 'hazard:' .. review_id, string.format('%d', hour))
    drop_oldest_hazard(state, most)
  else
    redis.call('HDEL', state, 'hazard:' .. review_id)
  end
end

