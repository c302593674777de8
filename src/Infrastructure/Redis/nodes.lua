-- Says that a node is there; tells how many are, and since when this Redis knows of any: another moment, and it has lost what it knew.
-- Also since when it is this Redis: a replica that took over, or the same Redis started anew, may lack the last that the one before was told. 0: as far
-- back as is known. Where INFO is forbidden, it stays so.
-- KEYS: the set of nodes, the moment, the run of Redis. ARGV: the node, for how many ms it counts.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], ms + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', ms + tonumber(ARGV[2]) + 5000), '+inf')
redis.call('SETNX', KEYS[2], string.format('%.0f', now))
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
local known = redis.call('HMGET', KEYS[3], 'run', 'from')
local from = tonumber(known[2] or 0)
if run and run ~= known[1] then
  if known[1] then from = math.max(now, from + 1) end
  redis.call('HSET', KEYS[3], 'run', run, 'from', string.format('%.0f', from))
end
return {redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[2])), from}
