-- Takes one call from all its limits, or from none, by Redis's own clock.
-- KEYS   the windows, then the sets of slots; all of one tenant, so of one hash tag
-- ARGV   number of windows, node, lease in ms, number of nodes, since when it is this Redis
--        each window: limit, need, ahead, stamp, owed, seed, n, n times (second, amount)
--        each set:    limit, held, slot, ahead
-- A window is a hash: a field for each second in which something was charged, and their total, the oldest second, the second it was last looked at,
-- and a stamp from when it was made; s:node and u:node are what a node told when the window had been lost, and used in the seconds after. A window that is
-- older than this Redis may lack the last charges: it gets another stamp, as if it had been lost, and what it holds is taken for a part of what nodes tell (stale). A charge
-- counts for 62 seconds: 60, one for the second being whole, one because a node may use what it took ahead a second later.
--   need, ahead   take need; and up to ahead more, to be used within a second
--   owed          what the node admitted without asking, while it could not ask
--   stamp, seed   what the node used in the last minute. Where the stamp is another, the window that the node knew was lost: the seed is charged anew, once.
--                 For five seconds from then on, in which all nodes tell theirs, each node gets no more than its share. Stamp 0: the node knew
--                 none; seed 0: what it knew may have ended of itself.
--   n, …          what the node gives back, by the second in which it was charged
-- A set of slots has a member for each call that runs (and a few ahead), scored with the end of its lease; and for five seconds the member lost, when it was.
-- Answer: number of the limit that refuses or 0, seconds to wait, then for each window granted, remaining, second, stamp; for each set granted.
local SPAN, GRACE = 61, 5
local time = redis.call('TIME')
local sec, ms = tonumber(time[1]), tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local count, node, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local nodes, from = tonumber(ARGV[4]), tonumber(ARGV[5])
local arg, refused, wait = 6, 0, 0
local windows, sets = {}, {}

for i = 1, count do
  local key = KEYS[i]
  local limit, need, ahead = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local known, owed, seed, n = ARGV[arg + 3], tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5]), tonumber(ARGV[arg + 6])
  arg = arg + 7
  local head = redis.call('HMGET', key, 'total', 'oldest', 'now', 'stamp', 'lost')
  local total, oldest, now, stamp = tonumber(head[1] or 0), tonumber(head[2] or sec), tonumber(head[3] or sec), head[4]
  local lost = tonumber(head[5] or 0)
  local older = stamp and tonumber(stamp) < from
  if older then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.find(field, '^[su]:') then redis.call('HDEL', key, field) end
    end
  end
  if older or not stamp then stamp = string.format('%.0f', sec * 1000000 + tonumber(time[2])) end
  if sec - now > SPAN then
    redis.call('DEL', key)
    total, oldest, now = 0, sec, sec
  elseif sec > now then
    while oldest < sec - SPAN do
      local gone = redis.call('HGET', key, oldest)
      if gone then
        total = total - tonumber(gone)
        redis.call('HDEL', key, oldest)
      end
      oldest = oldest + 1
    end
    now = sec
  elseif now - sec > 5 then
    -- The clock was set back: what is counted is counted from now on. By less, time stands still until it has caught up.
    redis.call('DEL', key)
    if total > 0 then redis.call('HSET', key, sec, total) end
    oldest, now = sec, sec
  end

  if older then
    lost = now
    redis.call('HSET', key, 'lost', lost, 'stale', total)
  end

  for _ = 1, n do
    local second, amount = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
    arg = arg + 2
    if stamp == known and second >= oldest then
      local there = tonumber(redis.call('HGET', key, second) or 0)
      local back = math.min(there, amount)
      if back > 0 then
        redis.call('HINCRBY', key, second, -back)
        total = total - back
      end
    end
  end

  local debt = owed
  if stamp ~= known then
    -- A second question of the same node, that left before the first was answered, owes what it says and no more.
    if redis.call('HSETNX', key, 's:' .. node, seed) == 1 then
      debt = seed
      local stale = lost > 0 and now - lost < GRACE and tonumber(redis.call('HGET', key, 'stale') or 0) or 0
      if stale > 0 and seed > 0 then
        debt = math.max(0, seed - stale)
        redis.call('HINCRBY', key, 'stale', debt - seed)
      end
    end
    if known ~= '0' and seed > 0 and lost == 0 then
      lost = now
      redis.call('HSET', key, 'lost', lost)
    end
  end
  local grace = lost > 0 and now - lost < GRACE
  if debt > 0 then
    redis.call('HINCRBY', key, now, debt)
    if grace and stamp == known then redis.call('HINCRBY', key, 'u:' .. node, debt) end
    total = total + debt
  end

  if need > 0 and total + need > limit then
    local excess, second = total + need - limit, oldest
    while excess > 0 and second <= now do
      excess = excess - tonumber(redis.call('HGET', key, second) or 0)
      second = second + 1
    end
    local free = second - 1 + SPAN + 1 - now
    if free > wait then refused, wait = i, free end
  end
  if need > 0 and grace then
    ahead = 0
    -- What the node had used when it told so, and since: questions that are on their way together can't know of each other.
    local used = tonumber(redis.call('HGET', key, 's:' .. node) or seed) + tonumber(redis.call('HGET', key, 'u:' .. node) or 0)
    if used + need > math.max(1, math.floor(limit / nodes)) and wait < GRACE then refused, wait = i, GRACE end
  end
  windows[i] = {key, limit, need, ahead, total, oldest, now, stamp, grace}
