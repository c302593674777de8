-- Renews a node's leases on slots, and enters them anew where they were lost. KEYS: the set. ARGV: lease in ms, the members.
local time = redis.call('TIME')
local till = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], till, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1]) + 1000)
return #ARGV - 1
