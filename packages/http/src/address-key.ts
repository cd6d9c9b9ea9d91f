import { isIPv6 } from 'node:net'

/**
 * The address by which the requests and connections of a client are counted. A client of IPv6 has a /64 of addresses for itself, so
 * that they count as one; an IPv4 address that is written as IPv6 counts as IPv4.
 */
export function addressKey(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^(?:0*:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return mapped ?? `${network(address)}::/64`
}

/** The first four groups, without leading zeros. */
function network(address: string): string {
  const [plain = ''] = address.split('%', 1)
  const [head = '', tail] = plain.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  // `1::2` has zeros between its parts; an address whose last part is dotted has two groups there.
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    const length = last.length + (last.at(-1)?.includes('.') ? 1 : 0)
    while (groups.length < 8 - length) groups.push('0')
    groups.push(...last)
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
