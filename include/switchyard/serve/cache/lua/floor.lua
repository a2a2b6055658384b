-- Put every value older than this publish below the floor: one write instead of one UNLINK per key.
-- KEYS[1] gate   ARGV[1] seq of the publish
-- Returns the gate; false if it is lost. A gate of another seq is left alone.
local gate = redis.call('GET', KEYS[1])
local gate_seq, _, state = string.match(gate or '', '^(%d+)|(%d+)|(%a+)$')
if gate_seq ~= ARGV[1] then return gate end
gate = ARGV[1] .. '|' .. ARGV[1] .. '|' .. state
redis.call('SET', KEYS[1], gate)
return gate
