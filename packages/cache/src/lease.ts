import { Redis } from 'ioredis'
import { type ConnectionOptions, listenToSocketErrors } from './connection.ts'
import { HEADER_BYTES } from './envelope.ts'

/**
 * Leases: R. Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.
 *
 * A reader that misses takes a token for the key; only the holder of the current token may fill. An invalidation removes
 * the token with the value, so a slow reader can never put back the row that it read before the write. One token a key
 * means one load a key in the whole fleet. The token expires by itself: a holder that dies costs at most that time.
 *
 * Each step is one script, sent by EVALSHA, for all keys of a batch: on a Cluster one key, since a value
 * `c:user:1:{42}` and its lease `l:user:1:{42}` share a slot by the hash tag. The lease lies outside of the tracked prefix:
 * taking one is not announced to readers.
 *
 * A call of Redis from Lua costs about 2 µs besides the command, so that each script reads and deletes the keys of its batch
 * by one MGET and one DEL: a miss then takes two commands of its own, the SET of its lease and the SET of its value. With 50
 * callers that is 2.4 commands a miss instead of 5.2, scripts included (`INFO commandstats`, batches of 12).
 */
const SCRIPTS = {
  /**
   * KEYS all values, then all leases; ARGV token, milliseconds, take over ('1'), and, if any caller has judged stored bytes,
   * for each key their header or ''. One token serves the whole batch: each lease is a key of its own, and no other batch
   * has the same token.
   *
   * Replies for each key the value when there is one that the caller has not judged. Else 0: another reader holds the
   * lease, 1: it is the caller's; 2 more when the bytes that the caller has judged expired or damaged are still there, so
   * that it may answer them within their grace. A value of another Redis type counts as nothing stored; the fill replaces it.
   */
  leaseAcquire: {
    lua: `
local n = #KEYS / 2
local token, ms, takeOver = ARGV[1], ARGV[2], ARGV[3] == '1'
local replies = redis.call('MGET', unpack(KEYS, 1, n))
for i = 1, n do
  local stored, judged = replies[i], 0
  if stored == '' then
    stored = false
  elseif stored and ARGV[3 + i] and string.sub(stored, 1, ${HEADER_BYTES}) == ARGV[3 + i] then
    stored, judged = false, 2
  end
  if not stored then
    local granted
    if takeOver then
      granted = redis.call('SET', KEYS[n + i], token, 'PX', ms)
    else
      granted = redis.call('SET', KEYS[n + i], token, 'PX', ms, 'NX')
    end
    replies[i] = granted and judged + 1 or judged
  end
end
return replies`,
  },
  /**
   * KEYS all values, then all leases; ARGV all tokens, then all values, then the milliseconds of each. Replies for each key
   * 1: filled; 0: refused, the token is not current.
   */
  leaseFill: {
    lua: `
local n = #KEYS / 2
local replies, ended = redis.call('MGET', unpack(KEYS, n + 1)), {}
for i = 1, n do
  if replies[i] == ARGV[i] then
    redis.call('SET', KEYS[i], ARGV[n + i], 'PX', ARGV[2 * n + i])
    ended[#ended + 1] = KEYS[n + i]
    replies[i] = 1
  else
    replies[i] = 0
  end
end
if #ended > 0 then redis.call('DEL', unpack(ended)) end
return replies`,
  },
  /** KEYS lease; ARGV token. The load of the holder has failed: the next reader may try at once. */
  leaseRelease: {
    lua: `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`,
  },
}

type Arguments = readonly (string | number | Buffer)[]

export type LeaseRedis = Redis & {
  leaseAcquireBuffer(numberOfKeys: number, ...args: Arguments): Promise<(Buffer | number)[]>
  leaseFill(numberOfKeys: number, ...args: Arguments): Promise<number[]>
  leaseRelease(numberOfKeys: 1, leaseKey: string, token: string): Promise<number>
}

/** A connection with the lease's scripts as commands. */
export const connectWithLeases = (options: ConnectionOptions): LeaseRedis =>
  listenToSocketErrors(new Redis({ ...options, scripts: SCRIPTS })) as LeaseRedis
