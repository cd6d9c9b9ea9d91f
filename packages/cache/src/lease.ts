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
 * Each step is one script, sent by EVALSHA. A value `c:user:1:{42}` and its lease `l:user:1:{42}` share a slot by the
 * hash tag; the lease lies outside of the tracked prefix, since taking one is no change that readers need to hear of.
 */
const SCRIPTS = {
  /**
   * KEYS value, lease; ARGV token, milliseconds, the header that the caller has judged stale or broken (or ''), take over.
   * Replies the value when there is one that the caller has not seen. Else 0: somebody holds the lease, 1: it is the
   * caller's; and 2 more when what the caller has judged is still there, so that it may answer that within its grace.
   */
  leaseAcquire: {
    numberOfKeys: 2,
    lua: `
local value = redis.pcall('GET', KEYS[1])
local seen = 0
if type(value) == 'table' then
  redis.call('DEL', KEYS[1])
elseif value and value ~= '' then
  if string.sub(value, 1, ${HEADER_BYTES}) ~= ARGV[3] then return value end
  seen = 2
end
if ARGV[4] == '1' then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  return seen + 1
end
return redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2], 'NX') and seen + 1 or seen`,
  },
  /** KEYS value, lease; ARGV token, value, milliseconds. 1: filled; 0: refused, the token is not the current one. */
  leaseFill: {
    numberOfKeys: 2,
    lua: `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1`,
  },
  /** KEYS lease; ARGV token. A holder whose load failed lets the next one try. */
  leaseRelease: {
    numberOfKeys: 1,
    lua: `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`,
  },
}

export type LeaseRedis = Redis & {
  leaseAcquireBuffer(
    valueKey: string,
    leaseKey: string,
    token: string,
    leaseMs: number,
    judged: Buffer | string,
    takeOver: '0' | '1',
  ): Promise<Buffer | number>
  leaseFill(valueKey: string, leaseKey: string, token: string, value: Buffer, px: number): Promise<number>
  leaseRelease(leaseKey: string, token: string): Promise<number>
}

/** A connection that knows the lease's steps. */
export const connectWithLeases = (options: ConnectionOptions): LeaseRedis =>
  new Redis({ ...options, scripts: SCRIPTS }) as LeaseRedis
