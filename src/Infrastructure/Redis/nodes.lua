-- Says that a node is there; tells how many are, and since when this Redis knows of any: another moment, and it has lost what it knew.
-- KEYS: the set of nodes, the moment. ARGV: the node, for how many ms it counts.
local time = redis.call('TIME')
local ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], ms + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', ms + tonumber(ARGV[2]) + 5000), '+inf')
redis.call('SETNX', KEYS[2], string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])))
return {redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[2]))}
