import { readFile } from 'node:fs/promises'
import t from 'tap'
import { freePort } from './free-port.ts'

t.test('a port is free and none that the system gives to outgoing connections', async (t) => {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '49152 65535')
  const lowest = Number(/^\d+/.exec(range)?.[0])
  const ports = await Promise.all(Array.from({ length: 200 }, freePort))
  for (const port of ports) {
    if (port >= lowest && lowest > 32_767) t.fail(`${port} is one that the system gives`)
    if (port < 20_000 || port > 32_767) t.fail(`${port} is outside of the range`)
  }
  t.ok(new Set(ports).size > 180, 'drawn at random')
})
