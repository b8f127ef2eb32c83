namespace AiBackend.Core.Queue;

/// <summary>What <see cref="ReadyQueue"/> does in one step inside Redis.</summary>
internal static class ReadyScripts
{
    // Entries leave the stream when they are acknowledged, so its length is what needs a slot or holds one, and length minus pending is
    // what nobody has read yet. A new job that has to wait goes to a slot that is kept for its tenant, if there is one; once one of its jobs
    // waits all the same, the tenant's later ones wait behind it. A job that is refused while nothing is left to read may have a free slot kept for it.
    public const string Offer = """
        local ordered = ARGV[2] == '1'
        local waits = not ordered and redis.call('EXISTS', KEYS[2]) == 1
        local pending = redis.pcall('XPENDING', KEYS[1], ARGV[4])
        local read = 0
        if type(pending) == 'table' and not pending.err then read = pending[1] end
        local length = redis.call('XLEN', KEYS[1])
        local room = tonumber(ARGV[1]) - (length - read)
        local most = tonumber(ordered and ARGV[6] or redis.call('GET', KEYS[3]) or -1)
        if most >= 0 then room = math.min(room, most - length) end
        local count = (#ARGV - 6) / 2
        local taken = math.max(0, math.min(count, room))
        if waits then taken = 0 end
        for i = 7, 6 + 2 * taken, 2 do redis.call('XADD', KEYS[1], '*', 'id', ARGV[i]) end
        local usual = taken
        local all = taken < count and not ordered and redis.call('HGET', KEYS[4], 'in-flight')
        if all then
            local kept = math.min(tonumber(redis.call('HGET', KEYS[4], 'together')), tonumber(all) - length - taken)
            for i = 7 + 2 * usual, #ARGV, 2 do
                if kept > 0 and tonumber(redis.call('HGET', KEYS[4], ARGV[i + 1]) or 0) > 0 then
                    redis.call('HINCRBY', KEYS[4], ARGV[i + 1], -1)
                    redis.call('HINCRBY', KEYS[4], 'together', -1)
                    redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'kept', ARGV[i + 1])
                    kept, taken = kept - 1, taken + 1
                else
                    redis.call('HDEL', KEYS[4], ARGV[i + 1])
                end
            end
        end
        if taken < count and not ordered then
            redis.call('SET', KEYS[2], '1')
            if length == read and usual == 0 then redis.call('PUBLISH', ARGV[5], '') end
        end
        if taken > 0 then redis.call('PUBLISH', ARGV[3], taken) end
        return taken
        """;

    // Entries behind the group's place are unread. The young that went past the line are told with those that were read: their jobs may still
    // seem to wait. Nothing is told of a stream that is not there, without the group, or none.
    public const string Look = """
        local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
        if groups.err then
            if string.find(groups.err, 'no such key') or string.find(groups.err, 'WRONGTYPE') then return {} end
            return groups
        end
        for _, group in ipairs(groups) do
            local field = {}
            for i = 1, #group, 2 do field[group[i]] = group[i + 1] end
            if field['name'] == ARGV[1] then
                local entries = redis.call('XRANGE', KEYS[1], '(' .. field['last-delivered-id'], '+', 'COUNT', ARGV[2])
                local past = {}
                if ARGV[4] == '1' then
                    local now = redis.call('TIME')
                    local from = string.format('%.0f', now[1] * 1000 - ARGV[3])
                    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], from, '+')) do
                        if entry[2][3] == 'kept' then past[#past + 1] = entry end
                    end
                end
                return { entries, redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]), past }
            end
        end
        return {}
        """;

    public const string Guide = """
        if tonumber(ARGV[1]) < 0 then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1]) end
        return redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
        """;

    // Two numbers beside one for each tenant, whose fields are ids in 16 bytes.
    public const string Keep = """
        redis.call('DEL', KEYS[1])
        redis.call('HSET', KEYS[1], 'in-flight', ARGV[2], 'together', ARGV[3])
        for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
        return redis.call('PEXPIRE', KEYS[1], ARGV[1])
        """;

    // Slots became free, and those that were kept for a tenant are so again, unless one of its jobs waits by now. The dispatcher is told when
    // jobs wait for it and workers have nothing left to read: not for every job of many.
    public const string Acknowledge = """
        local keeps = redis.call('EXISTS', KEYS[3]) == 1
        for i = 3, #ARGV do
            local entry = keeps and redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
            if entry and entry[2][3] == 'kept' and redis.call('HEXISTS', KEYS[3], entry[2][4]) == 1 then
                redis.call('HINCRBY', KEYS[3], entry[2][4], 1)
                redis.call('HINCRBY', KEYS[3], 'together', 1)
            end
            redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
            redis.call('XDEL', KEYS[1], ARGV[i])
        end
        if redis.call('EXISTS', KEYS[2]) == 1 then
            local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
            if type(pending) == 'table' and not pending.err and redis.call('XLEN', KEYS[1]) == pending[1] then
                redis.call('PUBLISH', ARGV[2], '')
            end
        end
        return #ARGV - 2
        """;

    // Deleting a consumer forgets what it had read but leaves the entries in the stream, where nobody would ever see them again.
    public const string RemoveConsumer = """
        local left = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000, ARGV[2])
        for _, entry in ipairs(left) do
            redis.call('XACK', KEYS[1], ARGV[1], entry[1])
            redis.call('XDEL', KEYS[1], entry[1])
        end
        return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
        """;

    // Looked at without XCLAIM: an entry of a job that runs stays its reader's, or its slot would seem free.
    public const string FindStale = """
        local found = {}
        for _, held in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[2], ARGV[3], '+', 500)) do
            local entry = redis.call('XRANGE', KEYS[1], held[1], held[1])[1]
            found[#found + 1] = { held[1], held[2], entry and (entry[2][2] or '') or false }
        end
        return found
        """;

    // A worker that was killed leaves its consumer behind, and one more with every kill.
    public const string RemoveIdleConsumers = """
        local removed = 0
        for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
            local field = {}
            for i = 1, #consumer, 2 do field[consumer[i]] = consumer[i + 1] end
            if field['pending'] == 0 and field['idle'] > tonumber(ARGV[2]) then
                removed = removed + redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], field['name']) + 1
            end
        end
        return removed
        """;

    // Whatever sits at the stream's key and is none, for example after a restore of another installation, would block it for ever.
    public const string DropForeign = """
        local kind = redis.call('TYPE', KEYS[1]).ok
        if kind == 'stream' or kind == 'none' then return 0 end
        return redis.call('DEL', KEYS[1])
        """;

    // Behind the group's place and held by nobody: the place was moved forward, or Redis came back from an older file. Nobody would
    // ever be given these, and they would count against the limit. Never trimmed by length: that takes what nobody has read yet.
    public const string DropOrphans = """
        local function before(a, b)
            local am, as = string.match(a, '(%d+)-(%d+)')
            local bm, bs = string.match(b, '(%d+)-(%d+)')
            if tonumber(am) ~= tonumber(bm) then return tonumber(am) < tonumber(bm) end
            return tonumber(as) < tonumber(bs)
        end
        for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
            local field = {}
            for i = 1, #group, 2 do field[group[i]] = group[i + 1] end
            if field['name'] == ARGV[1] then
                local from = field['last-delivered-id']
                local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
                if pending[1] > 0 and before(pending[2], from) then from = pending[2] end
                return redis.call('XTRIM', KEYS[1], 'MINID', from)
            end
        end
        return 0
        """;
}
