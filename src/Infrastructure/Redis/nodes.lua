-- Says that a node is there, and how many are. KEYS: the set of nodes. ARGV: the node, for how many ms it counts.
local time = redis.call('TIME')
local ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], ms + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', ms + tonumber(ARGV[2]) + 5000), '+inf')
return redis.call('ZCARD', KEYS[1])
