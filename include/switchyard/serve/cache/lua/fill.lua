-- Fill one value, only while the gate is still the very string that was seen before MongoDB was read.
-- KEYS[1] gate   KEYS[2] value   ARGV[1] the gate as seen   ARGV[2] seq|payload   ARGV[3] TTL in milliseconds
-- Returns 1, or 0 if refused.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