end

for i = count + 1, #KEYS do
  local key = KEYS[i]
  local limit, held, slot, ahead = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
  arg = arg + 4
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ms)
  -- Further ahead than any lease: the clock was set back. Nodes that live renew theirs.
  redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.0f', ms + lease + 5000), '+inf')
  local lost = redis.call('ZSCORE', key, 'lost')
  local running = redis.call('ZCARD', key) - (lost and 1 or 0)
  if running < held then
    -- Members of the node's own are missing: the set was lost, and all nodes are about to enter theirs anew.
    running, lost = held, true
    redis.call('ZADD', key, ms + GRACE * 1000, 'lost')
    redis.call('PEXPIRE', key, lease + 1000)
  end
  if (running + 1 > limit or (lost and held + 1 > math.max(1, math.floor(limit / nodes)))) and wait < 1 then refused, wait = i, 1 end
  if lost then ahead = 0 end
  sets[i - count] = {key, slot, 1 + math.min(ahead, math.floor(math.max(0, limit - running - 1) / 4))}
end

local answer = {refused, wait}
for i = 1, count do
  local key, limit, need, ahead, total, oldest, now, stamp, grace = unpack(windows[i])
  local granted = 0
  if refused == 0 and need > 0 then
    -- Ahead at most a quarter of what is left: the last of it is for whoever asks.
    granted = need + math.min(ahead, math.floor((limit - total - need) / 4))
    redis.call('HINCRBY', key, now, granted)
    if grace then redis.call('HINCRBY', key, 'u:' .. node, granted) end
    total = total + granted
  end
  redis.call('HSET', key, 'total', total, 'oldest', oldest, 'now', now, 'stamp', stamp)
  redis.call('PEXPIRE', key, (SPAN + 4) * 1000)
  answer[#answer + 1] = granted
  answer[#answer + 1] = math.max(0, limit - total)
  answer[#answer + 1] = now
  answer[#answer + 1] = tonumber(stamp)
end
for i = 1, #sets do
  local key, slot, granted = unpack(sets[i])
  if refused == 0 then
    for s = slot, slot + granted - 1 do
      redis.call('ZADD', key, ms + lease, node .. ':' .. string.format('%.0f', s))
    end
    redis.call('PEXPIRE', key, lease + 1000)
  else
    granted = 0
  end
  answer[#answer + 1] = granted
end
return answer
