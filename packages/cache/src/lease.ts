import { Redis } from 'ioredis'
import type { ConnectionOptions } from './connection.ts'
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
 */
const SCRIPTS = {
  /**
   * For each key: KEYS value, lease; ARGV token, milliseconds, the header that the caller has judged expired or damaged
   * (or ''), take over. Replies the value when there is one that the caller has not seen. Else 0: another reader holds the
   * lease, 1: it is the caller's; 2 more when the bytes that the caller has judged are still there, so that it may answer
   * them within their grace; 4 more when a value of another type was there, which is removed.
   */
  leaseAcquire: {
    lua: `
local replies = {}
for i = 1, #KEYS / 2 do
  local value, lease, token, ms = KEYS[2 * i - 1], KEYS[2 * i], ARGV[4 * i - 3], ARGV[4 * i - 2]
  local stored = redis.pcall('GET', value)
  local judged = 0
  if type(stored) == 'table' then
    redis.call('DEL', value)
    judged = 4
  elseif stored and stored ~= '' then
    if string.sub(stored, 1, ${HEADER_BYTES}) == ARGV[4 * i - 1] then judged = 2 else replies[i] = stored end
  end
  if replies[i] == nil then
    local granted
    if ARGV[4 * i] == '1' then
      granted = redis.call('SET', lease, token, 'PX', ms)
    else
      granted = redis.call('SET', lease, token, 'PX', ms, 'NX')
    end
    replies[i] = granted and judged + 1 or judged
  end
end
return replies`,
  },
  /** For each key: KEYS value, lease; ARGV token, value, milliseconds. 1: filled; 0: refused, the token is not current. */
  leaseFill: {
    lua: `
local replies = {}
for i = 1, #KEYS / 2 do
  local value, lease = KEYS[2 * i - 1], KEYS[2 * i]
  if redis.call('GET', lease) == ARGV[3 * i - 2] then
    redis.call('SET', value, ARGV[3 * i - 1], 'PX', ARGV[3 * i])
    redis.call('DEL', lease)
    replies[i] = 1
  else
    replies[i] = 0
  end
end
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
  new Redis({ ...options, scripts: SCRIPTS }) as LeaseRedis
