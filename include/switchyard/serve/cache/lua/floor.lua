-- Put every value older than this publish below the floor: one write instead of one UNLINK per key.
-- KEYS[1] gate   ARGV[1] seq of the publish   ARGV[2] identity of the collection
-- Returns the gate; false if it is lost. A gate of another seq, or of another collection, is left alone.
local gate = redis.call('GET', KEYS[1])
local gate_seq, _, state, owner = string.match(gate or '', '^(%d+)|(%d+)|(%a+)|?(%x*)$')
if gate_seq ~= ARGV[1] or (owner ~= '' and owner ~= ARGV[2]) then return gate end
gate = ARGV[1] .. '|' .. ARGV[1] .. '|' .. state .. '|' .. ARGV[2]
redis.call('SET', KEYS[1], gate)
return gate
