-- An answer by its name, KEYS[1]. Without arguments: what is there, false for nothing. With: ARGV[1] is kept for ARGV[2] milliseconds.
if #ARGV == 0 then
  return redis.call('GET', KEYS[1])
end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
